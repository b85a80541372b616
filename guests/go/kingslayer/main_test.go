// The framework and the program, natively.

package main

import (
	"slices"
	"testing"

	"wisted.dev/wisted/wistedtest"
)

type note struct {
	handlerBase
	notes *[]string
}

func (n note) execute() error {
	*n.notes = append(*n.notes, n.name())
	return nil
}

func TestHandlersRunInTheOrderOfTheirRegistrationUntilOneFails(t *testing.T) {
	var notes []string
	var e events
	e.register(note{"b", &notes})
	e.register(note{"a", &notes})
	if err := e.run(); err != nil || !slices.Equal(notes, []string{"b", "a"}) {
		t.Errorf("%v after %v", err, notes)
	}
	e.register(forgetful{"forgetful"})
	e.register(note{"c", &notes})
	if err := e.run(); err == nil || !slices.Equal(notes, []string{"b", "a", "b", "a"}) {
		t.Errorf("%v after %v", err, notes)
	}
}

func TestAHandlerWithoutExecuteIsNamed(t *testing.T) {
	host := wistedtest.NewHost(t)
	if err := host.Run(new(kingslayer)); err != nil {
		t.Error(err)
	}
	host.Configure("forget", "true")
	err := host.Run(new(kingslayer))
	if err == nil || err.Error() != "the handler `forgetful` does nothing: you must override execute" {
		t.Errorf("got %v", err)
	}
}
