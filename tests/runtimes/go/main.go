// A guest that puts Go's runtime to the test: collection while the host hands things over, goroutines, clocks, panics. Each
// line is a command.

package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"wisted.dev/wisted"
	"wisted.dev/wisted/server"
)

type strain struct {
	wisted.ProtocolBase
	lines wisted.LineReceiver
	// Allocated at different times, and overwritten at others.
	kept  [500]string
	count int
	never chan int
}

func newStrain(wisted.Address) wisted.Protocol { return &strain{never: make(chan int)} }

func (s *strain) DataReceived(t *wisted.Transport, data []byte) {
	for line := range s.lines.Feed(data) {
		word, rest, _ := strings.Cut(string(line), " ")
		switch word {
		case "allocate":
			s.allocate(t)
			t.WriteMany([]byte("allocated "), []byte(rest), []byte("\n"))
		case "collections":
			var statistics runtime.MemStats
			runtime.ReadMemStats(&statistics)
			fmt.Fprintln(t, statistics.NumGC)
		case "go":
			go t.WriteString("from a goroutine\n")
			t.WriteString("from the handler\n")
		case "go-sleep":
			go func() {
				// Longer than this handler takes on a slow machine, shorter than the next one sleeps.
				time.Sleep(15 * time.Millisecond)
				t.WriteString("woken\n")
			}()
			t.WriteString("asleep\n")
		case "sleep":
			t.WriteString("before\n")
			woken := make(chan time.Duration)
			began := time.Now()
			go func() {
				time.Sleep(10 * time.Millisecond)
				woken <- time.Since(began)
			}()
			time.Sleep(20 * time.Millisecond)
			fmt.Fprintln(t, <-woken >= 10*time.Millisecond, time.Since(began) >= 20*time.Millisecond)
		case "date":
			fmt.Fprintln(t, time.Now().Unix())
		case "random":
			// A length that is no multiple of what the system gives at once.
			key := make([]byte, 13)
			rand.Read(key)
			fmt.Fprintf(t, "%x\n", key)
		case "open":
			_, err := os.Open("/etc/passwd")
			fmt.Fprintln(t, err, len(os.Args), len(os.Environ()))
		case "print":
			fmt.Print("printed ")
			fmt.Println(rest)
			println("to standard error")
		case "deadlock":
			<-s.never
		case "go-panic":
			go panic("out of a goroutine")
		}
	}
}

// allocate makes garbage of many sizes, and calls imports that hand over lists meanwhile.
func (s *strain) allocate(t *wisted.Transport) {
	for range 20 {
		s.count++
		text := fmt.Sprint(s.count, t.Peer())
		s.kept[s.count%len(s.kept)] = text + strings.Repeat(".", s.count*37%3000)
		wisted.RandomBytes(s.count * 101 % 5000)
		wisted.ConfigAll()
	}
	deep(s.count % 200)
	for i, text := range s.kept {
		if end := fmt.Sprint(t.Peer()); text != "" && !strings.Contains(text, end) {
			panic(fmt.Sprint("the text ", i, " was overwritten: ", text))
		}
	}
}

// deep has the stack grow.
func deep(calls int) (sum byte) {
	var frame [256]byte
	if calls > 0 {
		frame[calls%256] = deep(calls - 1)
	}
	return frame[calls%256] + 1
}

func main() { server.Run(wisted.FactoryFunc(newStrain)) }
