// The contract's exports that a server has whose state outlives it.

package stateful

import (
	"unsafe"

	"wisted.dev/wisted/internal/bridge"
)

//go:wasmexport wisted:reactor/state-handler@0.1.0#save-state
func saveState() unsafe.Pointer {
	entered := bridge.Enter()
	answer := bridge.LowerBytes(bridge.Running.SaveState())
	bridge.Leave(entered)
	return answer
}

//go:wasmexport wisted:reactor/state-handler@0.1.0#restore-state
func restoreState(state, length uint32) unsafe.Pointer {
	entered := bridge.Enter()
	answer := bridge.LowerError(bridge.Running.RestoreState(bridge.Lent(state, length)))
	bridge.Leave(entered)
	return answer
}
