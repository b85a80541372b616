//! A factory with fake peers: calls handlers as the host does, in the host's order. Knows what the fake host
//! recorded.

use super::{Clock, StringTransport, deliver_due, fake, forget_pending};
use crate::{CloseReason, Factory, StatefulFactory, Transport, server};
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// One instance of a guest that serves connections, as with isolation `service`.
///
/// As with the real host, one handler runs at a time; what becomes due meanwhile is delivered when it has returned.
pub struct Server<F: Factory> {
    server: Rc<server::Server<F>>,
    /// The connections that are not gone, in order.
    open: Rc<Open>,
}

/// A fake peer, connected to a [`Server`]: the other end of a transport.
pub struct Peer<F: Factory> {
    server: Rc<server::Server<F>>,
    open: Rc<Open>,
    connection: StringTransport,
}

type Open = Cell<Vec<u32>>;

impl<F: Factory> Server<F> {
    /// Starts an instance with these configuration values. Timers and pages of an instance before it are forgotten.
    ///
    /// # Errors
    ///
    /// That of `start_factory`.
    pub fn start(config: &[(&str, &str)]) -> Result<Server<F>, String> {
        forget_pending();
        super::configure(config);
        let server = Rc::new(server::Server::new());
        server.start(fake::with(|world| world.config.clone()))?;
        Ok(Server {
            server,
            open: Rc::default(),
        })
    }

    /// Connects a peer, and runs `connection_made`.
    pub fn connect(&self) -> Peer<F> {
        let peer = Peer {
            server: self.server.clone(),
            open: self.open.clone(),
            connection: StringTransport::new(),
        };
        let mut open = self.open.take();
        open.push(peer.id());
        self.open.set(open);
        self.server.connection_made(peer.id());
        settle(&self.server, &self.open);
        peer
    }

    /// Puts the clock forward as [`Clock::advance`] does, and then ends the connections that callbacks closed.
    pub fn advance(&self, clock: &Clock, duration: Duration) {
        clock.advance(duration);
        settle(&self.server, &self.open);
    }

    /// Ends the instance in an orderly way: every connection is lost as when the host is stopping, then
    /// `stop_factory`.
    pub fn stop(self) {
        for id in self.open.take() {
            lose(&self.server, id, CloseReason::Stopping);
        }
        self.server.stop();
    }
}

impl<F: StatefulFactory> Server<F> {
    /// What this instance leaves to the one that takes its place.
    pub fn save_state(&self) -> Vec<u8> {
        self.server.save_state()
    }

    /// Hands over what another instance has saved, as the host does before the first connection.
    ///
    /// # Errors
    ///
    /// That of the factory: the other instance would stay in its place.
    pub fn restore_state(&self, state: &[u8]) -> Result<(), String> {
        self.server.restore_state(state)
    }
}

impl<F: Factory> Peer<F> {
    /// Sends bytes that arrive in one piece. While the guest has paused reading they are kept for it.
    pub fn send(&self, data: &[u8]) {
        if !data.is_empty() {
            self.connection
                .look(|connection| connection.inbox.extend_from_slice(data));
            settle(&self.server, &self.open);
        }
    }

    /// Sends bytes that arrive one at a time: a protocol must not depend on where the network cuts.
    pub fn send_bytewise(&self, data: &[u8]) {
        for byte in data {
            self.send(&[*byte]);
        }
    }

    /// Half close: this peer will send no more, and runs `read_closed`.
    pub fn close(&self) {
        if !self.is_disconnected() {
            self.server.read_closed(self.id());
            settle(&self.server, &self.open);
        }
    }

    /// Resets the connection: runs `connection_lost` with [`CloseReason::Lost`].
    pub fn reset(&self) {
        lose(
            &self.server,
            self.id(),
            CloseReason::Lost("reset by the fake peer".to_owned()),
        );
        settle(&self.server, &self.open);
    }

    /// What has been received and not taken yet; it stays.
    pub fn received(&self) -> Vec<u8> {
        self.connection.written()
    }

    /// What has been received and not taken yet. Until it is taken it counts as `buffered_bytes`.
    pub fn take_received(&self) -> Vec<u8> {
        self.connection.take_written()
    }

    /// As [`take_received`](Peer::take_received), and then runs `drained`: a slow peer has caught up.
    pub fn drain(&self) -> Vec<u8> {
        let received = self.take_received();
        if !self.is_disconnected() {
            self.server.drained(self.id());
            settle(&self.server, &self.open);
        }
        received
    }

    /// Whether `connection_lost` has been called.
    pub fn is_disconnected(&self) -> bool {
        self.connection.look(|connection| connection.gone)
    }

    /// The guest's side of this connection, to see what was done to it.
    pub fn connection(&self) -> &StringTransport {
        &self.connection
    }

    /// What the guest's handlers are given.
    pub fn transport(&self) -> &Transport {
        self.connection.transport()
    }

    fn id(&self) -> u32 {
        self.transport().id()
    }
}

/// After a handler: delivers what waits, until nothing does.
fn settle<F: Factory>(server: &server::Server<F>, open: &Open) {
    deliver_due(fake::with(|world| world.now_ms));
    while let Some(step) = next_step(open) {
        match step {
            Step::Receive(id, data) => server.data_received(id, &data),
            Step::Lose(id, reason) => lose(server, id, reason),
        }
        deliver_due(fake::with(|world| world.now_ms));
    }
}

enum Step {
    Receive(u32, Vec<u8>),
    Lose(u32, CloseReason),
}

