// The host as a guest sees it, natively: whatever package wistedtest has put in its place.

//go:build !wasip1

package wisted

import "wisted.dev/wisted/internal/bridge"

type fakeHost interface {
	Write(connection uint32, data []byte)
	LoseConnection(connection uint32)
	AbortConnection(connection uint32)
	ShutdownWrite(connection uint32)
	PauseReading(connection uint32)
	ResumeReading(connection uint32)
	Peer(connection uint32) Address
	Host(connection uint32) Address
	BufferedBytes(connection uint32) uint64
	CallLater(delayMS uint32) uint32
	Sleep(durationMS uint32) error
	Now() uint64
	Wait(id uint32) error
	Cancel(id uint32) bool
	SendRequest(request Request) uint32
	TakePage(id uint32) (*Response, error)
	Log(level Level, message string)
	RandomBytes(length uint32) []byte
	ConfigAll() [][2]string
}

func host() fakeHost {
	fake, ok := bridge.Host.(fakeHost)
	if !ok {
		panic("wisted: natively there is no host: make a fake one with wistedtest.NewHost, or run this with `wisted run`")
	}
	return fake
}

func hostWrite(connection uint32, data []byte)       { host().Write(connection, data) }
func hostWriteString(connection uint32, text string) { host().Write(connection, []byte(text)) }
func hostWriteMany(connection uint32, pieces [][]byte) {
	for _, piece := range pieces {
		host().Write(connection, piece)
	}
}
func hostLoseConnection(connection uint32)       { host().LoseConnection(connection) }
func hostAbortConnection(connection uint32)      { host().AbortConnection(connection) }
func hostShutdownWrite(connection uint32)        { host().ShutdownWrite(connection) }
func hostPauseReading(connection uint32)         { host().PauseReading(connection) }
func hostResumeReading(connection uint32)        { host().ResumeReading(connection) }
func hostPeer(connection uint32) Address         { return host().Peer(connection) }
func hostHost(connection uint32) Address         { return host().Host(connection) }
func hostBufferedBytes(connection uint32) uint64 { return host().BufferedBytes(connection) }
func hostCallLater(delayMS uint32) uint32        { return host().CallLater(delayMS) }
func hostSleep(durationMS uint32) error          { return host().Sleep(durationMS) }
func hostNow() uint64                            { return host().Now() }
func hostWait(id uint32) error                   { return host().Wait(id) }
func hostCancel(id uint32) bool                  { return host().Cancel(id) }
func hostGetPage(url string) uint32              { return host().SendRequest(Request{Method: "GET", URL: url}) }
func hostSendRequest(request *Request) uint32    { return host().SendRequest(*request) }
func hostTakePage(id uint32) (*Response, error)  { return host().TakePage(id) }
func hostLog(level Level, message string)        { host().Log(level, message) }
func hostRandomBytes(length uint32) []byte       { return host().RandomBytes(length) }
func hostConfigAll() [][2]string                 { return host().ConfigAll() }
func hostConfigGet(key string) (value string, ok bool) {
	return Config{hostConfigAll()}.Lookup(key)
}
