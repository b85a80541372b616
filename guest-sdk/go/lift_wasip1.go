// Values as the canonical ABI has them in memory become Go's; everything is copied. Knows where they lie in a record,
// not who wants them.

package wisted

import "unsafe"

// result is where an import returns by reference. The largest is a page.
type result [5]uint64

func (r *result) at(offset uintptr) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(r), offset) }
func (r *result) byte(offset uintptr) uint8        { return *(*uint8)(r.at(offset)) }
func (r *result) short(offset uintptr) uint16      { return *(*uint16)(r.at(offset)) }
func (r *result) word(offset uintptr) uint32       { return *(*uint32)(r.at(offset)) }
func (r *result) long(offset uintptr) uint64       { return *(*uint64)(r.at(offset)) }
func (r *result) string(offset uintptr) string     { return liftString(r.word(offset), r.word(offset+4)) }
func (r *result) bytes(offset uintptr) []byte      { return liftBytes(r.word(offset), r.word(offset+4)) }

// lent is what the host has put into memory, without a copy.
func lent(at, length uint32) []byte {
	if length == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(address(at)), length)
}

func liftString(at, length uint32) string { return string(lent(at, length)) }

func liftBytes(at, length uint32) []byte {
	data := make([]byte, length)
	copy(data, lent(at, length))
	return data
}

// liftPairs is for list<tuple<string, string>>.
func liftPairs(at, count uint32) [][2]string {
	pairs := make([][2]string, count)
	for i := range pairs {
		pair := (*[4]uint32)(address(at + uint32(i)*16))
		pairs[i] = [2]string{liftString(pair[0], pair[1]), liftString(pair[2], pair[3])}
	}
	return pairs
}

func liftAddress(r *result) Address { return Address{Host: r.string(0), Port: r.short(8)} }

// liftWaitResult is for result<_, wait-error>.
func liftWaitResult(r *result) error {
	if r.byte(0) == 0 {
		return nil
	}
	err := &WaitError{Kind: WaitErrorKind(r.byte(4))}
	if err.Kind == WaitConnectionLost {
		err.Reason = liftReason(uint32(r.byte(8)), r.word(12), r.word(16))
	}
	return err
}

func liftReason(kind, at, length uint32) CloseReason {
	reason := CloseReason{Kind: CloseKind(kind)}
	if reason.Kind == Lost || reason.Kind == PeerNotReading {
		reason.Text = liftString(at, length)
	}
	return reason
}

type pageResult struct {
	page *Response
	err  error
}

// liftPage is for result<response, fetch-error> in memory.
func liftPage(r *result) pageResult {
	if r.byte(0) == 0 {
		return pageResult{page: &Response{
			Status:  r.short(8),
			Headers: liftHeaders(r.word(12), r.word(16)),
			Body:    r.bytes(20),
			URL:     r.string(28),
		}}
	}
	return pageResult{err: liftFetchError(uint32(r.byte(8)), r.long(16), r.word(20))}
}

// liftFetchError takes a string's address or a number, and a string's length.
func liftFetchError(kind uint32, payload uint64, length uint32) *FetchError {
	err := &FetchError{Kind: FetchErrorKind(kind)}
	switch err.Kind {
	case FetchTimeout:
	case FetchTooLarge:
		err.Limit = payload
	case FetchTooManyRedirects, FetchTooManyRequests:
		err.Limit = uint64(uint32(payload))
	default:
		err.Text = liftString(uint32(payload), length)
	}
	return err
}

func liftHeaders(at, count uint32) []Header {
	headers := make([]Header, count)
	for i, pair := range liftPairs(at, count) {
		headers[i] = Header{Name: pair[0], Value: pair[1]}
	}
	return headers
}
