// Makes a guest of a program; knows nothing of what it does.

// Package program makes a guest that runs by itself.
package program

import (
	"wisted.dev/wisted"
	"wisted.dev/wisted/internal/bridge"
)

// Run makes program the guest's, and returns at once: the host then calls it. To be called in main, once.
func Run(program wisted.Program) {
	bridge.Begin(program)
	explain()
}
