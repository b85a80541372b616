//! Asks the reactors what they serve, and waits only so long: a guest may keep one busy. However many ask, each reactor is
//! asked ten times a second at most. It must not know HTTP.

use std::sync::{Arc, Mutex, PoisonError};
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
}

/// What is known of the reactors.
#[derive(Debug)]
pub(super) struct Gatherer {
    known: Arc<Mutex<Known>>,
    answers: watch::Sender<()>,
    /// One asks for connections at a time: an answer costs a reactor a look at each of its own.
    listing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    reports: Vec<Option<(Instant, Report)>>,
    /// When all were asked last.
    asked_at: Option<Instant>,
}

impl Gatherer {
    pub fn new() -> Self {
        Self {
            known: Arc::default(),
            answers: watch::Sender::new(()),
            listing: tokio::sync::Mutex::new(()),
        }
    }

    /// Everybody's report, waited for as long as `timeout`.
    pub async fn reports(&self, control: &Control, timeout: Duration) -> Gathered {
        let begun = clock::now();
        let since = begun.checked_sub(REPORT_AGE_MAX).unwrap_or(begun);
        let deadline = (begun + timeout).into();
        let mut answered = self.answers.subscribe();
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
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |reactor: usize| known.reports.get(reactor).and_then(Option::as_ref);
        let is_silent = |reactor: &usize| at(*reactor).is_none_or(|(when, _)| *when < since);
        Gathered {
            silent: (0..reactors).filter(is_silent).collect(),
            reports: (0..reactors)
                .filter_map(at)
                .map(|(_, report)| report.clone())
                .collect(),
        }
    }

    /// Asks all, unless that has just been done: then answers that are new enough are on their way.
    fn ask(&self, control: &Control) {
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let now = clock::now();
            let age = known.asked_at.map(|at| now.saturating_duration_since(at));
            if age.is_some_and(|age| age < REPORT_AGE_MAX) {
                return;
            }
            known.reports.resize_with(control.reactors(), || None);
            known.asked_at = Some(now);
        }
        let (known, answers) = (Arc::clone(&self.known), self.answers.clone());
        // On the reactor's thread: it is stored, and no more.
        control.report(move |report| {
            let now = clock::now();
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = known.reports.get_mut(report.reactor) {
                *place = Some((now, report));
            }
            drop(known);
            answers.send_replace(());
        });
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
            && let Ok(Some(connections)) = timeout_at(deadline, answers.recv()).await
        {
            silent -= 1;
            found.extend(connections);
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
        tokio::time::timeout(timeout, answered).await.ok()?.ok()
    }
}
