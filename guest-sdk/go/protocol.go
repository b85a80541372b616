// The interfaces that a server implements; they know nothing of who calls them.

package wisted

// Protocol is what happens on one connection: Twisted's IProtocol. Embed [ProtocolBase] and implement DataReceived;
// everything else then has a default.
//
// The host calls one handler at a time. A handler may take long only by waiting ([Sleep], [Fetch.Wait]); one that
// computes for too long is ended together with its connection. A panic ends the instance, and its message and stack
// go to the log.
type Protocol interface {
	// ConnectionMade says that the peer has connected. Called once, before everything else: the place for a greeting.
	ConnectionMade(t *Transport)

	// DataReceived brings bytes: in order, never empty, cut wherever the network cut them. They are only lent: after
	// the handler has returned, others stand in their place, so what is to be kept has to be copied (bytes.Clone).
	DataReceived(t *Transport, data []byte)

	// ReadClosed says that the peer will send no more (TCP FIN); writing still works. ProtocolBase closes the
	// connection once everything written is sent.
	ReadClosed(t *Transport)

	// Drained says that a slow peer has caught up: the time to write more, for protocols that produce much. Called when
	// the write buffer was above its high watermark and has fallen below its low one.
	Drained(t *Transport)

	// ConnectionLost says that the connection is gone. Called once, after everything else about it; the transport does
	// nothing any more.
	ConnectionLost(t *Transport, reason CloseReason)
}

// ProtocolBase has the default of every handler, to be embedded. Its DataReceived ignores the data.
type ProtocolBase struct{}

// ConnectionMade does nothing.
func (ProtocolBase) ConnectionMade(*Transport) {}

// DataReceived does nothing.
func (ProtocolBase) DataReceived(*Transport, []byte) {}

// ReadClosed closes the connection once everything written is sent.
func (ProtocolBase) ReadClosed(t *Transport) { t.LoseConnection() }

// Drained does nothing.
func (ProtocolBase) Drained(*Transport) {}

// ConnectionLost does nothing.
func (ProtocolBase) ConnectionLost(*Transport, CloseReason) {}

// Factory builds the protocols of a service and owns what they share: Twisted's ServerFactory. Embed [FactoryBase] and
// implement BuildProtocol.
//
// Each instance of the guest has one factory. With isolation connection (the default) every connection has an
// instance, and so a factory, of its own; protocols that are to meet each other need isolation service.
type Factory interface {
	// Start says that the instance begins. Called once, before everything else: the place to read the configuration. An
	// error refuses the connection, or with isolation service the service, and is logged.
	Start(config Config) error

	// BuildProtocol makes the protocol of a new connection; its ConnectionMade is called next.
	BuildProtocol(peer Address) Protocol

	// Stop says that the instance ends in an orderly way. Called once, after everything else; not after a panic.
	Stop()
}

// FactoryBase has the defaults of Start and Stop, to be embedded.
type FactoryBase struct{}

// Start does nothing.
func (FactoryBase) Start(Config) error { return nil }

// Stop does nothing.
func (FactoryBase) Stop() {}

// StatefulFactory is a Factory that hands its state to the one that takes its place, when there is a new build or its
// instance has served enough. It is for isolation service, and package server/stateful makes a guest of it.
type StatefulFactory interface {
	Factory

	// SaveState gives what the next one is to know, at most 16 MiB. Called once that one has started; this one goes on
	// serving its open connections, but what changes from then on is not handed over. Say in it which version it is:
	// another build will read it.
	SaveState() []byte

	// RestoreState is given what the one before has saved, perhaps nothing. Called after Start and before the first
	// connection; not where there is no old instance. With an error, which is logged, the old one stays in its place.
	// The bytes are only lent, as those of DataReceived.
	RestoreState(state []byte) error
}

// FactoryFunc is a Factory of one function, for protocols that share nothing.
type FactoryFunc func(peer Address) Protocol

// Start does nothing.
func (FactoryFunc) Start(Config) error { return nil }

// BuildProtocol calls the function.
func (f FactoryFunc) BuildProtocol(peer Address) Protocol { return f(peer) }

// Stop does nothing.
func (FactoryFunc) Stop() {}

// Program is what runs by itself, without sockets. Embed [ProgramBase] and implement Execute.
type Program interface {
	// Start says that the instance begins; called before Execute. An error ends the program, as one of Execute does.
	Start(config Config) error

	// Execute is called once. The host goes on until it has returned and nothing is pending, and then exits: with 0, or
	// with 1 and the error.
	Execute() error

	// Stop says that the program ends in an orderly way; called after everything else.
	Stop()
}

// ProgramBase has the defaults of Start and Stop, to be embedded.
type ProgramBase struct{}

// Start does nothing.
func (ProgramBase) Start(Config) error { return nil }

// Stop does nothing.
func (ProgramBase) Stop() {}
