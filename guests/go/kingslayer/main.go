// Kingslayer (弑君者), a small event framework: handlers are registered as events and run in that order.

package main

import (
	"fmt"

	"wisted.dev/wisted"
	"wisted.dev/wisted/program"
)

// handler is what happens at one event.
type handler interface {
	name() string
	execute() error
}

// handlerBase is to be embedded. Every handler has its own execute; one that forgets it is told so.
type handlerBase string

func (h handlerBase) name() string { return string(h) }

func (h handlerBase) execute() error {
	return fmt.Errorf("the handler `%s` does nothing: you must override execute", h.name())
}

// events is the handlers, in the order in which they were registered.
type events []handler

func (e *events) register(h handler) { *e = append(*e, h) }

// run executes each handler in turn. The first error ends the run.
func (e events) run() error {
	for _, h := range e {
		if err := h.execute(); err != nil {
			return err
		}
	}
	return nil
}

// say is a handler that says its line.
type say struct {
	handlerBase
	line string
}

func (s say) execute() error {
	fmt.Printf("%s: %s\n", s.name(), s.line)
	return nil
}

// forgetful is a handler that does not override execute.
type forgetful struct{ handlerBase }

type kingslayer struct {
	wisted.ProgramBase
	events events
}

func (k *kingslayer) Start(config wisted.Config) error {
	k.events.register(say{"oath", "the guard swears to keep the king"})
	k.events.register(say{"doubt", "the king calls for fire"})
	k.events.register(say{"deed", "the guard draws his sword"})
	if config.Get("forget", "") == "true" {
		k.events.register(forgetful{"forgetful"})
	}
	return nil
}

func (k *kingslayer) Execute() error { return k.events.run() }

func main() { program.Run(new(kingslayer)) }
