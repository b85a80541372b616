// What each command does. Knows nothing of how commands arrive.

package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"wisted.dev/wisted"
)

func (c *conformance) command(t *wisted.Transport, name, arguments string) error {
	word, rest, _ := strings.Cut(arguments, " ")
	switch name {
	case "line":
		say(t, arguments)
	case "lose":
		say(t, "bye")
		t.LoseConnection()
	case "abort":
		t.AbortConnection()
	case "shutdown":
		say(t, "half")
		t.ShutdownWrite()
	case "buffered":
		say(t, "buffered", t.BufferedBytes())
	case "peer":
		say(t, "peer", t.Peer().Host, t.Peer().Port)
	case "host":
		say(t, "host", t.Host().Host, t.Host().Port)
	case "now":
		say(t, "now", wisted.Now().Nanoseconds())
	case "netstring":
		c.netstrings()
	case "int32":
		c.int32s()
	case "fetch":
		for _, url := range strings.Fields(arguments) {
			wisted.GetPage(url).Then(tellPage(t))
		}
	case "fetch-wait":
		var fetches []*wisted.Fetch
		for _, url := range strings.Fields(arguments) {
			fetches = append(fetches, wisted.GetPage(url))
		}
		for _, fetch := range fetches {
			tellPage(t)(fetch.Wait())
		}
	case "post":
		headers := []wisted.Header{{Name: "x-wisted", Value: "1"}}
		request := wisted.Request{Method: "POST", URL: word, Headers: headers, Body: []byte(rest)}
		wisted.Send(request).Then(tellPage(t))
	case "log":
		for level := wisted.LevelTrace; level <= wisted.LevelError; level++ {
			if level.String() == word {
				wisted.Log(level, rest)
				say(t, "logged")
				return nil
			}
		}
		return errors.New("there is no level " + word)
	case "config":
		if value, ok := wisted.ConfigValue(arguments); ok {
			say(t, "config", value)
		} else {
			say(t, "config")
		}
	case "keep":
		*c.kept = arguments
		say(t, "kept")
	case "recall":
		if *c.kept == "" {
			say(t, "recalled")
		} else {
			say(t, "recalled "+*c.kept)
		}
	case "trap":
		panic("the command trap")
	case "echo", "many", "flood", "random", "pause", "later", "cancel", "sleep", "wait":
		return c.commandWithNumber(t, name, word, rest)
	default:
		return errors.New("unknown command: " + name)
	}
	return nil
}

func (c *conformance) commandWithNumber(t *wisted.Transport, name, word, rest string) error {
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil || n < 0 || n > 1<<31 {
		return errors.New("wanted a number from 0 to 2147483648, got: " + word)
	}
	delay := time.Duration(n) * time.Millisecond
	switch name {
	case "echo":
		c.echo(n)
	case "many":
		pieces := make([][]byte, n)
		for i := range pieces {
			pieces[i] = fmt.Appendln(nil, i)
		}
		t.WriteMany(pieces...)
	case "flood":
		piece := bytes.Repeat([]byte("x"), 64<<10)
		for left := n; left > 0; left -= int64(len(piece)) {
			t.Write(piece[:min(left, int64(len(piece)))])
		}
		c.tellDrained = true
	case "random":
		say(t, hex.EncodeToString(wisted.RandomBytes(int(n))))
	case "pause":
		t.PauseReading()
		wisted.CallLater(delay, func() {
			t.ResumeReading()
			say(t, "resumed")
		})
	case "later":
		wisted.CallLater(delay, func() { say(t, "later", rest) })
	case "cancel":
		timer := wisted.CallLater(delay, nil)
		say(t, "cancelled", timer.Cancel())
		say(t, "cancelled", timer.Cancel())
	// A wait ends early when the connection is gone, which leaves nobody to hear of it.
	case "sleep":
		if wisted.Sleep(delay) == nil {
			say(t, "slept")
		}
	case "wait":
		if wisted.CallLater(delay, nil).Wait() == nil {
			say(t, "waited")
		}
	}
	return nil
}

func say(t *wisted.Transport, words ...any) { fmt.Fprintln(t, words...) }

func tellPage(t *wisted.Transport) func(*wisted.Response, error) {
	return func(page *wisted.Response, err error) {
		var fetchError *wisted.FetchError
		if errors.As(err, &fetchError) {
			say(t, "page error", fetchError.Kind)
		} else if err == nil {
			say(t, "page", page.Status, len(page.Body))
		}
	}
}
