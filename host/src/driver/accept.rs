//! New connections, and what to do when there can't be any.

use std::net::SocketAddr;

use super::connections::ConnectionKey;
use super::crew::Mail;
use super::roster::ListenerId;
use super::{Connection, Driver, Due, Ready};
use crate::limits::{ACCEPT_PAUSE, per_turn};
use crate::reactor::{Accept, ListenerToken, Socket};
use crate::service::Isolation;

/// A listening port of a service.
#[derive(Debug)]
pub(super) struct Listener {
    pub id: ListenerId,
    pub token: ListenerToken,
    /// The first seat of the service whose peers come here.
    pub service: usize,
    /// Peers may wait: readiness is reported once, so it is remembered until accepting would block.
    acceptable: bool,
}

impl Listener {
    pub fn new(id: ListenerId, token: ListenerToken, service: usize) -> Self {
        Self {
            id,
            token,
            service,
            acceptable: true,
        }
    }
}

impl Driver {
    /// Accepts peers of one listener, within its budget.
    pub(super) fn accept(&mut self, index: usize) {
        let Some(listener) = self.listeners.get_mut(index) else {
            return;
        };
        listener.acceptable = true;
        let (token, service) = (listener.token, listener.service);
        for _ in 0..per_turn::ACCEPTS_MAX {
            if self.exhausted || !self.may_accept(service) {
                // Whoever lifts the limit looks at the listener again.
                return;
            }
            match self.reactor.accept(token) {
                Accept::Socket { socket, peer } => self.accepted(service, socket, peer),
                Accept::WouldBlock => {
                    if let Some(listener) = self.listeners.get_mut(index) {
                        listener.acceptable = false;
                    }
                    if std::mem::take(&mut self.exhaustion_logged) {
                        tracing::info!("everybody who waited is accepted again");
                    }
                    return;
                }
                Accept::Failed(error) => {
                    tracing::debug!(%error, "a peer was lost while it was accepted")
                }
                Accept::Exhausted(error) => {
                    // Once for each shortage, not at each attempt.
                    if !std::mem::replace(&mut self.exhaustion_logged, true) {
                        tracing::warn!(
                            %error,
                            connections = self.connections_open,
                            "out of descriptors or memory: accepting nobody until a connection ends (see `ulimit -n`)"
                        );
                    }
                    self.exhausted = true;
                    self.deadlines
                        .insert(self.now + ACCEPT_PAUSE, Due::AcceptAgain);
                    return;
                }
            }
        }
        self.carried.push(Ready::Listener(index));
    }

    /// Whose turn it is to serve: drivers take peers one after the other, so that each has as many; shared instances as their
    /// service says.
    fn accepted(&mut self, service: usize, socket: Socket, peer: SocketAddr) {
        if self.is_turned_away(service, peer.ip()) {
            return socket.refuse();
        }
        let served = &mut self.services[service];
        let (seat, home) = match served.service.isolation {
            Isolation::Connection => {
                let home = served.next_home % self.place.mailboxes.len();
                served.next_home = home + 1;
                (service, home)
            }
            Isolation::Service => {
                let seat = self.seat_of(service, &peer);
                (seat, self.services[seat].seat.home)
            }
        };
        if home == self.place.index {
            self.adopt(seat, socket, peer);
        } else {
            self.place.mailboxes[home].send(Mail::Adopt(seat, socket, peer));
        }
    }

    /// A peer that was accepted, here or by the first driver, is served here.
    pub(super) fn adopt(&mut self, service: usize, socket: Socket, peer: SocketAddr) {
        let token = match self.reactor.adopt(socket) {
            Ok(token) => token,
            Err(error) => {
                tracing::warn!(%error, %peer, "a peer cannot be served");
                return self.connection_has_gone(service, peer.ip());
            }
        };
        let id = self.next_id();
        let Some((instance, number)) = self.instance_for_connection(service, id, peer, token)
        else {
            // The service's instance has failed since the peer was accepted.
            self.reactor.abort(token);
            return self.connection_has_gone(service, peer.ip());
        };
        self.connections_open += 1;
        self.services[service].totals.connections_made += 1;
        let limits = &self.services[service].service.limits;
        let connection =
            Connection::new(id, token, service, instance, number, peer, limits, self.now);
        if self.connections.len() <= token.index() {
            self.connections.resize_with(token.index() + 1, || None);
        }
        self.connections[token.index()] = Some(Box::new(connection));
        let key = ConnectionKey { token, id };
        self.connection_is_made(key, instance, number);
        self.start_its_time(key);
        tracing::debug!(
            service = self.services[service].service.origin.service,
            connection = id,
            %peer,
            reactor = self.place.index,
            "connection made"
        );
    }

    /// Descriptors may be free again: a connection has ended, or the pause is over.
    pub(super) fn accept_again(&mut self) {
        self.exhausted = false;
        let acceptable = self.listeners.iter().filter(|(_, one)| one.acceptable);
        self.ready
            .extend(acceptable.map(|(index, _)| Ready::Listener(index)));
    }

    /// A limit of one service may be lifted, or an instance of it be ready.
    pub(super) fn service_may_accept_again(&mut self, seat: usize) {
        // Another driver learns of a new service before the first one does, and its instance may be ready by then.
        let Some(served) = self.services.get(seat) else {
            return;
        };
        let service = served.seat.all.start;
        if !self.services[service].accept_held && !self.exhausted {
            return;
        }
        self.ready.extend(
            self.listeners
                .iter()
                .filter(|(_, listener)| listener.acceptable && listener.service == service)
                .map(|(index, _)| Ready::Listener(index)),
        );
    }

    /// Stops listening everywhere.
    pub(super) fn stop_listening(&mut self) {
        for listener in self.listeners.drain() {
            self.reactor.stop_listening(listener.token);
        }
    }
}
