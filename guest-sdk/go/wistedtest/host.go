// The fake host: what a guest asks for, recorded as plain values, and the time, which stands still until it is put
// forward. Knows nothing of protocols.

// Package wistedtest has fakes for unit tests of guests: native, without wasm, sockets or sleeping.
//
//	func TestEcho(t *testing.T) {
//		host := wistedtest.NewHost(t)
//		peer := host.Serve(wisted.FactoryFunc(newEcho)).Connect()
//		peer.SendBytewise("hello")
//		if got := peer.Take(); got != "hello" {
//			t.Errorf("got %q", got)
//		}
//	}
//
// The fake host is the process's: tests that have one cannot run in parallel.
package wistedtest

import (
	"cmp"
	"slices"
	"strconv"
	"testing"
	"time"

	"wisted.dev/wisted"
	"wisted.dev/wisted/internal/bridge"
)

// More than this many outcomes in one step of a test is taken for an endless loop.
const outcomesMax = 100_000

// Host is the fake host. Make it first, with [NewHost].
type Host struct {
	t  testing.TB
	it *world
}

// NewHost puts a new fake host in place until the end of the test: time 0, nothing pending, an empty web.
func NewHost(t testing.TB) *Host {
	t.Helper()
	if bridge.Host != nil {
		t.Fatal("wistedtest: there is a fake host already; do tests run in parallel?")
	}
	it := &world{
		pending:     map[uint32]outcome{},
		arrived:     map[uint32]outcome{},
		pages:       map[string]outcome{},
		connections: map[uint32]*connection{},
	}
	bridge.Host = it
	bridge.Forget()
	t.Cleanup(func() { bridge.Host = nil })
	return &Host{t, it}
}

// Configure sets a configuration value. To be called before Serve or Run.
func (h *Host) Configure(key, value string) {
	h.it.config = append(h.it.config, [2]string{key, value})
	slices.SortFunc(h.it.config, func(a, b [2]string) int { return cmp.Compare(a[0], b[0]) })
}

// Advance puts the clock forward and delivers what becomes due, timers and pages, in order of time.
func (h *Host) Advance(duration time.Duration) {
	until := h.it.now + duration
	h.settle(until)
	h.it.now = max(h.it.now, until)
}

// BreakWaits has every wait and sleep from now on end at once with this error, as when the handler's connection is
// lost.
func (h *Host) BreakWaits(err *wisted.WaitError) { h.it.brokenWaits = err }

// Respond has url give this body with status 200 after some time. Without a word about a URL it cannot be connected to.
func (h *Host) Respond(url, body string, delay time.Duration) {
	h.RespondWith(url, &wisted.Response{Status: 200, Body: []byte(body), URL: url}, nil, delay)
}

// Fail has url give this error, at once: after the running handler.
func (h *Host) Fail(url string, err *wisted.FetchError) { h.RespondWith(url, nil, err, 0) }

// RespondWith has url give any outcome after some time.
func (h *Host) RespondWith(url string, page *wisted.Response, err error, delay time.Duration) {
	h.it.pages[url] = outcome{due: delay, isPage: true, page: page, err: err}
}

// Requests is the requests that were made.
func (h *Host) Requests() []wisted.Request { return h.it.requests }

// Record is one log record.
type Record struct {
	Level   wisted.Level
	Message string
}

// TakeLog is the records since the last call.
func (h *Host) TakeLog() []Record {
	log := h.it.log
	h.it.log = nil
	return log
}

// Run runs a program to its end: all that it has left pending becomes due. The error is that of Start or Execute.
func (h *Host) Run(program wisted.Program) error {
	running := bridge.Begin(program)
	if err := running.Start(h.it.config); err != nil {
		return err
	}
	err := running.Execute()
	h.settle(1<<63 - 1)
	running.Stop()
	return err
}

// settle delivers what is due, in order of time; what that gives rise to included.
func (h *Host) settle(until time.Duration) {
	for range outcomesMax {
		// A handler that has slept has put the clock forward.
		id, next, ok := h.it.nextDue(max(until, h.it.now))
		if ok {
			bridge.Deliver(id, next.page, next.err)
		} else if !h.settleConnection() {
			return
		}
	}
	h.t.Fatalf("wistedtest: %d outcomes in one go: does a callback ask for itself again without a delay?", outcomesMax)
}

// outcome is a timer's, or a page's.
type outcome struct {
	due    time.Duration
	isPage bool
	page   *wisted.Response
	err    error
}

type connection struct {
	written                           []byte
	losing, aborted, shutDown, paused bool
	gone                              bool
	// Came from the peer and is still to be handled.
	inbox []byte
	peer  *Peer
}

