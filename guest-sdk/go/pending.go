// The instance's pending things and who is to be told of their outcomes; knows nothing of who brings them.

package wisted

// What something pending ends with is told to its outcome function: a page or an error, or neither for a timer. The
// host bounds the map: it traps above the service's pending-max.
var expected = map[uint32]func(*Response, error){}

// deliver tells the outcome of id to whoever still expects it.
func deliver(id uint32, page *Response, err error) {
	if outcome := expected[id]; outcome != nil {
		delete(expected, id)
		outcome(page, err)
	}
}

// giveUp forgets id, here and in the host. It returns whether there was something to give up.
func giveUp(id uint32) bool {
	if expected[id] == nil {
		return false
	}
	delete(expected, id)
	hostCancel(id)
	return true
}
