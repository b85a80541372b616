// The protocol with a fake peer, natively.

package main

import (
	"testing"

	"wisted.dev/wisted"
	"wisted.dev/wisted/wistedtest"
)

func TestItSendsBackWhatItReceivesWhereverItIsCut(t *testing.T) {
	peer := wistedtest.NewHost(t).Serve(wisted.FactoryFunc(newEcho)).Connect()
	peer.SendBytewise("hello")
	if got := peer.Take(); got != "hello" {
		t.Errorf("got %q", got)
	}
}
