// Time: calls to be made later, sleeping, and the clock. Knows nothing of connections.

package wisted

import (
	"math"
	"time"
)

// Timer is a call that [CallLater] has promised. Twisted's IDelayedCall.
type Timer struct {
	id   uint32
	call func()
}

// CallLater calls call once delay is over, after the running handler has returned. Twisted's reactor.callLater. The
// call may be nil, for a timer that is only waited for. Delays are rounded up to milliseconds; the longest is 49
// days.
func CallLater(delay time.Duration, call func()) *Timer {
	t := &Timer{id: hostCallLater(milliseconds(delay)), call: call}
	expected[t.id] = func(*Response, error) {
		if t.call != nil {
			t.call()
		}
	}
	return t
}

// Cancel takes the promise back. It returns whether there was still one: false when the call has been made or
// cancelled.
func (t *Timer) Cancel() bool { return giveUp(t.id) }

// Active is whether the call is still to be made.
func (t *Timer) Active() bool { return expected[t.id] != nil }

// Wait suspends the running handler until the time has come, and makes the call itself. It returns at once when the
// call has been made or cancelled. The error is a [*WaitError].
func (t *Timer) Wait() error {
	if !t.Active() {
		return nil
	}
	if err := hostWait(t.id); err != nil {
		return err
	}
	deliver(t.id, nil, nil)
	return nil
}

// Sleep suspends the running handler. The reactor serves everyone else meanwhile, and what was written so far goes out.
// Other events of this instance, and its goroutines, wait until the handler has returned.
//
// It ends early, with a [*WaitError], when the handler's connection is lost or the host is stopping: return soon then.
func Sleep(duration time.Duration) error { return hostSleep(milliseconds(duration)) }

// Now is the time since an unspecified moment; it never goes back, and wistedtest can put it forward. For measuring;
// for dates there is time.Now.
func Now() time.Duration { return time.Duration(hostNow()) * time.Millisecond }

// Rounded up, so that nothing happens too early.
func milliseconds(duration time.Duration) uint32 {
	if duration <= 0 {
		return 0
	}
	whole := int64(duration / time.Millisecond)
	if duration%time.Millisecond != 0 {
		whole++
	}
	return uint32(min(whole, math.MaxUint32))
}
