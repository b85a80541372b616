// What can go wrong with something pending: the errors of waits and of pages. Knows nothing of what was waited for.

package wisted

import (
	"errors"
	"strconv"
)

// ErrCancelled is the outcome of a page that was given up with [Fetch.Cancel].
var ErrCancelled = errors.New("wisted: cancelled")

// WaitError is why a wait or a sleep ended early.
type WaitError struct {
	Kind WaitErrorKind
	// Reason is why the connection was lost, when that is the Kind.
	Reason CloseReason
}

// WaitErrorKind is the kind of a [WaitError].
type WaitErrorKind uint8

// In the order of the contract's wait-error.
const (
	// WaitConnectionLost: the connection whose handler is running was lost. Return soon: ConnectionLost comes next, and
	// every further wait in this handler ends at once with this error.
	WaitConnectionLost WaitErrorKind = iota
	// WaitUnknownID: there is nothing to wait for; it was cancelled or has been delivered.
	WaitUnknownID
	// WaitStopping: the host is stopping.
	WaitStopping
)

// String is the name in the contract, such as connection-lost.
func (k WaitErrorKind) String() string {
	return name(int(k), "connection-lost", "unknown-id", "stopping")
}

func (e *WaitError) Error() string {
	switch e.Kind {
	case WaitConnectionLost:
		return "gave up waiting: " + e.Reason.String()
	case WaitUnknownID:
		return "there is nothing to wait for"
	default:
		return "gave up waiting: the host is stopping"
	}
}

// FetchError is why there is no response. A response of any status is a page and no error. Get it of an error with
// errors.As.
type FetchError struct {
	Kind FetchErrorKind
	// Text is for people; the kinds below that have a limit, and a timeout, have none.
	Text string
	// Limit is what was exceeded, for the kinds that say so.
	Limit uint64
}

// FetchErrorKind is the kind of a [FetchError].
type FetchErrorKind uint8

// In the order of the contract's fetch-error.
const (
	// FetchDenied: the operator has not granted this host; the text says what to grant.
	FetchDenied FetchErrorKind = iota
	// FetchInvalidRequest: the URL, the method or a header is malformed, or the scheme is not http or https.
	FetchInvalidRequest
	// FetchDNS: the name could not be resolved.
	FetchDNS
	// FetchConnect: no connection could be made, or it broke.
	FetchConnect
	// FetchTLS: the certificate could not be verified, or the TLS handshake failed.
	FetchTLS
	// FetchProtocol: the peer does not speak HTTP properly.
	FetchProtocol
	// FetchTimeout: it took longer than it may.
	FetchTimeout
	// FetchTooLarge: the body is longer than Limit bytes, the service's page-max-bytes.
	FetchTooLarge
	// FetchTooManyRedirects: more redirects than Limit.
	FetchTooManyRedirects
	// FetchTooManyRequests: more requests wait than this service may have, which is Limit; try later.
	FetchTooManyRequests
)

// String is the name in the contract, such as too-large.
func (k FetchErrorKind) String() string {
	return name(int(k), "denied", "invalid-request", "dns", "connect", "tls", "protocol", "timeout", "too-large",
		"too-many-redirects", "too-many-requests")
}

func (e *FetchError) Error() string {
	limit := strconv.FormatUint(e.Limit, 10)
	switch e.Kind {
	case FetchDenied:
		return "denied: " + e.Text
	case FetchInvalidRequest:
		return "invalid request: " + e.Text
	case FetchDNS:
		return "the name could not be resolved: " + e.Text
	case FetchConnect:
		return "no connection: " + e.Text
	case FetchTLS:
		return "TLS: " + e.Text
	case FetchProtocol:
		return "not proper HTTP: " + e.Text
	case FetchTimeout:
		return "the request timed out"
	case FetchTooLarge:
		return "the page is longer than " + limit + " bytes"
	case FetchTooManyRedirects:
		return "more than " + limit + " redirects"
	default:
		return "more than " + limit + " requests are waiting"
	}
}
