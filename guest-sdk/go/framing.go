// Framing: finds lines and length-prefixed messages in bytes that were cut anywhere. Knows nothing of connections.

package wisted

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
	"strconv"
)

// The longest message that a receiver takes whose MaxBytes is 0.
const (
	LineMaxBytes  = 16 << 10
	FrameMaxBytes = 99_999
)

// ErrTooLong is what a receiver ends with when a message is longer than its MaxBytes: its peer is to be let go.
var ErrTooLong = errors.New("wisted: the message is too long")

// ErrNoNetstring is what a [NetstringReceiver] ends with when the bytes are no netstring.
var ErrNoNetstring = errors.New("wisted: this is no netstring")

// LineReceiver finds lines: Twisted's LineReceiver. The zero value is ready.
//
//	for line, err := range p.lines.Feed(data) {
//		if err != nil {
//			t.LoseConnection()
//			return
//		}
//		…
//	}
type LineReceiver struct {
	// MaxBytes is the length of the longest line without its end; 0 is [LineMaxBytes].
	MaxBytes int
	receiver
}

// Feed takes what has arrived and gives each complete line in turn, without its LF or CR LF; what is left it keeps. A
// line is only lent, until the next one. When the loop is left early, the rest is kept too: for the next Feed, or for
// Rest. After a line that is too long comes [ErrTooLong], as the last.
func (r *LineReceiver) Feed(data []byte) iter.Seq2[[]byte, error] {
	return r.frames(data, func(have []byte) (begin, end, next int, err error) {
		limit := limitOr(r.MaxBytes, LineMaxBytes)
		at := bytes.IndexByte(have, '\n')
		if at < 0 {
			if len(have) > limit+1 {
				err = ErrTooLong
			}
			return 0, 0, 0, err
		}
		end = at
		if end > 0 && have[end-1] == '\r' {
			end--
		}
		if end > limit {
			return 0, 0, 0, ErrTooLong
		}
		return 0, end, at + 1, nil
	})
}

// NetstringReceiver finds netstrings, such as 5:hello, : Twisted's NetstringReceiver. The zero value is ready.
type NetstringReceiver struct {
	// MaxBytes is the length of the longest string; 0 is [FrameMaxBytes].
	MaxBytes int
	receiver
}

// Feed is as [LineReceiver.Feed]; besides ErrTooLong there is [ErrNoNetstring].
func (r *NetstringReceiver) Feed(data []byte) iter.Seq2[[]byte, error] {
	return r.frames(data, func(have []byte) (begin, end, next int, err error) {
		limit := limitOr(r.MaxBytes, FrameMaxBytes)
		digits := 0
		for digits < len(have) && have[digits] >= '0' && have[digits] <= '9' {
			if end = end*10 + int(have[digits]-'0'); end > limit {
				return 0, 0, 0, ErrTooLong
			}
			digits++
			if digits > 1 && have[0] == '0' {
				return 0, 0, 0, ErrNoNetstring
			}
		}
		if digits == len(have) {
			return 0, 0, 0, nil
		}
		if digits == 0 || have[digits] != ':' {
			return 0, 0, 0, ErrNoNetstring
		}
		begin = digits + 1
		end += begin
		if len(have) <= end {
			return 0, 0, 0, nil
		}
		if have[end] != ',' {
			return 0, 0, 0, ErrNoNetstring
		}
		return begin, end, end + 1, nil
	})
}

// AppendNetstring appends the netstring of payload to target.
func AppendNetstring(target, payload []byte) []byte {
	target = strconv.AppendInt(target, int64(len(payload)), 10)
	target = append(target, ':')
	target = append(target, payload...)
	return append(target, ',')
}

// Int32Receiver finds messages with their length before them in four bytes, big endian: Twisted's
// Int32StringReceiver. The zero value is ready.
type Int32Receiver struct {
	// MaxBytes is the length of the longest message; 0 is [FrameMaxBytes].
	MaxBytes int
	receiver
}

// Feed is as [LineReceiver.Feed].
func (r *Int32Receiver) Feed(data []byte) iter.Seq2[[]byte, error] {
	return r.frames(data, func(have []byte) (begin, end, next int, err error) {
		if len(have) < 4 {
			return 0, 0, 0, nil
		}
		length := binary.BigEndian.Uint32(have)
		if uint64(length) > uint64(limitOr(r.MaxBytes, FrameMaxBytes)) {
			return 0, 0, 0, ErrTooLong
		}
		end = 4 + int(length)
		if len(have) < end {
			return 0, 0, 0, nil
		}
		return 4, end, end, nil
	})
}

// AppendInt32 appends payload to target with its length before it.
func AppendInt32(target, payload []byte) []byte {
	target = binary.BigEndian.AppendUint32(target, uint32(len(payload)))
	return append(target, payload...)
}

// receiver keeps what has arrived of a message that is not complete.
type receiver struct {
	kept []byte
}

// Rest is what has arrived and belongs to no message given so far; it is no longer kept. For protocols that change
// their framing on the way.
func (r *receiver) Rest() []byte {
	rest := r.kept
	r.kept = nil
	return rest
}

// frames gives the messages that find finds: where one begins and ends, and where the next one begins, which is 0
// while the message is not complete.
func (r *receiver) frames(data []byte, find func([]byte) (begin, end, next int, err error)) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		rest, isLent := data, true
		if len(r.kept) > 0 {
			rest, isLent = append(r.kept, data...), false
		}
		for len(rest) > 0 {
			begin, end, next, err := find(rest)
			if err != nil {
				r.kept = nil
				yield(nil, err)
				return
			}
			if next == 0 {
				break
			}
			message := rest[begin:end:end]
			// Before the loop's body, which may ask for the rest.
			r.kept = rest[next:]
			goesOn := yield(message, nil)
			rest = r.kept
			if !goesOn {
				break
			}
		}
		if isLent {
			rest = bytes.Clone(rest)
		}
		r.kept = rest
	}
}

func limitOr(limit, otherwise int) int {
	if limit > 0 {
		return limit
	}
	return otherwise
}
