// A connection as its protocol sees it; knows nothing of protocols.

package wisted

import (
	"errors"
	"strconv"
	"strings"
)

// ErrClosed is what [Transport.Write] returns when the connection is gone.
var ErrClosed = errors.New("wisted: the connection is gone")

// Transport is a handle on one connection: Twisted's ITCPTransport, and an io.Writer.
//
// There is one for each connection, so it may be compared and be a map's key, and it may be kept: so that one
// connection can write to another, also when this one is gone, when every method does nothing. Nothing here blocks or
// calls a protocol back; what happened is told later, by ConnectionLost at the latest.
type Transport struct {
	id   uint32
	gone bool
}

// ID is the number of this connection within the instance: 1 for the first, and so on. With isolation connection each
// instance has only number 1.
func (t *Transport) ID() uint32 { return t.id }

// Write queues data for the peer, in order, and takes all of it; the slice may be used again at once. The only error
// is [ErrClosed], when the connection is gone, and it may be ignored: what cannot be sent is dropped with the
// connection. More than the service's write-buffer-max-bytes in one handler traps: produce in portions and go on in
// Drained.
func (t *Transport) Write(data []byte) (int, error) {
	if t.gone {
		return 0, ErrClosed
	}
	hostWrite(t.id, data)
	return len(data), nil
}

// WriteString is Write for a string, without a copy. It makes the transport an io.StringWriter.
func (t *Transport) WriteString(text string) (int, error) {
	if t.gone {
		return 0, ErrClosed
	}
	hostWriteString(t.id, text)
	return len(text), nil
}

// WriteMany queues several pieces as if each had been written in turn; one call of it costs less than many writes.
// Twisted's writeSequence.
func (t *Transport) WriteMany(pieces ...[]byte) {
	if !t.gone && len(pieces) > 0 {
		hostWriteMany(t.id, pieces)
	}
}

// LoseConnection closes the connection once everything written so far is sent. No more data is received, later writes
// are ignored, and ConnectionLost follows.
func (t *Transport) LoseConnection() { hostLoseConnection(t.id) }

// AbortConnection closes the connection now and drops what is unsent (TCP RST): for peers that misbehave.
// ConnectionLost with the kind [Aborted] follows.
func (t *Transport) AbortConnection() { hostAbortConnection(t.id) }

// ShutdownWrite is half a close: once everything written so far is sent, it tells the peer that no more will come
// (TCP FIN), and goes on receiving. Later writes are ignored.
func (t *Transport) ShutdownWrite() { hostShutdownWrite(t.id) }

// PauseReading stops DataReceived until [Transport.ResumeReading]. The peer is slowed down, nothing is lost. To be
// called when data arrives faster than it can be dealt with.
func (t *Transport) PauseReading() { hostPauseReading(t.id) }

// ResumeReading undoes [Transport.PauseReading].
func (t *Transport) ResumeReading() { hostResumeReading(t.id) }

// Peer is the address of the peer.
func (t *Transport) Peer() Address { return hostPeer(t.id) }

// Host is the address on this side that the peer connected to.
func (t *Transport) Host() Address { return hostHost(t.id) }

// BufferedBytes is how many bytes were written and are not yet with the operating system. To be asked before writing
// much: a slow peer's connection is ended when too much waits for it.
func (t *Transport) BufferedBytes() uint64 { return hostBufferedBytes(t.id) }

// Address is one end of a connection.
type Address struct {
	// Host is an IP address without brackets or port.
	Host string
	// Port is the TCP port.
	Port uint16
}

// String is such as 127.0.0.1:8000 or [::1]:8000.
func (a Address) String() string {
	host := a.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(a.Port))
}

// CloseReason is why a connection ended.
type CloseReason struct {
	Kind CloseKind
	// Text says which error it was ([Lost]) or which limit ([PeerNotReading]); otherwise it is empty.
	Text string
}

// CloseKind is the kind of a [CloseReason].
type CloseKind uint8

// In the order of the contract's close-reason.
const (
	// Done: closed in an orderly way, by either side, and all that was written had been handed to the operating system.
	// Twisted's ConnectionDone.
	Done CloseKind = iota
	// Lost: the operating system reported an error, such as a reset by the peer. Twisted's ConnectionLost.
	Lost
	// Aborted: this guest called AbortConnection. Twisted's ConnectionAborted.
	Aborted
	// PeerNotReading: too much waited for the peer, or it waited for too long.
	PeerNotReading
	// Stopping: the host is stopping, and the time that connections were given to finish is over.
	Stopping
)

// String is the name in the contract, such as peer-not-reading.
func (k CloseKind) String() string {
	return name(int(k), "done", "lost", "aborted", "peer-not-reading", "stopping")
}

// String says it in a sentence.
func (r CloseReason) String() string {
	switch r.Kind {
	case Done:
		return "the connection was closed"
	case Lost:
		return "the connection was lost: " + r.Text
	case Aborted:
		return "the connection was aborted"
	case PeerNotReading:
		return "the peer did not read: " + r.Text
	default:
		return "the host is stopping"
	}
}

func name(kind int, names ...string) string {
	if kind < len(names) {
		return names[kind]
	}
	return "unknown (" + strconv.Itoa(kind) + ")"
}
