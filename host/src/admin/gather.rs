//! Asks the reactors what they serve, and waits only so long: a guest may keep one busy. However many ask, each reactor is
//! asked ten times a second at most. It must not know HTTP.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout_at;

use crate::clock;
use crate::driver::{ConnectionQuery, ConnectionReport, Control, Report};

/// A report of this age is new enough for the next one who asks: making one costs its reactor time.
const REPORT_AGE_MAX: Duration = Duration::from_millis(100);

/// The answers of all reactors.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    /// The latest of each. It is an old one from a reactor that is silent, and missing if that has never answered.
    pub reports: Vec<Report>,
    /// The reactors that did not answer in time.
    pub silent: Vec<usize>,
    /// The reactors that have ended, as each does for itself while the host drains.
    pub ended: Vec<usize>,
}

/// What is known of the reactors.
#[derive(Debug)]
pub(super) struct Gatherer {
    known: Arc<Known>,
    /// One asks for connections at a time: an answer costs a reactor a look at each of its own.
    listing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Known {
    reactors: Mutex<Reactors>,
    /// Told of each answer.
    answers: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Reactors {
    each: Vec<Reactor>,
    /// When all were asked last.
    asked_at: Option<Instant>,
}

#[derive(Clone, Debug, Default)]
struct Reactor {
    last: Option<(Instant, Report)>,
    has_ended: bool,
}

impl Known {
    fn lock(&self) -> MutexGuard<'_, Reactors> {
        self.reactors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One question to all reactors. An order that a reactor has not carried out when it ends is dropped: so each is either answered
/// or dropped, in the end.
#[derive(Debug)]
struct Round {
    known: Arc<Known>,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    /// Who has not answered yet.
    reactors: Vec<usize>,
    /// How many orders have been dropped.
    dropped: usize,
}

/// What one reactor answers with.
#[derive(Debug)]
struct Ticket {
    round: Arc<Round>,
    /// The first one is only there to be cloned for each reactor.
    is_for_one: bool,
    is_used: AtomicBool,
}

impl Clone for Ticket {
    fn clone(&self) -> Self {
        Self {
            round: Arc::clone(&self.round),
            is_for_one: true,
            is_used: AtomicBool::new(false),
        }
    }
}

impl Ticket {
    /// On the reactor's thread: the report is stored, and no more.
    fn answer(&self, report: Report) {
        self.is_used.store(true, Ordering::Relaxed);
        let at = clock::now();
        self.round
            .change(|open| open.reactors.retain(|reactor| *reactor != report.reactor));
        if let Some(reactor) = self.round.known.lock().each.get_mut(report.reactor) {
            reactor.last = Some((at, report));
        }
        self.round.known.answers.send_replace(());
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_for_one && !*self.is_used.get_mut() {
            self.round.change(|open| open.dropped += 1);
            self.round.known.answers.send_replace(());
        }
    }
}

impl Round {
    /// When nobody is left of whom it is unknown, those who have not answered have ended.
    fn change(&self, change: impl FnOnce(&mut Open)) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut open);
        if open.dropped > 0 && open.dropped == open.reactors.len() {
            let mut known = self.known.lock();
            for reactor in &open.reactors {
                if let Some(reactor) = known.each.get_mut(*reactor) {
                    reactor.has_ended = true;
                }
            }
        }
    }
}

impl Gatherer {
    pub fn new() -> Self {
        Self {
            known: Arc::new(Known {
                reactors: Mutex::default(),
                answers: watch::Sender::new(()),
            }),
            listing: tokio::sync::Mutex::new(()),
        }
    }

    /// Everybody's report, waited for as long as `timeout`.
    pub async fn reports(&self, control: &Control, timeout: Duration) -> Gathered {
        let begun = clock::now();
        let since = begun.checked_sub(REPORT_AGE_MAX).unwrap_or(begun);
        let deadline = (begun + timeout).into();
        let mut answered = self.known.answers.subscribe();
        loop {
            let gathered = self.known(control.reactors(), since);
            if gathered.silent.is_empty() {
                return gathered;
            }
            self.ask(control);
            if timeout_at(deadline, answered.changed()).await.is_err() {
                return self.known(control.reactors(), since);
            }
        }
    }

