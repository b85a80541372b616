//! Traces for an operator's collector: what has ended becomes spans, which go there over OTLP on the side thread. The only room that
//! names OpenTelemetry's crates; it knows neither drivers nor guests, which hand it plain values.
//!
//! ```text
//! Record ──(bounded queue)── courier ── spans ──▶ exporter ──▶ collector
//! ```
//!
//! - [`CollectorUrl`]: where spans go;
//! - `records`: what a span tells, as plain values, and which trace it belongs to;
//! - `spans`: those as OpenTelemetry names them;
//! - `courier`: the queue, what is dropped, and when it is sent;
//! - `exporter`: requests to the collector.
//!
//! The SDK's tracers and its batch processor are not used: they make spans on the thread that has the values, keep a thread of their
//! own, and don't tell how many spans they have dropped.

mod collector_url;
mod courier;
mod exporter;
mod records;
mod spans;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::{
    IdGenerator as _, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample as _,
};
use tokio::sync::{Notify, mpsc};

pub use collector_url::{CollectorUrl, CollectorUrlError};
pub use exporter::SetupError;
pub use records::{
    ConnectionEnded, FetchEnded, FetchOutcome, GuestFailure, HostWork, Record, SpanKey, What, cut,
};

use crate::limits::{
    EXPORT_AT_EXIT_MAX, SPANS_PER_EXPORT_MAX, SPANS_QUEUED_MAX, SPANS_QUEUED_MAX_BYTES,
};
use crate::side::Side;

/// How traces are to be made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where they go.
    pub collector: CollectorUrl,
    /// Which part of all traces is made, from 0 to 1.
    pub sample_ratio: f64,
}

/// Takes what has ended. Cheap to clone, and to be used on any thread: nothing in it waits, but for [`finish`](Self::finish).
#[derive(Clone, Debug)]
pub struct Traces(Arc<Shared>);

/// What became of spans since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanCounts {
    /// The collector has taken them.
    pub sent: u64,
    /// It has not, or they found no room in the queue.
    pub dropped: u64,
}

#[derive(Debug)]
struct Shared {
    queue: mpsc::Sender<Record>,
    /// Of the records in the queue.
    queued_bytes: AtomicUsize,
    /// Enough spans for a request are there.
    many: Notify,
    /// Who waits until the queue is empty.
    flushes: mpsc::UnboundedSender<Flushed>,
    sent: AtomicU64,
    dropped: AtomicU64,
    sampler: Sampler,
    ids: RandomIdGenerator,
}

/// Is told when what was in the queue has been sent.
type Flushed = std::sync::mpsc::Sender<()>;

/// What the courier takes.
struct Received {
    queue: mpsc::Receiver<Record>,
    flushes: mpsc::UnboundedReceiver<Flushed>,
}

impl Traces {
    /// Begins to send traces, on the side thread. Call it once, at start-up: for `https` it reads the system's root certificates.
    ///
    /// # Errors
    /// When no request to the collector could be made. Whether it answers is not looked at.
    pub fn start(side: &Side, settings: &Settings) -> Result<Self, SetupError> {
        let (exporter, reason) = exporter::exporter(&settings.collector)?;
        let (traces, received) = Self::new(settings.sample_ratio);
        let courier = courier::Courier::new(
            Arc::clone(&traces.0),
            received,
            exporter,
            settings.collector.to_string(),
            reason,
        );
        side.handle().spawn(courier.work());
        Ok(traces)
    }

    fn new(sample_ratio: f64) -> (Self, Received) {
        let (queue, queued) = mpsc::channel(SPANS_QUEUED_MAX);
        let (flushes, flush) = mpsc::unbounded_channel();
        let shared = Shared {
            queue,
            queued_bytes: AtomicUsize::new(0),
            many: Notify::new(),
            flushes,
            sent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            sampler: Sampler::TraceIdRatioBased(sample_ratio),
            ids: RandomIdGenerator::default(),
        };
        let received = Received {
            queue: queued,
            flushes: flush,
        };
        (Self(Arc::new(shared)), received)
    }

    /// Names the first span of a new trace, and decides whether it is sampled.
    pub fn root(&self) -> SpanKey {
        let trace = self.0.ids.new_trace_id();
        let sampler = &self.0.sampler;
        let sampled = sampler.should_sample(None, trace, "", &SpanKind::Server, &[], &[]);
        SpanKey {
            trace: u128::from_be_bytes(trace.to_bytes()),
            span: self.new_span(),
            is_sampled: sampled.decision == SamplingDecision::RecordAndSample,
        }
    }

    /// Names a span that is a part of another one, and is sampled as that is; without one, it is [`root`](Self::root).
    pub fn part_of(&self, parent: Option<SpanKey>) -> SpanKey {
        match parent {
            Some(parent) => SpanKey {
                span: self.new_span(),
                ..parent
            },
            None => self.root(),
        }
    }

    fn new_span(&self) -> u64 {
        u64::from_be_bytes(self.0.ids.new_span_id().to_bytes())
    }

    /// Queues a span that is sampled. When there is no room, it is dropped and counted.
    pub fn record(&self, record: Record) {
        if !record.key.is_sampled {
            return;
        }
        let shared = &self.0;
        let bytes = record.text_bytes();
        let before = shared.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = before + bytes <= SPANS_QUEUED_MAX_BYTES;
        if !fits || shared.queue.try_send(record).is_err() {
            shared.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // The courier looks at the queue from time to time: to wake it for each span would cost a system call each.
        let waiting = shared.queue.max_capacity() - shared.queue.capacity();
        if waiting >= SPANS_PER_EXPORT_MAX {
            shared.many.notify_one();
        }
    }

    /// What became of spans until now.
    pub fn counts(&self) -> SpanCounts {
        SpanCounts {
            sent: self.0.sent.load(Ordering::Relaxed),
            dropped: self.0.dropped.load(Ordering::Relaxed),
        }
    }

    /// Sends what is queued. Blocks for [`EXPORT_AT_EXIT_MAX`] at most: for the end of the process, not for a thread that serves.
    pub fn finish(&self) {
        let (flushed, is_flushed) = std::sync::mpsc::channel();
        let is_over = self.0.flushes.send(flushed).is_err()
            || is_flushed.recv_timeout(EXPORT_AT_EXIT_MAX).is_ok();
        let SpanCounts { sent, dropped } = self.counts();
        let queued = self.0.queue.max_capacity() - self.0.queue.capacity();
        if !is_over || dropped > 0 || queued > 0 {
            tracing::info!(
                sent,
                dropped,
                queued,
                "not all spans were sent to the collector"
            );
        }
    }
}
