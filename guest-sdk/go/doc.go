// The package's documentation: its map, and knows no more than the names.

// Package wisted has the types that protocols and programs for the Wisted reactor are written with. It has no
// dependencies but Go's standard library.
//
// A server is a [Protocol]. This is all of an echo server:
//
//	package main
//
//	import (
//		"wisted.dev/wisted"
//		"wisted.dev/wisted/server"
//	)
//
//	type echo struct{ wisted.ProtocolBase }
//
//	func (*echo) DataReceived(t *wisted.Transport, data []byte) { t.Write(data) }
//
//	func main() {
//		server.Run(wisted.FactoryFunc(func(wisted.Address) wisted.Protocol { return new(echo) }))
//	}
//
// From the outside to the inside:
//
//   - Package server makes a guest of a [Factory], package program one of a [Program]. A guest has one of the two.
//   - A [Factory] builds a [Protocol] for each connection and keeps what they share. What a [StatefulFactory] keeps
//     outlives a build: package server/stateful.
//   - A [Transport] is a protocol's handle on its connection, and an [io.Writer]. Others may keep it (a chat room).
//   - What takes time is a [Fetch] ([GetPage], [Send]) or a [Timer] ([CallLater]): give it a callback and return, or
//     call Wait, which suspends this guest and nobody else. [Sleep] does so for time alone.
//   - [LineReceiver], [NetstringReceiver] and [Int32Receiver] find messages in what the network has cut anywhere.
//   - [Log] writes log records, and package wistedlog is a handler for log/slog. [ConfigValue] reads what the operator
//     configured. [RandomBytes] and crypto/rand give the system's randomness.
//   - Package wistedtest has the fakes: natively, under go test, the same code runs against a fake transport, clock
//     and web.
//
// # One handler at a time
//
// The host runs one handler of an instance at a time, also when a handler waits or sleeps: what arrives meanwhile is
// delivered after it has returned. So protocols need no mutex to share state, and nothing of this package calls user
// code but from Wait, Cancel and Then, which run the callbacks of what is ready.
//
// # Goroutines
//
// A guest has one thread, and Go runs on it only while a handler runs. A goroutine that a handler starts gets its
// turn when the handler blocks (on a channel, in [time.Sleep]) and once more before it returns; a goroutine that is
// still blocked then goes on during a later handler. Nothing runs between handlers: [time.AfterFunc] and tickers are
// late by as long as nothing happens, so use [CallLater]. A handler that blocks on something that no goroutine can
// bring about is a deadlock; Go says so in the log and the instance ends.
//
// [time.Sleep] in a handler suspends the guest as [Sleep] does, and other goroutines run meanwhile; but unlike
// [Sleep] it does not end early when the connection is lost. Sleep and Wait suspend all goroutines.
//
// # Memory
//
// An instance of a guest in Go has some megabytes, and starting it takes Go's runtime longer than a small guest lives:
// prefer isolation service, where all connections share an instance, unless each should have a sandbox of its own.
package wisted
