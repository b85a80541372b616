//! What other threads may ask of running drivers. Everything goes by mail: a question is answered in the driver's next turn, so
//! a guest that computes delays an answer as it delays its neighbours. Answers are handed to a function that is called on the
//! driver's thread, and must not block it.

use super::Driver;
use super::crew::Mail;
use super::heritage::Heritage;
use super::report::{ConnectionQuery, ConnectionReport, Report};
use super::roster::Change;
use crate::core::{CloseReason, Ending};
use crate::reactor::Mailbox;

/// Where an answer goes.
pub(super) type Answer<T> = Box<dyn FnOnce(T) + Send>;

/// A question or an order from another thread.
pub(super) enum Order {
    Report(Answer<Report>),
    Connections(ConnectionQuery, Answer<Vec<ConnectionReport>>),
    Kill(u64, Answer<bool>),
    Change(Change),
    /// Among the drivers themselves.
    Heritage(Heritage),
    Stop,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Report(_) => "Report",
            Self::Connections(..) => "Connections",
            Self::Kill(..) => "Kill",
            Self::Change(_) => "Change",
            Self::Heritage(_) => "Heritage",
            Self::Stop => "Stop",
        })
    }
}

/// The handle of running drivers: cheap to clone, to be had before they [run](super::Crew::run). When they have ended, orders are
/// dropped, and their answers with them.
#[derive(Clone, Debug)]
pub struct Control(Vec<Mailbox<Mail>>);

impl Control {
    pub(super) fn new(mailboxes: Vec<Mailbox<Mail>>) -> Self {
        Self(mailboxes)
    }

    /// How many drivers there are: so many answers come to [`report`](Self::report) and [`connections`](Self::connections).
    pub fn reactors(&self) -> usize {
        self.0.len()
    }

    /// Asks each driver for its part of everything.
    pub fn report(&self, answer: impl Fn(Report) + Clone + Send + 'static) {
        for mailbox in &self.0 {
            mailbox.send(Mail::Order(Order::Report(Box::new(answer.clone()))));
        }
    }

    /// Asks each driver for connections.
    pub fn connections(
        &self,
        query: &ConnectionQuery,
        answer: impl Fn(Vec<ConnectionReport>) + Clone + Send + 'static,
    ) {
        for mailbox in &self.0 {
            let answer = Box::new(answer.clone());
            mailbox.send(Mail::Order(Order::Connections(query.clone(), answer)));
        }
    }

    /// Ends a connection at once: its peer gets a reset, its guest is told that the host is `stopping` it. Answers whether there
    /// was one with this id.
    pub fn kill(&self, connection: u64, answer: impl FnOnce(bool) + Send + 'static) {
        let home = Driver::home_of(connection, self.0.len());
        match home.and_then(|home| self.0.get(home)) {
            Some(mailbox) => mailbox.send(Mail::Order(Order::Kill(connection, Box::new(answer)))),
            None => answer(false),
        }
    }

    /// Drains everything and ends, as a first SIGTERM does.
    pub fn stop(&self) {
        for mailbox in &self.0 {
            mailbox.send(Mail::Order(Order::Stop));
        }
    }

    pub(super) fn mailboxes(&self) -> &[Mailbox<Mail>] {
        &self.0
    }
}

impl Driver {
    pub(super) fn take_order(&mut self, order: Order) {
        match order {
            Order::Report(answer) => answer(self.report()),
            Order::Connections(query, answer) => answer(self.connection_reports(&query)),
            Order::Kill(connection, answer) => answer(self.kill(connection)),
            Order::Change(change) => self.take_change(change),
            Order::Heritage(heritage) => self.take_heritage(heritage),
            Order::Stop => self.drain(),
        }
    }

    fn kill(&mut self, id: u64) -> bool {
        let open = self.connections.iter().flatten();
        let key = open
            .map(|connection| connection.key)
            .find(|key| key.id == id);
        if let Some(key) = key {
            self.end_connection(key, Ending::Abort(CloseReason::Stopping));
        }
        key.is_some()
    }
}
