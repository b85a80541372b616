// WebAssembly's instructions that Go has no function for. Know nothing of who wants memory.

#include "textflag.h"

// func memoryPages() int32
TEXT ·memoryPages(SB), NOSPLIT, $0-4
	Get SP
	CurrentMemory
	I32Store ret+0(FP)
	RET

// func growMemory(pages int32) int32
TEXT ·growMemory(SB), NOSPLIT, $0-12
	Get SP
	I32Load pages+0(FP)
	GrowMemory
	I32Store ret+8(FP)
	RET

// func trap()
TEXT ·trap(SB), NOSPLIT, $0-0
	UNDEF
