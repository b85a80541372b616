// What the exports of servers and programs need of package wisted, in a guest only.

package bridge

import "unsafe"

// Set when package wisted is initialised.
var (
	// Enter is to be called when a handler begins, and Leave, with what it has returned, when it ends.
	Enter func() uint32
	Leave func(entered uint32)
	// Lent is what the host has put into memory, without a copy; while a handler runs.
	Lent func(at, length uint32) []byte
	// LowerError makes a result<_, string> that an export may return, and LowerBytes a list<u8>.
	LowerError func(err error) unsafe.Pointer
	LowerBytes func(data []byte) unsafe.Pointer
)
