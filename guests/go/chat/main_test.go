// The room with fake peers.

package main

import (
	"strings"
	"testing"

	"wisted.dev/wisted/wistedtest"
)

func hears(t *testing.T, peer *wistedtest.Peer, wanted string) {
	t.Helper()
	if got := peer.Take(); got != wanted {
		t.Errorf("heard %q, wanted %q", got, wanted)
	}
}

func TestEveryoneHearsEveryoneLineByLine(t *testing.T) {
	server := wistedtest.NewHost(t).Serve(newChat())
	one, two, three := server.Connect(), server.Connect(), server.Connect()
	hears(t, one, "* you are 1, with 0 others here\n* 2 joined\n* 3 joined\n")
	hears(t, two, "* you are 2, with 1 others here\n* 3 joined\n")
	three.Take()
	one.SendBytewise("hello\r\nhal")
	two.Send("a\nb\x1b[2J\n")
	one.Send("f\n")
	hears(t, one, "2: a\n2: b[2J\n")
	hears(t, two, "1: hello\n1: half\n")
	hears(t, three, "1: hello\n2: a\n2: b[2J\n1: half\n")
}

func TestLeavingIsToldAndNothingIsSentToThoseWhoLeft(t *testing.T) {
	server := wistedtest.NewHost(t).Serve(newChat())
	one, two := server.Connect(), server.Connect()
	one.Take()
	two.Take()
	one.Close()
	two.Send("anybody?\n")
	hears(t, two, "* 1 left\n")
	hears(t, one, "")
}

func TestALineIsBounded(t *testing.T) {
	server := wistedtest.NewHost(t).Serve(newChat())
	one, two := server.Connect(), server.Connect()
	two.Take()
	one.Send(strings.Repeat("x", lineMaxBytes))
	if one.Disconnected() {
		t.Error("it was let go too early")
	}
	one.Send("\n")
	if !one.Disconnected() {
		t.Error("it was not let go")
	}
	hears(t, two, "* 1 left\n")
}

func TestANewBuildGoesOnCounting(t *testing.T) {
	host := wistedtest.NewHost(t)
	old := host.Serve(newChat())
	old.Connect()
	state := old.SaveState()
	old.Stop()
	next := host.Serve(newChat())
	if next.RestoreState([]byte("odd")) == nil {
		t.Error("any state is taken")
	}
	if err := next.RestoreState(state); err != nil {
		t.Error(err)
	}
	hears(t, next.Connect(), "* you are 2, with 0 others here\n")
}
