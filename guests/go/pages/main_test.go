// The program on a fake clock with fake pages.

package main

import (
	"strings"
	"testing"
	"time"

	"wisted.dev/wisted"
	"wisted.dev/wisted/wistedtest"
)

// The first page takes longer than the second.
func connect(t *testing.T) (*wistedtest.Host, *wistedtest.Peer) {
	host := wistedtest.NewHost(t)
	host.Respond("http://one/", strings.Repeat("x", 1000), 300*time.Millisecond)
	host.Respond("http://two/", "two", 100*time.Millisecond)
	host.Configure("url1", "http://one/")
	host.Configure("url2", "http://two/")
	return host, host.Serve(new(pagesFactory)).Connect()
}

func expect(t *testing.T, peer *wistedtest.Peer, wanted string) {
	t.Helper()
	if got := peer.Take(); got != wanted {
		t.Errorf("got %q, wanted %q", got, wanted)
	}
}

func TestCallbacksRunAfterTheHandlerInOrderOfArrival(t *testing.T) {
	_, peer := connect(t)
	peer.SendBytewise("go\n")
	expect(t, peer, "done\nhttp://two/ 3\nhttp://one/ 1000\n")
	if wisted.Now() != 2*time.Second {
		t.Errorf("it took %v", wisted.Now())
	}
}

func TestWaitingHasThePagesFirstInTheOrderAskedFor(t *testing.T) {
	_, peer := connect(t)
	peer.SendBytewise("wait\n")
	expect(t, peer, "http://one/ 1000\nhttp://two/ 3\ndone\n")
	if wisted.Now() != 2300*time.Millisecond {
		t.Errorf("it took %v", wisted.Now())
	}
}

func TestErrorsAreToldAndAPeerThatClosesGetsItsPages(t *testing.T) {
	host, peer := connect(t)
	host.Fail("http://one/", &wisted.FetchError{Kind: wisted.FetchTimeout})
	host.Respond("http://two/", "2", 9*time.Second)
	peer.Send("\n")
	expect(t, peer, "done\nhttp://one/ error: the request timed out\n")
	peer.Close()
	expect(t, peer, "http://two/ 1\n")
	if !peer.Disconnected() {
		t.Error("the connection is still open")
	}
}

func TestALostConnectionEndsTheNaps(t *testing.T) {
	host, peer := connect(t)
	host.BreakWaits(&wisted.WaitError{Kind: wisted.WaitConnectionLost})
	peer.Send("\n")
	expect(t, peer, "")
	if wisted.Now() != 0 {
		t.Errorf("it took %v", wisted.Now())
	}
}

func TestALineToBeEchoedIsEchoedAtOnce(t *testing.T) {
	_, peer := connect(t)
	peer.SendBytewise("echo hello\n")
	expect(t, peer, "echo hello\n")
}