    fn known(&self, reactors: usize, since: Instant) -> Gathered {
        let mut known = self.known.lock();
        known.each.resize_with(reactors, Reactor::default);
        let mut gathered = Gathered {
            reports: Vec::with_capacity(reactors),
            silent: Vec::new(),
            ended: Vec::new(),
        };
        for (index, reactor) in known.each.iter().enumerate() {
            if reactor.has_ended {
                gathered.ended.push(index);
            } else if reactor.last.as_ref().is_none_or(|(at, _)| *at < since) {
                gathered.silent.push(index);
            }
            let report = reactor.last.as_ref().map(|(_, report)| report.clone());
            gathered.reports.extend(report);
        }
        gathered
    }

    /// Asks all, unless that has just been done: then answers that are new enough are on their way.
    fn ask(&self, control: &Control) {
        let now = clock::now();
        {
            let mut known = self.known.lock();
            let age = known.asked_at.map(|at| now.saturating_duration_since(at));
            if age.is_some_and(|age| age < REPORT_AGE_MAX) {
                return;
            }
            known.asked_at = Some(now);
        }
        let round = Round {
            known: Arc::clone(&self.known),
            open: Mutex::new(Open {
                reactors: (0..control.reactors()).collect(),
                dropped: 0,
            }),
        };
        let ticket = Ticket {
            round: Arc::new(round),
            is_for_one: false,
            is_used: AtomicBool::new(false),
        };
        control.report(move |report| ticket.answer(report));
    }

    /// Connections of all reactors in the order of their ids, at most `query.count_max` of them, and whether there are more; with
    /// the number of reactors that did not answer within `timeout`.
    pub async fn connections(
        &self,
        control: &Control,
        query: &ConnectionQuery,
        timeout: Duration,
    ) -> (Vec<ConnectionReport>, bool, usize) {
        let deadline = (clock::now() + timeout).into();
        let mut silent = control.reactors();
        let Ok(_turn) = timeout_at(deadline, self.listing.lock()).await else {
            return (Vec::new(), false, silent);
        };
        // One more than wanted tells whether there are more.
        let mut wider = query.clone();
        wider.count_max += 1;
        let (answer, mut answers) = mpsc::unbounded_channel();
        control.connections(&wider, move |connections| {
            // Whoever asked may have gone.
            let _ = answer.send(connections);
        });
        let mut found: Vec<ConnectionReport> = Vec::new();
        while silent > 0
            && let Ok(answer) = timeout_at(deadline, answers.recv()).await
        {
            match answer {
                Some(connections) => {
                    silent -= 1;
                    found.extend(connections);
                }
                // The others have ended, and their connections with them.
                None => silent = 0,
            }
        }
        found.sort_unstable_by_key(|connection| connection.id);
        let is_more = found.len() > query.count_max;
        found.truncate(query.count_max);
        (found, is_more, silent)
    }

    /// Kills a connection. Whether there was one; nothing when its reactor does not answer within `timeout`: it will do so all
    /// the same, once it can.
    pub async fn kill(&self, control: &Control, id: u64, timeout: Duration) -> Option<bool> {
        let (answer, answered) = oneshot::channel();
        control.kill(id, move |was_there| {
            let _ = answer.send(was_there);
        });
        let answered = tokio::time::timeout(timeout, answered).await.ok()?;
        // A reactor that has ended has no connections.
        Some(answered.unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(reactors: usize) -> (Arc<Known>, Ticket) {
        let gatherer = Gatherer::new();
        gatherer.known(reactors, clock::now());
        let round = Round {
            known: Arc::clone(&gatherer.known),
            open: Mutex::new(Open {
                reactors: (0..reactors).collect(),
                dropped: 0,
            }),
        };
        let ticket = Ticket {
            round: Arc::new(round),
            is_for_one: false,
            is_used: AtomicBool::new(false),
        };
        (gatherer.known, ticket)
    }

    fn ended(known: &Known) -> Vec<bool> {
        let known = known.lock();
        known.each.iter().map(|reactor| reactor.has_ended).collect()
    }

    #[test]
    fn who_drops_the_question_has_ended_and_who_is_busy_has_not() {
        let (known, first) = round(3);
        let [answers, is_busy, has_ended] = [first.clone(), first.clone(), first.clone()];
        drop(first);
        drop(has_ended);
        let services = Vec::new();
        answers.answer(Report {
            reactor: 0,
            services,
        });
        drop(answers);
        // It is one of two, and nobody knows which.
        assert_eq!(ended(&known), [false, false, false]);
        is_busy.answer(Report {
            reactor: 1,
            services: Vec::new(),
        });
        drop(is_busy);
        assert_eq!(ended(&known), [false, false, true]);
    }
}
