// Natively there is nothing to run with, and that is said.

//go:build !wasip1

package program

import (
	"os"

	"wisted.dev/wisted/internal/bridge"
)

func explain() {
	if bridge.Host == nil {
		os.Stderr.WriteString("this is a guest of Wisted: run it with `wisted run .`, test it with `go test`\n")
		os.Exit(2)
	}
}
