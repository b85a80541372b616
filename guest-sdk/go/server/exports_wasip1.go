// The contract's exports that a server has.

package server

import "wisted.dev/wisted/internal/bridge"

func explain() {}

//go:wasmexport wisted:reactor/connection-handler@0.1.0#connection-made
func connectionMade(connection uint32) {
	entered := bridge.Enter()
	bridge.Running.ConnectionMade(connection)
	bridge.Leave(entered)
}

//go:wasmexport wisted:reactor/connection-handler@0.1.0#data-received
func dataReceived(connection, data, length uint32) {
	entered := bridge.Enter()
	bridge.Running.DataReceived(connection, bridge.Lent(data, length))
	bridge.Leave(entered)
}

//go:wasmexport wisted:reactor/connection-handler@0.1.0#connection-lost
func connectionLost(connection, kind, text, length uint32) {
	entered := bridge.Enter()
	// Only two of the cases have a text.
	var lost string
	if kind == 1 || kind == 3 {
		lost = string(bridge.Lent(text, length))
	}
	bridge.Running.ConnectionLost(connection, uint8(kind), lost)
	bridge.Leave(entered)
}

//go:wasmexport wisted:reactor/half-close-handler@0.1.0#read-closed
func readClosed(connection uint32) {
	entered := bridge.Enter()
	bridge.Running.ReadClosed(connection)
	bridge.Leave(entered)
}

//go:wasmexport wisted:reactor/flow-handler@0.1.0#drained
func drained(connection uint32) {
	entered := bridge.Enter()
	bridge.Running.Drained(connection)
	bridge.Leave(entered)
}
