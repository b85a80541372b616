// Log records and randomness: the system's services that take one call. The host adds the names of the service and the
// guest and the connection whose handler is running.

package wisted

// Level is how much a log record matters.
type Level uint8

// In the order of the contract's level.
const (
	// LevelTrace: every step.
	LevelTrace Level = iota
	// LevelDebug: what helps when looking for a fault.
	LevelDebug
	// LevelInfo: what an operator wants to know.
	LevelInfo
	// LevelWarn: something is wrong and work goes on.
	LevelWarn
	// LevelError: something has failed.
	LevelError
)

// String is the name in the contract, such as warn.
func (l Level) String() string { return name(int(l), "trace", "debug", "info", "warn", "error") }

// Log writes one record; package wistedlog does so for log/slog. A message longer than 8 KiB is cut. What is printed to
// standard output becomes records too, a line each, of level info, and standard error of level warn.
func Log(level Level, message string) { hostLog(level, message) }

// RandomBytes is length bytes of randomness from the operating system, fit for keys. Traps above 65,536 bytes;
// crypto/rand has the same source and no limit.
func RandomBytes(length int) []byte { return hostRandomBytes(uint32(length)) }
