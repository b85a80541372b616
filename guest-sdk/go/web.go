// Web pages: requests, responses, and how to ask for them. Knows nothing of how pages are fetched.

package wisted

import (
	"strings"
	"time"
)

// Fetch is a page that is not there yet: Twisted's Deferred. Either give it callbacks with Then and return from the
// handler, or Wait for it.
type Fetch struct {
	id        uint32
	done      bool
	page      *Response
	err       error
	callbacks []func(*Response, error)
}

// GetPage fetches url with GET and returns at once: Twisted's getPage. The operator must have granted the host.
//
//	wisted.GetPage("https://example.org/").Then(func(page *wisted.Response, err error) {
//		…
//	})
func GetPage(url string) *Fetch { return fetch(hostGetPage(url)) }

// Send sends any request and returns at once; like [GetPage] in everything else.
func Send(request Request) *Fetch {
	if request.Method == "" {
		request.Method = "GET"
	}
	return fetch(hostSendRequest(&request))
}

func fetch(id uint32) *Fetch {
	f := &Fetch{id: id}
	expected[id] = f.resolve
	return f
}

// Then has callback called with the page or the error: a [*FetchError], or [ErrCancelled]. Callbacks run in the order
// in which they were given, after the running handler; when the outcome is there already, at once. It returns f.
func (f *Fetch) Then(callback func(page *Response, err error)) *Fetch {
	if f.done {
		callback(f.page, f.err)
	} else {
		f.callbacks = append(f.callbacks, callback)
	}
	return f
}

// Wait suspends the running handler until the outcome is there, runs the callbacks and returns it. The reactor serves
// everyone else meanwhile, and what was written so far goes out. Besides its own, the error may be a [*WaitError],
// when the handler's connection is lost or the host is stopping: return soon then.
func (f *Fetch) Wait() (*Response, error) {
	if !f.done {
		if err := hostWait(f.id); err != nil {
			return nil, err
		}
		page, err := hostTakePage(f.id)
		deliver(f.id, page, err)
	}
	return f.page, f.err
}

// Cancel gives up: the request is aborted, and the callbacks are called at once with [ErrCancelled]. It returns whether
// there was something to give up: false when the outcome is there already.
func (f *Fetch) Cancel() bool {
	if !giveUp(f.id) {
		return false
	}
	f.resolve(nil, ErrCancelled)
	return true
}

// Ready is whether the outcome is there, so that Wait would not suspend.
func (f *Fetch) Ready() bool { return f.done }

func (f *Fetch) resolve(page *Response, err error) {
	f.done, f.page, f.err = true, page, err
	callbacks := f.callbacks
	f.callbacks = nil
	for _, callback := range callbacks {
		callback(page, err)
	}
}

// Request is to be sent with [Send].
type Request struct {
	// Method is such as POST; empty for GET.
	Method string
	// URL is absolute, http or https.
	URL     string
	Headers []Header
	// Body is empty for none.
	Body []byte
	// Timeout is how long the whole request may take, redirects included. 0 is the service's limit, which is also the
	// most that can be had.
	Timeout time.Duration
}

// Header is an HTTP header.
type Header struct {
	// Name is the name; case does not matter.
	Name  string
	Value string
}

// Response is a response of any status: a 404 is a page, not an error.
type Response struct {
	// Status is the HTTP status, such as 200.
	Status  uint16
	Headers []Header
	// Body has at most the service's page-max-bytes.
	Body []byte
	// URL is where the page came from, after redirects.
	URL string
}

// Success is whether the status is in the 200s.
func (r *Response) Success() bool { return r.Status/100 == 2 }

// Header is the value of the first header of this name, whatever its case, or empty.
func (r *Response) Header(name string) string {
	for _, header := range r.Headers {
		if strings.EqualFold(header.Name, name) {
			return header.Value
		}
	}
	return ""
}
