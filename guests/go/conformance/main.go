// The guest of the conformance suite: each line is a command, and tests/conformance/PROTOCOL.md says what it does.
// Reads what arrives; what commands do is in commands.go.

package main

import (
	"errors"
	"strings"

	"wisted.dev/wisted"
	"wisted.dev/wisted/server/stateful"
)

type factory struct {
	wisted.FactoryBase
	// What a successor takes over.
	kept string
}

func (f *factory) BuildProtocol(wisted.Address) wisted.Protocol { return &conformance{kept: &f.kept} }

func (*factory) Stop() { wisted.Log(wisted.LevelInfo, "stopped") }

func (f *factory) SaveState() []byte { return []byte(f.kept) }

func (f *factory) RestoreState(state []byte) error {
	if string(state) == "spoilt" {
		return errors.New("the state is spoilt")
	}
	f.kept = string(state)
	return nil
}

type conformance struct {
	wisted.ProtocolBase
	kept  *string
	lines wisted.LineReceiver
	// Reads what arrives in place of lines, once a command has it so, and returns what is left for lines.
	read        func(t *wisted.Transport, data []byte) []byte
	tellDrained bool
}

func (c *conformance) DataReceived(t *wisted.Transport, data []byte) {
	for len(data) > 0 {
		if c.read != nil {
			data = c.read(t, data)
		} else {
			data = c.readLines(t, data)
		}
	}
}

// readLines returns what no longer belongs to a line.
func (c *conformance) readLines(t *wisted.Transport, data []byte) []byte {
	for line, err := range c.lines.Feed(data) {
		if err != nil {
			t.LoseConnection()
			return nil
		}
		name, arguments, _ := strings.Cut(string(line), " ")
		if err := c.command(t, name, arguments); err != nil {
			say(t, "error", err)
		}
		if c.read != nil {
			return c.lines.Rest()
		}
	}
	return nil
}

// echo has the next bytes written back as they are.
func (c *conformance) echo(left int64) {
	if left == 0 {
		return
	}
	c.read = func(t *wisted.Transport, data []byte) []byte {
		piece := data[:min(int64(len(data)), left)]
		t.Write(piece)
		if left -= int64(len(piece)); left == 0 {
			c.read = nil
		}
		return data[len(piece):]
	}
}

func (c *conformance) netstrings() {
	frames := new(wisted.NetstringReceiver)
	c.read = func(t *wisted.Transport, data []byte) []byte {
		for message, err := range frames.Feed(data) {
			if err != nil {
				t.LoseConnection()
				return nil
			}
			t.Write(wisted.AppendNetstring(nil, message))
		}
		return nil
	}
}

func (c *conformance) int32s() {
	frames := new(wisted.Int32Receiver)
	c.read = func(t *wisted.Transport, data []byte) []byte {
		for message, err := range frames.Feed(data) {
			if err != nil {
				t.LoseConnection()
				return nil
			}
			t.Write(wisted.AppendInt32(nil, message))
		}
		return nil
	}
}

func (*conformance) ReadClosed(t *wisted.Transport) {
	say(t, "read-closed")
	t.LoseConnection()
}

func (c *conformance) Drained(t *wisted.Transport) {
	if c.tellDrained {
		c.tellDrained = false
		say(t, "drained")
	}
}

func (*conformance) ConnectionLost(_ *wisted.Transport, reason wisted.CloseReason) {
	wisted.Log(wisted.LevelInfo, "lost "+reason.Kind.String())
}

func main() { stateful.Run(new(factory)) }
