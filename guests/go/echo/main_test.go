// The echo with fake peers.

package main

import (
	"testing"

	"wisted.dev/wisted"
	"wisted.dev/wisted/wistedtest"
)

func TestItSendsBackWhatItReceivesWhereverItIsCut(t *testing.T) {
	server := wistedtest.NewHost(t).Serve(wisted.FactoryFunc(newEcho))
	one, two := server.Connect(), server.Connect()
	one.SendBytewise("hello")
	two.Send("\x00\xff")
	if got := one.Take(); got != "hello" {
		t.Errorf("got %q", got)
	}
	if got := two.Take(); got != "\x00\xff" {
		t.Errorf("got %q", got)
	}
}

func TestItClosesWhenThePeerDoes(t *testing.T) {
	peer := wistedtest.NewHost(t).Serve(wisted.FactoryFunc(newEcho)).Connect()
	peer.Send("bye")
	peer.Close()
	if !peer.Disconnected() || peer.Take() != "bye" {
		t.Error("the connection is still open, or something was not sent")
	}
}