fn next_step(open: &Open) -> Option<Step> {
    let ids = open.take();
    let step = fake::with(|world| {
        ids.iter().find_map(|id| {
            let connection = world.connections.get_mut(id)?;
            if connection.gone {
                None
            } else if connection.aborted {
                Some(Step::Lose(*id, CloseReason::Aborted))
            } else if connection.losing {
                Some(Step::Lose(*id, CloseReason::Done))
            } else if !connection.reading_paused && !connection.inbox.is_empty() {
                Some(Step::Receive(*id, std::mem::take(&mut connection.inbox)))
            } else {
                None
            }
        })
    });
    open.set(ids);
    step
}

fn lose<F: Factory>(server: &server::Server<F>, id: u32, reason: CloseReason) {
    let gone = fake::with(|world| {
        world
            .connections
            .get_mut(&id)
            .is_none_or(|connection| std::mem::replace(&mut connection.gone, true))
    });
    if !gone {
        server.connection_lost(id, reason);
    }
}

impl<F: Factory> fmt::Debug for Server<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl<F: Factory> fmt::Debug for Peer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, Config, Protocol, call_later, config};
    use std::cell::RefCell;

    type Events = Rc<RefCell<Vec<String>>>;

    thread_local! {
        static EVENTS: Events = Events::default();
    }

    fn events() -> Vec<String> {
        EVENTS.with(|events| events.take())
    }

    /// Notes every handler. `q` closes, `a` aborts, `p` pauses for a second, `h` shuts down writing.
    #[derive(Default)]
    struct Noting {
        events: Events,
    }

    impl Noting {
        fn note(&self, text: impl Into<String>) {
            self.events.borrow_mut().push(text.into());
        }
    }

    impl Protocol for Noting {
        fn connection_made(&mut self, transport: &Transport) {
            self.note("made");
            transport.write("hi ");
        }

        fn data_received(&mut self, transport: &Transport, data: &[u8]) {
            self.note(format!("data {}", String::from_utf8_lossy(data)));
            transport.write_many(&[b"<", data, b">"]);
            match data {
                b"q" => transport.lose_connection(),
                b"a" => transport.abort_connection(),
                b"h" => transport.shutdown_write(),
                b"p" => {
                    transport.pause_reading();
                    let transport = transport.clone();
                    call_later(Duration::from_secs(1), move || transport.resume_reading());
                }
                _ => {}
            }
            transport.write("!");
        }

        fn drained(&mut self, transport: &Transport) {
            self.note(format!("drained {}", transport.buffered_bytes()));
        }

        fn connection_lost(&mut self, transport: &Transport, reason: CloseReason) {
            transport.write("nobody reads this");
            self.note(format!("lost: {reason}"));
        }
    }

    #[derive(Default)]
    struct NotingFactory {
        built: u32,
    }

    impl Factory for NotingFactory {
        type Protocol = Noting;

        fn start_factory(&mut self, values: &Config) -> Result<(), String> {
            assert_eq!(config::all(), *values);
            assert_eq!(config::get("fail").as_deref(), values.get("fail"));
            values
                .get("fail")
                .map_or(Ok(()), |text| Err(text.to_owned()))
        }

        fn build_protocol(&mut self, peer: &Address) -> Noting {
            self.built += 1;
            assert!(peer.to_string().starts_with("127.0.0.1:4"));
            Noting {
                events: EVENTS.with(Rc::clone),
            }
        }

        fn stop_factory(&mut self) {
            EVENTS.with(|events| {
                events
                    .borrow_mut()
                    .push(format!("stop after {}", self.built))
            });
        }
    }

    fn start() -> Server<NotingFactory> {
        events();
        Server::start(&[]).expect("starts")
    }

    #[test]
    fn handlers_are_called_in_the_hosts_order() {
        let server = start();
        let peer = server.connect();
        peer.send(b"x");
        assert_eq!(peer.transport().buffered_bytes(), 7);
        assert_eq!(peer.drain(), b"hi <x>!");
        peer.send(b"q");
        assert!(peer.is_disconnected());
        assert_eq!(peer.take_received(), b"<q>");
        peer.send(b"ignored");
        peer.close();
        server.stop();
        assert_eq!(
            events(),
            [
                "made",
                "data x",
                "drained 0",
                "data q",
                "lost: the connection was closed",
                "stop after 1"
            ]
        );
    }

    #[test]
    fn abort_drops_what_is_unsent_and_half_close_goes_on_receiving() {
        let server = start();
        let (one, two) = (server.connect(), server.connect());
        one.send(b"a");
        assert!(one.is_disconnected() && one.connection().is_aborted());
        assert_eq!(one.received(), b"");
        two.send(b"h");
        two.send(b"more");
        assert_eq!(two.received(), b"hi <h>");
        two.close();
        assert!(two.is_disconnected());
    }

    #[test]
    fn paused_data_arrives_in_one_piece_after_resuming() {
        let clock = Clock::new();
        let server = start();
        let peer = server.connect();
        peer.send_bytewise(b"pxy");
        assert_eq!(events(), ["made", "data p"]);
        server.advance(&clock, Duration::from_secs(1));
        assert_eq!(events(), ["data xy"]);
    }

    #[test]
    fn a_reset_and_a_stop_tell_why() {
        let server = start();
        let (one, _two) = (server.connect(), server.connect());
        one.reset();
        one.reset();
        server.stop();
        let lost = "lost: the connection was lost: reset by the fake peer";
        assert_eq!(
            events(),
            [
                "made",
                "made",
                lost,
                "lost: the host is stopping",
                "stop after 2"
            ]
        );
    }

    #[test]
    fn an_error_at_the_start_is_told() {
        assert_eq!(
            Server::<NotingFactory>::start(&[("fail", "no")])
                .err()
                .as_deref(),
            Some("no")
        );
    }
}
