// Framing, with the bytes cut everywhere.

package wisted_test

import (
	"bytes"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"wisted.dev/wisted"
)

type receiver interface {
	Feed([]byte) iter.Seq2[[]byte, error]
	Rest() []byte
}

// feed cuts text into pieces of this length, and returns the messages and the error that ended them.
func feed(r receiver, text string, piece int) (messages []string, ended error) {
	for data := range slices.Chunk([]byte(text), piece) {
		for message, err := range r.Feed(data) {
			if err != nil {
				return messages, err
			}
			messages = append(messages, string(message))
		}
	}
	return messages, nil
}

func TestMessagesAreFoundWhereverTheyAreCut(t *testing.T) {
	for _, c := range []struct {
		name   string
		make   func() receiver
		text   string
		wanted []string
		err    error
		rest   string
	}{
		{"lines", func() receiver { return new(wisted.LineReceiver) }, "a\r\n\nbc\n\rd\nrest", []string{"a", "", "bc", "\rd"},
			nil, "rest"},
		{"a line as long as may be", func() receiver { return &wisted.LineReceiver{MaxBytes: 3} }, "abc\r\nabc\n",
			[]string{"abc", "abc"}, nil, ""},
		{"a line too long", func() receiver { return &wisted.LineReceiver{MaxBytes: 3} }, "ab\nabcd\n", []string{"ab"},
			wisted.ErrTooLong, ""},
		{"a line without end", func() receiver { return &wisted.LineReceiver{MaxBytes: 3} }, "abcde", nil,
			wisted.ErrTooLong, ""},
		{"netstrings", func() receiver { return new(wisted.NetstringReceiver) }, "5:hello,0:,1:,,3:ab",
			[]string{"hello", "", ","}, nil, "3:ab"},
		{"a netstring too long", func() receiver { return new(wisted.NetstringReceiver) }, "1:a,100000:", []string{"a"},
			wisted.ErrTooLong, ""},
		{"a netstring's end", func() receiver { return new(wisted.NetstringReceiver) }, "1:ab", nil,
			wisted.ErrNoNetstring, ""},
		{"a netstring's length", func() receiver { return new(wisted.NetstringReceiver) }, "x:", nil,
			wisted.ErrNoNetstring, ""},
		{"a leading zero", func() receiver { return new(wisted.NetstringReceiver) }, "01:a,", nil,
			wisted.ErrNoNetstring, ""},
		{"int32", func() receiver { return new(wisted.Int32Receiver) }, "\x00\x00\x00\x02hi\x00\x00\x00\x00\x00\x00\x00\x01",
			[]string{"hi", ""}, nil, "\x00\x00\x00\x01"},
		{"an int32 too long", func() receiver { return &wisted.Int32Receiver{MaxBytes: 4} },
			"\x00\x00\x00\x04abcd\x00\x00\x00\x05",
			[]string{"abcd"}, wisted.ErrTooLong, ""},
		{"the longest int32", func() receiver { return new(wisted.Int32Receiver) }, "\xff\xff\xff\xff", nil,
			wisted.ErrTooLong, ""},
	} {
		for piece := range len(c.text) {
			r := c.make()
			messages, err := feed(r, c.text, piece+1)
			if !slices.Equal(messages, c.wanted) || !errors.Is(err, c.err) {
				t.Errorf("%s, cut at %d: %q, %v", c.name, piece+1, messages, err)
			}
			if rest := r.Rest(); string(rest) != c.rest {
				t.Errorf("%s, cut at %d: the rest is %q", c.name, piece+1, rest)
			}
		}
	}
}

func TestALoopThatIsLeftKeepsTheRest(t *testing.T) {
	lines := new(wisted.LineReceiver)
	data := []byte("one\ntwo\nthr")
	for line := range lines.Feed(data) {
		if string(line) == "one" {
			break
		}
	}
	// The host's bytes are gone after the handler.
	clear(data)
	if messages, _ := feed(lines, "ee\n", 3); !slices.Equal(messages, []string{"two", "three"}) {
		t.Errorf("got %q", messages)
	}
	for range lines.Feed([]byte("raw\nbytes")) {
		if rest := lines.Rest(); string(rest) != "bytes" {
			t.Errorf("the rest is %q", rest)
		}
	}
	if rest := lines.Rest(); len(rest) != 0 {
		t.Errorf("the rest is given twice: %q", rest)
	}
}

func TestFramesAreReadAsTheyAreWritten(t *testing.T) {
	payload := strings.Repeat("x", wisted.FrameMaxBytes)
	framed := wisted.AppendNetstring(nil, []byte(payload))
	if messages, err := feed(new(wisted.NetstringReceiver), string(framed), 1000); err != nil || messages[0] != payload {
		t.Error("netstring", err)
	}
	framed = wisted.AppendInt32([]byte("x"), []byte(payload))
	framed = bytes.TrimPrefix(framed, []byte("x"))
	if messages, err := feed(new(wisted.Int32Receiver), string(framed), 1000); err != nil || messages[0] != payload {
		t.Error("int32", err)
	}
}
