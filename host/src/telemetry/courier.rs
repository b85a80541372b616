//! The queue of spans: how many wait, when they are sent, and what is dropped when the collector is slow or gone. It must not know
//! what a span tells, nor how a request is made.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::exporter::Reason;
use super::{Flushed, Received, Shared, spans};
use crate::limits::{EXPORT_INTERVAL, EXPORT_MAX, SPANS_PER_EXPORT_MAX};

/// Takes spans out of the queue and sends them: the queue's only reader, a task of the side thread.
pub(super) struct Courier<E> {
    shared: Arc<Shared>,
    received: Received,
    exporter: E,
    /// For the log.
    collector: String,
    reason: Reason,
    /// The last request failed, which has been said.
    is_failing: bool,
    /// It has been said that spans found no room.
    overflow_is_told: bool,
    /// Spans dropped because requests failed: the others found no room.
    unsent: u64,
}

impl<E: SpanExporter> Courier<E> {
    pub fn new(
        shared: Arc<Shared>,
        received: Received,
        exporter: E,
        collector: String,
        reason: Reason,
    ) -> Self {
        Self {
            shared,
            received,
            exporter,
            collector,
            reason,
            is_failing: false,
            overflow_is_told: false,
            unsent: 0,
        }
    }

    /// Sends for as long as the process lasts.
    pub async fn work(mut self) {
        let mut looks = interval(EXPORT_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let flushed = self.wait(&mut looks).await;
            self.send_all().await;
            if let Some(flushed) = flushed {
                // Whoever waited may have given up.
                let _ = flushed.send(());
            }
        }
    }

    /// Until it is time to look at the queue. To be told when that is sent.
    async fn wait(&mut self, looks: &mut Interval) -> Option<Flushed> {
        let is_failing = self.is_failing;
        let shared = &self.shared;
        let many = async {
            // A collector that takes nothing is not asked more often because there is more for it.
            if is_failing {
                std::future::pending::<()>().await;
            }
            shared.many.notified().await;
        };
        tokio::select! {
            flushed = self.received.flushes.recv() => flushed,
            _ = looks.tick() => None,
            () = many => None,
        }
    }

    /// Until the queue is empty or a request has failed: what is left then may find the collector back the next time.
    async fn send_all(&mut self) {
        self.tell_overflow();
        loop {
            let batch = self.take();
            if batch.is_empty() {
                return;
            }
            let count = batch.len() as u64;
            // The exporter's own limit is for its attempts, not for one that never ends.
            let sent = timeout(EXPORT_MAX, self.exporter.export(batch)).await;
            let sent = match sent {
                Ok(sent) => sent.map_err(|error| error.to_string()),
                Err(_) => Err(format!("it does not answer within {EXPORT_MAX:?}")),
            };
            match sent {
                Ok(()) => self.were_taken(count),
                Err(error) => return self.were_not_taken(count, error),
            }
        }
    }

    fn take(&mut self) -> Vec<SpanData> {
        let mut batch = Vec::new();
        while batch.len() < SPANS_PER_EXPORT_MAX
            && let Ok(record) = self.received.queue.try_recv()
        {
            let bytes = record.text_bytes();
            self.shared.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            batch.push(spans::span(record));
        }
        batch
    }

    fn were_taken(&mut self, count: u64) {
        self.shared.sent.fetch_add(count, Ordering::Relaxed);
        if std::mem::take(&mut self.is_failing) {
            let dropped = self.shared.dropped.load(Ordering::Relaxed);
            tracing::info!(
                collector = self.collector,
                dropped,
                "the collector takes spans again"
            );
        }
    }

    fn were_not_taken(&mut self, count: u64, error: String) {
        self.shared.dropped.fetch_add(count, Ordering::Relaxed);
        self.unsent += count;
        let reason = self.reason.take().unwrap_or(error);
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(
                collector = self.collector,
                reason,
                "the collector takes no spans: they are dropped and counted until it does"
            );
        }
    }

    /// Once: the metric goes on counting.
    fn tell_overflow(&mut self) {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        let without_room = dropped.saturating_sub(self.unsent);
        if without_room > 0
            && !self.is_failing
            && !std::mem::replace(&mut self.overflow_is_told, true)
        {
            tracing::warn!(
                collector = self.collector,
                dropped = without_room,
                "there are more spans than the collector takes: some are dropped and counted; a smaller `sample_ratio` in [telemetry] makes fewer"
            );
        }
    }
}

#[cfg(test)]
mod tests;
