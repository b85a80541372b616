// A chat room: what one peer says, all the others hear. Needs isolation service, so that they share a room.

package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"wisted.dev/wisted"
	"wisted.dev/wisted/server/stateful"
)

// Nobody may have the room remember more than this, the line's end included.
const lineMaxBytes = 1024

// room is who is there, by number.
type room map[int]*wisted.Transport

func (r room) tellOthers(speaker int, line string) {
	for number, member := range r {
		if number != speaker {
			member.WriteString(line + "\n")
		}
	}
}

type chat struct {
	wisted.FactoryBase
	room         room
	numbersGiven int
}

func newChat() *chat { return &chat{room: room{}} }

func (c *chat) BuildProtocol(wisted.Address) wisted.Protocol {
	c.numbersGiven++
	return &speaker{
		number: c.numbersGiven,
		room:   c.room,
		lines:  wisted.LineReceiver{MaxBytes: lineMaxBytes - 1},
	}
}

// SaveState has a new build go on counting, so that no number is given twice while old connections are still there.
func (c *chat) SaveState() []byte { return strconv.AppendInt(nil, int64(c.numbersGiven), 10) }

func (c *chat) RestoreState(state []byte) error {
	given, err := strconv.Atoi(string(state))
	if err != nil {
		return errors.New("the state is not the number of those who came")
	}
	c.numbersGiven = given
	return nil
}

type speaker struct {
	wisted.ProtocolBase
	number int
	room   room
	lines  wisted.LineReceiver
}

func (s *speaker) ConnectionMade(t *wisted.Transport) {
	fmt.Fprintf(t, "* you are %d, with %d others here\n", s.number, len(s.room))
	s.room[s.number] = t
	s.room.tellOthers(s.number, fmt.Sprintf("* %d joined", s.number))
}

func (s *speaker) DataReceived(t *wisted.Transport, data []byte) {
	for line, err := range s.lines.Feed(data) {
		if err != nil {
			fmt.Fprintf(t, "* a line may have %d bytes\n", lineMaxBytes)
			t.LoseConnection()
			return
		}
		s.room.tellOthers(s.number, fmt.Sprintf("%d: %s", s.number, strings.Map(printable, string(line))))
	}
}

func (s *speaker) ConnectionLost(*wisted.Transport, wisted.CloseReason) {
	delete(s.room, s.number)
	s.room.tellOthers(s.number, fmt.Sprintf("* %d left", s.number))
}

// Control characters would let one peer write over another's screen.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

func main() { stateful.Run(newChat()) }
