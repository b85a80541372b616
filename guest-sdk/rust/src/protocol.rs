//! The traits that a server implements; they know nothing of who calls them.

use crate::{Address, CloseReason, Config, Transport};
use alloc::string::String;
use alloc::vec::Vec;

/// What happens on one connection: Twisted's `IProtocol`. Implement `data_received`; everything else has a default.
///
/// The host calls one handler at a time. A handler may take long only by waiting ([`sleep`](crate::sleep),
/// [`Deferred::wait`](crate::Deferred::wait)); one that computes for too long is ended together with its connection.
pub trait Protocol: 'static {
    /// The peer has connected. Called once, before everything else: the place for a greeting.
    fn connection_made(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// Bytes arrived: in order, never empty, cut wherever the network cut them. A protocol that looks for lines or
    /// frames has to buffer, and to bound its buffer.
    fn data_received(&mut self, transport: &Transport, data: &[u8]);

    /// The peer will send no more (TCP FIN); writing still works. Twisted's `readConnectionLost`. The default closes
    /// the connection once everything written is sent.
    fn read_closed(&mut self, transport: &Transport) {
        transport.lose_connection();
    }

    /// The peer had been slow and has caught up: the time to write more, for protocols that produce much. Called
    /// after the write buffer was above its high watermark and has fallen below its low one.
    fn drained(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// The connection is gone. Called once, after everything else about it; the transport does nothing any more.
    fn connection_lost(&mut self, transport: &Transport, reason: CloseReason) {
        let _ = (transport, reason);
    }
}

/// Builds the protocols of a service and owns what they share: Twisted's `ServerFactory`.
///
/// Each instance of the guest has one factory. With isolation `connection` (the default) every connection has an
/// instance, and so a factory, of its own; protocols that are to meet each other need isolation `service`.
///
/// A [`Protocol`] that is [`Default`] is its own factory: a new default value for each connection.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't build protocols",
    note = "implement `Factory` for it, or, if it is a `Protocol`, `Default`"
)]
pub trait Factory: Default + 'static {
    /// What serves one connection.
    type Protocol: Protocol;

    /// The instance begins. Called once, before everything else: the place to read the configuration. An error
    /// refuses the connection, or with isolation `service` the service, and is logged.
    fn start_factory(&mut self, config: &Config) -> Result<(), String> {
        let _ = config;
        Ok(())
    }

    /// A peer has connected: makes its protocol, whose `connection_made` is called next.
    fn build_protocol(&mut self, peer: &Address) -> Self::Protocol;

    /// Not to be implemented: a protocol that is its own factory need not ask who the peer is, so that its component does not
    /// even import it.
    #[doc(hidden)]
    fn build_protocol_for(&mut self, transport: &Transport) -> Self::Protocol {
        self.build_protocol(&transport.peer())
    }

    /// The instance ends in an orderly way. Called once, after everything else; not after a trap.
    fn stop_factory(&mut self) {}
}

/// A [`Factory`] that hands its state to the one that takes its place when a new build is loaded, or when its instance has
/// served enough. For isolation `service`; export it with [`export_stateful!`](crate::export_stateful).
pub trait StatefulFactory: Factory {
    /// What the next one is to know, at most 16 MiB. Called on the old instance, once the new one has started: it goes on serving
    /// its open connections, but what changes from then on is not handed over. Say in it which version it is: another build
    /// will read it.
    fn save_state(&mut self) -> Vec<u8>;

    /// What the one before has saved. Called after [`start_factory`](Factory::start_factory) and before the first connection; not
    /// where there is no old instance. With an error the old one stays in its place.
    fn restore_state(&mut self, state: &[u8]) -> Result<(), String>;
}

impl<P: Protocol + Default> Factory for P {
    type Protocol = P;

    fn build_protocol(&mut self, _peer: &Address) -> P {
        P::default()
    }

    fn build_protocol_for(&mut self, _transport: &Transport) -> P {
        P::default()
    }
}
