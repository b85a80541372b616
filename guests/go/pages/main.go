// The tutorial's asynchronous pages: each line starts two fetches and then sleeps in its handler, delaying nobody else.

package main

import (
	"bytes"
	"fmt"
	"time"

	"wisted.dev/wisted"
	"wisted.dev/wisted/server"
)

// A longer line ends its connection. With its end it has 256 bytes.
const lineMaxBytes = 255

type pagesFactory struct {
	wisted.FactoryBase
	urls []string
}

func (f *pagesFactory) Start(config wisted.Config) error {
	f.urls = []string{
		config.Get("url1", "http://www.example.com/"),
		config.Get("url2", "http://www.example.org/"),
	}
	return nil
}

func (f *pagesFactory) BuildProtocol(wisted.Address) wisted.Protocol {
	return &pages{urls: f.urls, lines: wisted.LineReceiver{MaxBytes: lineMaxBytes}}
}

type pages struct {
	wisted.ProtocolBase
	urls  []string
	lines wisted.LineReceiver
	// Kept only so that a peer that has closed its side gets its pages before we close ours.
	underWay []*wisted.Fetch
}

func (p *pages) DataReceived(t *wisted.Transport, data []byte) {
	for line, err := range p.lines.Feed(data) {
		if err != nil {
			t.LoseConnection()
			return
		}
		if bytes.HasPrefix(line, []byte("echo ")) {
			// For whoever wants to see that a sleeping neighbour delays nobody.
			t.WriteMany(line, []byte("\n"))
		} else if err := p.fetchAndSleep(t, bytes.HasPrefix(line, []byte("wait"))); err != nil {
			fmt.Println(clockTime(), err)
			return
		}
	}
}

func (p *pages) fetchAndSleep(t *wisted.Transport, waits bool) error {
	var fetches []*wisted.Fetch
	for _, url := range p.urls {
		fetches = append(fetches, showPage(url, t))
	}
	if waits {
		// The sequential style: go on when the pages are there.
		for _, fetch := range fetches {
			if _, err := fetch.Wait(); !fetch.Ready() {
				return err
			}
		}
	} else {
		// The callback style: they run after this handler has returned, in order of arrival.
		p.underWay = append(p.underWay, fetches...)
	}
	for nap := 1; nap <= 2; nap++ {
		fmt.Printf("%s sleeping, %d of 2\n", clockTime(), nap)
		if err := wisted.Sleep(time.Second); err != nil {
			return err
		}
	}
	fmt.Println(clockTime(), "awake")
	t.WriteString("done\n")
	return nil
}

func (p *pages) ReadClosed(t *wisted.Transport) {
	for _, fetch := range p.underWay {
		// Its own callback tells of any error.
		fetch.Wait()
	}
	t.LoseConnection()
}

// showPage fetches a page and, when it is there, prints it and tells the peer.
func showPage(url string, t *wisted.Transport) *wisted.Fetch {
	return wisted.GetPage(url).Then(func(page *wisted.Response, err error) {
		if err != nil {
			fmt.Printf("%s %s: %v\n", clockTime(), url, err)
			fmt.Fprintf(t, "%s error: %v\n", url, err)
			return
		}
		fmt.Printf("%s %s: %d bytes: %q\n", clockTime(), url, len(page.Body), page.Body[:min(len(page.Body), 100)])
		fmt.Fprintf(t, "%s %d\n", url, len(page.Body))
	})
}

// clockTime is the time of day, UTC.
func clockTime() string { return time.Now().UTC().Format(time.TimeOnly) }

func main() { server.Run(new(pagesFactory)) }
