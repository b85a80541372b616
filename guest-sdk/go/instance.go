// One instance's factory and its protocols by connection, or its program: calls the user's handlers, knows nothing of
// where calls come from. The exports drive it in a guest, wistedtest natively.

package wisted

import "wisted.dev/wisted/internal/bridge"

func init() {
	bridge.Begin = func(factoryOrProgram any) bridge.Instance {
		i := &instance{served: map[uint32]served{}}
		switch it := factoryOrProgram.(type) {
		case Factory:
			i.factory = it
		case Program:
			i.program = it
		}
		bridge.Running = i
		return i
	}
	bridge.Deliver = func(id uint32, page any, err error) {
		response, _ := page.(*Response)
		deliver(id, response, err)
	}
	bridge.Forget = func() { clear(expected) }
	bridge.NewTransport = func(id uint32) any { return &Transport{id: id} }
}

type instance struct {
	factory Factory
	program Program
	served  map[uint32]served
}

type served struct {
	protocol  Protocol
	transport *Transport
}

func (i *instance) Start(values [][2]string) error {
	if i.program != nil {
		return i.program.Start(Config{values})
	}
	return i.factory.Start(Config{values})
}

func (i *instance) Stop() {
	if i.program != nil {
		i.program.Stop()
	} else {
		i.factory.Stop()
	}
}

func (i *instance) SaveState() []byte { return i.factory.(StatefulFactory).SaveState() }

func (i *instance) RestoreState(state []byte) error {
	return i.factory.(StatefulFactory).RestoreState(state)
}

func (i *instance) Execute() error { return i.program.Execute() }

func (i *instance) ConnectionMade(connection uint32) {
	t := &Transport{id: connection}
	protocol := i.factory.BuildProtocol(t.Peer())
	i.served[connection] = served{protocol, t}
	protocol.ConnectionMade(t)
}

func (i *instance) DataReceived(connection uint32, data []byte) {
	if s, ok := i.served[connection]; ok {
		s.protocol.DataReceived(s.transport, data)
	}
}

func (i *instance) ReadClosed(connection uint32) {
	if s, ok := i.served[connection]; ok {
		s.protocol.ReadClosed(s.transport)
	}
}

func (i *instance) Drained(connection uint32) {
	if s, ok := i.served[connection]; ok {
		s.protocol.Drained(s.transport)
	}
}

func (i *instance) ConnectionLost(connection uint32, kind uint8, text string) {
	if s, ok := i.served[connection]; ok {
		delete(i.served, connection)
		s.transport.gone = true
		s.protocol.ConnectionLost(s.transport, CloseReason{CloseKind(kind), text})
	}
}