// world is what package wisted calls in place of the host.
type world struct {
	now         time.Duration
	ids         uint32
	pending     map[uint32]outcome
	arrived     map[uint32]outcome
	pages       map[string]outcome
	requests    []wisted.Request
	connections map[uint32]*connection
	brokenWaits *wisted.WaitError
	config      [][2]string
	log         []Record
	random      uint64
}

func (w *world) newID() uint32 {
	w.ids++
	return w.ids
}

// nextDue takes out the outcome that is due first, and puts the clock forward to it.
func (w *world) nextDue(until time.Duration) (first uint32, next outcome, ok bool) {
	for id, candidate := range w.pending {
		if candidate.due <= until && (!ok || candidate.due < next.due || candidate.due == next.due && id < first) {
			first, next, ok = id, candidate, true
		}
	}
	if ok {
		delete(w.pending, first)
		w.now = max(w.now, next.due)
	}
	return first, next, ok
}

// open is a connection that is not gone, or a nameless one.
func (w *world) open(id uint32) *connection {
	if c := w.connections[id]; c != nil && !c.gone {
		return c
	}
	return &connection{}
}

func (w *world) Write(id uint32, data []byte) {
	if c := w.open(id); !c.losing && !c.aborted && !c.shutDown {
		c.written = append(c.written, data...)
	}
}

func (w *world) LoseConnection(id uint32) { w.open(id).losing = true }

func (w *world) AbortConnection(id uint32) {
	c := w.open(id)
	c.aborted, c.written = true, nil
}

func (w *world) ShutdownWrite(id uint32) { w.open(id).shutDown = true }
func (w *world) PauseReading(id uint32)  { w.open(id).paused = true }
func (w *world) ResumeReading(id uint32) { w.open(id).paused = false }

// Peer is another port for every connection, so that tests can tell them apart.
func (w *world) Peer(id uint32) wisted.Address {
	return wisted.Address{Host: "127.0.0.1", Port: uint16(40_000 + id%20_000)}
}

func (w *world) Host(uint32) wisted.Address { return wisted.Address{Host: "127.0.0.1", Port: 8000} }

func (w *world) BufferedBytes(id uint32) uint64 { return uint64(len(w.open(id).written)) }

func (w *world) CallLater(delayMS uint32) uint32 {
	id := w.newID()
	w.pending[id] = outcome{due: w.now + time.Duration(delayMS)*time.Millisecond}
	return id
}

func (w *world) Sleep(durationMS uint32) error {
	if w.brokenWaits != nil {
		return w.brokenWaits
	}
	w.now += time.Duration(durationMS) * time.Millisecond
	return nil
}

func (w *world) Now() uint64 { return uint64(w.now / time.Millisecond) }

func (w *world) Wait(id uint32) error {
	if w.brokenWaits != nil {
		return w.brokenWaits
	}
	next, ok := w.pending[id]
	if !ok {
		return &wisted.WaitError{Kind: wisted.WaitUnknownID}
	}
	delete(w.pending, id)
	w.now = max(w.now, next.due)
	if next.isPage {
		w.arrived[id] = next
	}
	return nil
}

func (w *world) Cancel(id uint32) bool {
	_, ok := w.pending[id]
	delete(w.pending, id)
	return ok
}

func (w *world) SendRequest(request wisted.Request) uint32 {
	page, ok := w.pages[request.URL]
	if !ok {
		err := &wisted.FetchError{Kind: wisted.FetchConnect, Text: "no fake page for " + request.URL}
		page = outcome{isPage: true, err: err}
	}
	w.requests = append(w.requests, request)
	id := w.newID()
	page.due += w.now
	w.pending[id] = page
	return id
}

func (w *world) TakePage(id uint32) (*wisted.Response, error) {
	page, ok := w.arrived[id]
	if !ok {
		panic("wistedtest: page " + strconv.Itoa(int(id)) + " was not waited for")
	}
	delete(w.arrived, id)
	return page.page, page.err
}

func (w *world) Log(level wisted.Level, message string) {
	w.log = append(w.log, Record{level, message})
}

// RandomBytes are the same in every run: what a test wants.
func (w *world) RandomBytes(length uint32) []byte {
	if length > 65_536 {
		panic("wistedtest: the host gives at most 65,536 random bytes at once")
	}
	data := make([]byte, length)
	for i := range data {
		w.random = w.random*6_364_136_223_846_793_005 + 1_442_695_040_888_963_407
		data[i] = byte(w.random >> 56)
	}
	return data
}

func (w *world) ConfigAll() [][2]string { return w.config }
