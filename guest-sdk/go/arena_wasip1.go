// The memory that the host allocates what it hands over in: its strings, bytes and lists. Knows nothing of what they
// mean.
//
// While the host allocates, the guest may not call it, and Go's allocator may want to at any time: to start a
// collection it asks for the time. So cabi_realloc never enters the allocator. It takes from an arena of its own,
// whose content is lent: handlers and imports borrow it, and when nobody has any of it any more it is used from its
// beginning again.

package wisted

import "unsafe"

// What Go's runtime takes for the end of the memory: it grows the heap there. The arena grows there too, and moves
// it, so that neither takes the other's. The linker allows this name to be used only with -checklinkname=0.
//
//go:linkname heapEnd runtime.bloc
var heapEnd uintptr

// How far the runtime has grown the memory, as it knows.
//
//go:linkname heapEndMax runtime.blocMax
var heapEndMax uintptr

const (
	pageBytes = 64 << 10
	// Room for the largest piece of data-received, 68 KiB.
	arenaMinBytes = 128 << 10
)

var arena struct {
	begin, top, end uint32
	borrowers       uint32
}

// borrow is to be called before what is borrowed is looked at: at a handler's beginning, or before an import is
// called. Its result is for giveBack.
func borrow() uint32 {
	arena.borrowers++
	return arena.top
}

// giveBack is to be called when what was borrowed has been copied or is not needed any more. The import's own is free
// again at once, unless somebody else has borrowed something after it.
func giveBack(before, after uint32) {
	arena.borrowers--
	if arena.borrowers == 0 {
		arena.top = arena.begin
	} else if arena.top == after && before >= arena.begin && before <= after {
		arena.top = before
	}
}

// The host calls it, as the canonical ABI says. No stack may be grown in it, and nothing allocated.
//
//go:wasmexport cabi_realloc
//go:nosplit
func cabiRealloc(old, oldBytes, align, bytes uint32) uint32 {
	at := (arena.top + align - 1) &^ (align - 1)
	if at+bytes > arena.end || at+bytes < at {
		at = moveArena(bytes)
	}
	arena.top = at + bytes
	for i := range min(oldBytes, bytes) {
		*(*byte)(address(at + i)) = *(*byte)(address(old + i))
	}
	return at
}

// moveArena begins a larger arena at the memory's end. The old one is not used again, and what was borrowed of it
// stays.
//
//go:nosplit
func moveArena(bytes uint32) uint32 {
	size := max(bytes, 2*(arena.end-arena.begin), arenaMinBytes)
	size = (size + pageBytes - 1) &^ (pageBytes - 1)
	begin := uint32(heapEndMax)
	if missing := int64(begin) + int64(size) - int64(memoryPages())*pageBytes; missing > 0 {
		if growMemory(int32((missing+pageBytes-1)/pageBytes)) < 0 {
			// The host says which limit it was.
			trap()
		}
	}
	heapEndMax = uintptr(begin + size)
	heapEnd = heapEndMax
	arena.begin, arena.end = begin, begin+size
	return begin
}

//go:nosplit
func address(at uint32) unsafe.Pointer {
	// Not the heap's, so Go's rules of conversion don't apply to it.
	at64 := uintptr(at)
	return *(*unsafe.Pointer)(unsafe.Pointer(&at64))
}

// In memory_wasip1_wasm.s.

func memoryPages() int32
func growMemory(pages int32) int32
func trap()
