// The doors between package wisted and the packages beside it that are not for users: exports call an instance
// through it, and wistedtest puts a fake host in. Knows no type of package wisted.

// Package bridge joins package wisted to its neighbours.
package bridge

// What package wisted has on offer. Set when it is initialised.
var (
	// Begin makes an instance of a wisted.Factory or a wisted.Program, and makes it the running one.
	Begin func(factoryOrProgram any) Instance
	// Deliver tells an outcome, a page (*wisted.Response) or an error, or neither for a timer.
	Deliver func(id uint32, page any, err error)
	// Forget forgets all that is pending, as at the beginning of an instance.
	Forget func()
	// NewTransport makes a *wisted.Transport.
	NewTransport func(id uint32) any
)

// Host is the fake host of native builds, which has the methods that package wisted wants.
var Host any

// HandsStateOn is whether the guest has the exports for it: package server/stateful is linked in.
var HandsStateOn bool

// Running is what Begin made last.
var Running Instance

// Instance is a factory with its protocols, or a program. Each method is the contract's handler of that name.
type Instance interface {
	Start(config [][2]string) error
	Stop()
	SaveState() []byte
	RestoreState(state []byte) error
	Execute() error
	ConnectionMade(connection uint32)
	DataReceived(connection uint32, data []byte)
	ReadClosed(connection uint32)
	Drained(connection uint32)
	ConnectionLost(connection uint32, kind uint8, text string)
}
