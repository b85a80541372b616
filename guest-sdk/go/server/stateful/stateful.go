// Makes a guest of a factory whose state outlives a build; knows nothing of what it serves.

// Package stateful makes a guest that serves connections and hands its state to the instance that takes its place.
//
// It is a package of its own because a guest has an export or has it not: whoever imports it has those for state.
package stateful

import (
	"wisted.dev/wisted"
	"wisted.dev/wisted/internal/bridge"
	"wisted.dev/wisted/server"
)

func init() { bridge.HandsStateOn = true }

// Run makes factory the guest's, and returns at once: the host then calls it. To be called in main, once, in place of
// server.Run.
func Run(factory wisted.StatefulFactory) { server.Run(factory) }
