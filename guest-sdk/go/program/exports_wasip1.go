// The contract's export that a program has.

package program

import (
	"unsafe"

	"wisted.dev/wisted/internal/bridge"
)

func explain() {}

//go:wasmexport wisted:reactor/program@0.1.0#execute
func execute() unsafe.Pointer {
	entered := bridge.Enter()
	answer := bridge.LowerError(bridge.Running.Execute())
	bridge.Leave(entered)
	return answer
}
