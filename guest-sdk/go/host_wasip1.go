// The host as a guest sees it: the contract's imports under this package's names. Knows how values are lowered for the
// canonical ABI, not what they mean.

package wisted

import "unsafe"

// Pointers go out as unsafe.Pointer, so that the collector and the compiler know of them; a stack does not move
// during a call, since the host calls nothing back but cabi_realloc.

//go:wasmimport wisted:reactor/transport@0.1.0 write
//go:noescape
func importWrite(connection uint32, data unsafe.Pointer, length uint32)

//go:wasmimport wisted:reactor/transport@0.1.0 write-many
//go:noescape
func importWriteMany(connection uint32, pieces unsafe.Pointer, count uint32)

//go:wasmimport wisted:reactor/transport@0.1.0 lose-connection
func hostLoseConnection(connection uint32)

//go:wasmimport wisted:reactor/transport@0.1.0 abort-connection
func hostAbortConnection(connection uint32)

//go:wasmimport wisted:reactor/transport@0.1.0 shutdown-write
func hostShutdownWrite(connection uint32)

//go:wasmimport wisted:reactor/transport@0.1.0 pause-reading
func hostPauseReading(connection uint32)

//go:wasmimport wisted:reactor/transport@0.1.0 resume-reading
func hostResumeReading(connection uint32)

//go:wasmimport wisted:reactor/transport@0.1.0 peer
//go:noescape
func importPeer(connection uint32, result unsafe.Pointer)

//go:wasmimport wisted:reactor/transport@0.1.0 host
//go:noescape
func importHost(connection uint32, result unsafe.Pointer)

//go:wasmimport wisted:reactor/transport@0.1.0 buffered-bytes
func hostBufferedBytes(connection uint32) uint64

//go:wasmimport wisted:reactor/timers@0.1.0 call-later
func hostCallLater(delayMS uint32) uint32

//go:wasmimport wisted:reactor/timers@0.1.0 sleep
//go:noescape
func importSleep(durationMS uint32, result unsafe.Pointer)

//go:wasmimport wisted:reactor/timers@0.1.0 now
func hostNow() uint64

//go:wasmimport wisted:reactor/pending@0.1.0 wait
//go:noescape
func importWait(id uint32, result unsafe.Pointer)

//go:wasmimport wisted:reactor/pending@0.1.0 cancel
func importCancel(id uint32) uint32

//go:wasmimport wisted:reactor/web@0.1.0 get-page
//go:noescape
func importGetPage(url unsafe.Pointer, length uint32) uint32

//go:wasmimport wisted:reactor/web@0.1.0 send-request
//go:noescape
func importSendRequest(method unsafe.Pointer, methodLength uint32, url unsafe.Pointer, urlLength uint32,
	headers unsafe.Pointer, headerCount uint32, body unsafe.Pointer, bodyLength uint32, timeoutMS uint32) uint32

//go:wasmimport wisted:reactor/web@0.1.0 take-page
//go:noescape
func importTakePage(id uint32, result unsafe.Pointer)

//go:wasmimport wisted:reactor/logging@0.1.0 log
//go:noescape
func importLog(level uint32, message unsafe.Pointer, length uint32)

//go:wasmimport wisted:reactor/random@0.1.0 get-random-bytes
//go:noescape
func importGetRandomBytes(length uint32, result unsafe.Pointer)

//go:wasmimport wisted:reactor/config@0.1.0 get
//go:noescape
func importConfigGet(key unsafe.Pointer, length uint32, result unsafe.Pointer)

//go:wasmimport wisted:reactor/config@0.1.0 get-all
//go:noescape
func importConfigGetAll(result unsafe.Pointer)

// piece is a string or a list as the ABI has it in memory.
type piece struct {
	at, length uint32
}

func bytesData(data []byte) unsafe.Pointer  { return unsafe.Pointer(unsafe.SliceData(data)) }
func stringData(text string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(text)) }

// pieceOf hides a pointer from the compiler and the collector: what it points to must be on the heap, and kept alive.
func pieceOf(data unsafe.Pointer, length int) piece {
	return piece{uint32(uintptr(data)), uint32(length)}
}

// What is stored here the compiler puts on the heap, where it does not move.
var (
	piecesOnHeap  [][]byte
	headersOnHeap []Header
)

func hostWrite(connection uint32, data []byte) {
	importWrite(connection, bytesData(data), uint32(len(data)))
}

func hostWriteString(connection uint32, text string) {
	importWrite(connection, stringData(text), uint32(len(text)))
}

func hostWriteMany(connection uint32, pieces [][]byte) {
	piecesOnHeap = pieces
	lowered := make([]piece, len(pieces))
	for i, data := range pieces {
		lowered[i] = pieceOf(bytesData(data), len(data))
	}
	importWriteMany(connection, unsafe.Pointer(unsafe.SliceData(lowered)), uint32(len(lowered)))
	piecesOnHeap = nil
}

func hostPeer(connection uint32) Address { return lend(connection, importPeer, liftAddress) }
func hostHost(connection uint32) Address { return lend(connection, importHost, liftAddress) }

func hostSleep(durationMS uint32) error { return lend(durationMS, importSleep, liftWaitResult) }
func hostWait(id uint32) error          { return lend(id, importWait, liftWaitResult) }
func hostCancel(id uint32) bool         { return importCancel(id) != 0 }

func hostGetPage(url string) uint32 { return importGetPage(stringData(url), uint32(len(url))) }

func hostSendRequest(request *Request) uint32 {
	headersOnHeap = request.Headers
	headers := make([][2]piece, len(request.Headers))
	for i, header := range request.Headers {
		headers[i] = [2]piece{
			pieceOf(stringData(header.Name), len(header.Name)),
			pieceOf(stringData(header.Value), len(header.Value)),
		}
	}
	timeoutMS := milliseconds(request.Timeout)
	id := importSendRequest(stringData(request.Method), uint32(len(request.Method)),
		stringData(request.URL), uint32(len(request.URL)),
		unsafe.Pointer(unsafe.SliceData(headers)), uint32(len(headers)),
		bytesData(request.Body), uint32(len(request.Body)), timeoutMS)
	headersOnHeap = nil
	return id
}

func hostTakePage(id uint32) (*Response, error) {
	result := lend(id, importTakePage, liftPage)
	return result.page, result.err
}

func hostLog(level Level, message string) {
	importLog(uint32(level), stringData(message), uint32(len(message)))
}

func hostRandomBytes(length uint32) []byte {
	return lend(length, importGetRandomBytes, func(r *result) []byte { return r.bytes(0) })
}

func hostConfigGet(key string) (value string, ok bool) {
	before := borrow()
	var r result
	importConfigGet(stringData(key), uint32(len(key)), unsafe.Pointer(&r))
	after := arena.top
	if ok = r.byte(0) != 0; ok {
		value = r.string(4)
	}
	giveBack(before, after)
	return value, ok
}

func hostConfigAll() [][2]string {
	ignored := func(_ uint32, result unsafe.Pointer) { importConfigGetAll(result) }
	return lend(0, ignored, func(r *result) [][2]string { return liftPairs(r.word(0), r.word(4)) })
}

// lend calls an import that returns by reference, and lifts what it returned.
func lend[T any](argument uint32, call func(uint32, unsafe.Pointer), lift func(*result) T) T {
	before := borrow()
	var r result
	call(argument, unsafe.Pointer(&r))
	after := arena.top
	lifted := lift(&r)
	giveBack(before, after)
	return lifted
}
