// Makes a guest of a factory; knows nothing of what it serves.

// Package server makes a guest that serves connections.
package server

import (
	"wisted.dev/wisted"
	"wisted.dev/wisted/internal/bridge"
)

// Run makes factory the guest's, and returns at once: the host then calls it. To be called in main, once.
func Run(factory wisted.Factory) {
	if _, ok := factory.(wisted.StatefulFactory); ok && !bridge.HandsStateOn {
		panic("wisted: the factory has state to hand over; run it with stateful.Run, of wisted.dev/wisted/server/stateful")
	}
	bridge.Begin(factory)
	explain()
}
