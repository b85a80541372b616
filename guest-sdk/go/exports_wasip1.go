// The contract's exports that every guest has, and what each export does besides calling its handler. Those of
// servers and of programs are in the packages of that name, since a guest has either.

package wisted

import (
	"runtime"
	"unsafe"

	"wisted.dev/wisted/internal/bridge"
)

// The guest's main function, which Go does not call in a library. It says what is served.
//
//go:linkname guestMain main.main
func guestMain()

func init() {
	bridge.Enter = enter
	bridge.Leave = leave
	bridge.Lent = lent
	bridge.LowerError = lowerError
	bridge.LowerBytes = lowerBytes
}

// enter begins a handler: it is lent what the host has handed over with the call.
func enter() uint32 {
	borrow()
	return arena.top
}

// leave ends a handler.
func leave(entered uint32) {
	// A goroutine that the handler has started gets its turn: nothing runs between handlers.
	if runtime.NumGoroutine() > 1 {
		runtime.Gosched()
	}
	giveBack(entered, entered)
}

//go:wasmexport wisted:reactor/lifecycle-handler@0.1.0#start
func start(config, count uint32) unsafe.Pointer {
	entered := enter()
	values := liftPairs(config, count)
	guestMain()
	if bridge.Running == nil {
		panic("main has neither called server.Run nor program.Run")
	}
	answer := lowerError(bridge.Running.Start(values))
	leave(entered)
	return answer
}

//go:wasmexport wisted:reactor/lifecycle-handler@0.1.0#stop
func stop() {
	entered := enter()
	bridge.Running.Stop()
	leave(entered)
}

//go:wasmexport wisted:reactor/timer-handler@0.1.0#timer-fired
func timerFired(id uint32) {
	entered := enter()
	deliver(id, nil, nil)
	leave(entered)
}

// A result<response, fetch-error> in parameters: those of either case lie over each other.
//
//go:wasmexport wisted:reactor/page-handler@0.1.0#page-received
func pageReceived(id, isError, statusOrKind uint32, headersOrPayload uint64, countOrLength, body, bodyLength, url,
	urlLength uint32) {
	entered := enter()
	if isError != 0 {
		deliver(id, nil, liftFetchError(statusOrKind, headersOrPayload, countOrLength))
	} else {
		deliver(id, &Response{
			Status:  uint16(statusOrKind),
			Headers: liftHeaders(uint32(headersOrPayload), countOrLength),
			Body:    liftBytes(body, bodyLength),
			URL:     liftString(url, urlLength),
		}, nil)
	}
	leave(entered)
}

// A result<_, string> as it is returned by reference. The host has copied it before it calls anything else.
var answer struct {
	isError uint32
	text    piece
	keep    []byte
}

func lowerError(err error) unsafe.Pointer {
	answer.isError, answer.keep = 0, nil
	if err != nil {
		answer.isError, answer.keep = 1, []byte(err.Error())
		answer.text = pieceOf(bytesData(answer.keep), len(answer.keep))
	}
	return unsafe.Pointer(&answer)
}

// A list<u8> as it is returned by reference, kept until the next: the host reads it when the export has returned.
var list struct {
	bytes piece
	keep  []byte
}

func lowerBytes(data []byte) unsafe.Pointer {
	list.keep, list.bytes = data, pieceOf(bytesData(data), len(data))
	return unsafe.Pointer(&list)
}
