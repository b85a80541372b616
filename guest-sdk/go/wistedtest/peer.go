// A factory with fake peers: calls handlers as the host does, in the host's order. Knows what the fake host recorded.

package wistedtest

import (
	"slices"

	"wisted.dev/wisted"
	"wisted.dev/wisted/internal/bridge"
)

// Server is one instance of a guest that serves connections, as with isolation service. As with the real host, one
// handler runs at a time; what becomes due meanwhile is delivered when it has returned.
type Server struct {
	host    *Host
	running bridge.Instance
}

// Serve starts an instance. The test fails when the factory's Start does; see [Host.TryServe].
func (h *Host) Serve(factory wisted.Factory) *Server {
	h.t.Helper()
	server, err := h.TryServe(factory)
	if err != nil {
		h.t.Fatalf("the factory did not start: %v", err)
	}
	return server
}

// TryServe starts an instance. The error is that of the factory's Start.
func (h *Host) TryServe(factory wisted.Factory) (*Server, error) {
	running := bridge.Begin(factory)
	if err := running.Start(h.it.config); err != nil {
		return nil, err
	}
	return &Server{h, running}, nil
}

// Connect connects a peer, and runs ConnectionMade.
func (s *Server) Connect() *Peer {
	id := s.host.it.newID()
	peer := &Peer{server: s, id: id, it: &connection{}}
	peer.it.peer = peer
	s.host.it.connections[id] = peer.it
	s.running.ConnectionMade(id)
	s.host.Advance(0)
	return peer
}

// SaveState is what the instance leaves to the one that takes its place. Its factory has to be a
// [wisted.StatefulFactory].
func (s *Server) SaveState() []byte { return s.running.SaveState() }

// RestoreState hands over what another instance has saved, as the host does before the first connection. The error is
// that of the factory's RestoreState.
func (s *Server) RestoreState(state []byte) error {
	lent := slices.Clone(state)
	defer overwrite(lent)
	return s.running.RestoreState(lent)
}

// Stop ends the instance in an orderly way: every connection is lost as when the host is stopping, then the factory's
// Stop.
func (s *Server) Stop() {
	for _, id := range s.host.it.connectionIDs() {
		if c := s.host.it.connections[id]; !c.gone && c.peer != nil {
			c.peer.lose(wisted.CloseReason{Kind: wisted.Stopping})
		}
	}
	s.running.Stop()
}

// Peer is a fake peer, connected to a [Server]: the other end of a transport.
type Peer struct {
	server *Server
	id     uint32
	it     *connection
}

// Send sends bytes that arrive in one piece. While the guest has paused reading they are kept for it.
func (p *Peer) Send(data string) {
	p.it.inbox = append(p.it.inbox, data...)
	p.server.host.Advance(0)
}

// SendBytewise sends bytes that arrive one at a time: a protocol must not depend on where the network cuts.
func (p *Peer) SendBytewise(data string) {
	for i := range len(data) {
		p.Send(data[i : i+1])
	}
}

// Close is half a close: this peer will send no more. It runs ReadClosed.
func (p *Peer) Close() {
	if !p.it.gone {
		p.server.running.ReadClosed(p.id)
		p.server.host.Advance(0)
	}
}

// Reset resets the connection: it runs ConnectionLost with the kind Lost.
func (p *Peer) Reset() {
	p.lose(wisted.CloseReason{Kind: wisted.Lost, Text: "reset by the fake peer"})
	p.server.host.Advance(0)
}

// Take is what has been received and not taken yet. Until it is taken it counts as BufferedBytes.
func (p *Peer) Take() string {
	written := string(p.it.written)
	p.it.written = nil
	return written
}

// Drain is as Take, and then runs Drained: a slow peer has caught up.
func (p *Peer) Drain() string {
	received := p.Take()
	if !p.it.gone {
		p.server.running.Drained(p.id)
		p.server.host.Advance(0)
	}
	return received
}

// Disconnected is whether ConnectionLost has been called.
func (p *Peer) Disconnected() bool { return p.it.gone }

// Aborted is whether the guest has called AbortConnection.
func (p *Peer) Aborted() bool { return p.it.aborted }

// WriteShutDown is whether the guest has called ShutdownWrite.
func (p *Peer) WriteShutDown() bool { return p.it.shutDown }

// ReadingPaused is whether the guest has paused reading.
func (p *Peer) ReadingPaused() bool { return p.it.paused }

func (p *Peer) lose(reason wisted.CloseReason) {
	if !p.it.gone {
		p.it.gone = true
		p.server.running.ConnectionLost(p.id, uint8(reason.Kind), reason.Text)
	}
}

// Transport is a *[wisted.Transport] alone, to call a protocol's handlers by hand: Twisted's StringTransport. What is
// written to it the peer's Take returns; the peer's other methods, which need a server, are not for it.
func (h *Host) Transport() (*wisted.Transport, *Peer) {
	peer := &Peer{id: h.it.newID(), it: &connection{}}
	h.it.connections[peer.id] = peer.it
	return bridge.NewTransport(peer.id).(*wisted.Transport), peer
}

// settleConnection hands over what one peer has sent, or ends a connection that the guest has closed. It returns
// whether there was such a one.
func (h *Host) settleConnection() bool {
	for _, id := range h.it.connectionIDs() {
		c := h.it.connections[id]
		switch {
		case c.gone || c.peer == nil:
			continue
		case c.aborted:
			c.peer.lose(wisted.CloseReason{Kind: wisted.Aborted})
		case c.losing:
			c.peer.lose(wisted.CloseReason{Kind: wisted.Done})
		case !c.paused && len(c.inbox) > 0:
			lent := c.inbox
			c.inbox = nil
			c.peer.server.running.DataReceived(id, lent)
			overwrite(lent)
		default:
			continue
		}
		return true
	}
	return false
}

// connectionIDs is the connections in order.
func (w *world) connectionIDs() []uint32 {
	ids := make([]uint32, 0, len(w.connections))
	for id := range w.connections {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// overwrite is for what was lent: the real host's bytes are gone then too, and what was kept without a copy is seen to
// be wrong.
func overwrite(lent []byte) {
	for i := range lent {
		lent[i] = '?'
	}
}
