// Natively there is nothing to serve with, and that is said.

//go:build !wasip1

package server

import (
	"os"

	"wisted.dev/wisted/internal/bridge"
)

func explain() {
	if bridge.Host == nil {
		os.Stderr.WriteString("this is a guest of Wisted: serve it with `wisted run .`, test it with `go test`\n")
		os.Exit(2)
	}
}
