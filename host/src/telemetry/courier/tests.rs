//! A queue with a collector that takes spans, refuses them, or never answers.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use tokio::time::advance;

use super::*;
use crate::limits::{EXPORT_AT_EXIT_MAX, SPANS_QUEUED_MAX, SPANS_QUEUED_MAX_BYTES};
use crate::telemetry::{
    FetchEnded, FetchOutcome, HostWork, Record, SpanCounts, SpanKey, Traces, What,
};

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug)]
enum Answers {
    Takes,
    Refuses,
    Never,
}

/// A collector, and the sizes of the batches that it has seen.
#[derive(Debug)]
struct Fake(Answers, Sender<Vec<SpanData>>);

impl SpanExporter for Fake {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let _ = self.1.send(batch);
        match self.0 {
            Answers::Takes => Ok(()),
            Answers::Refuses => Err(OTelSdkError::InternalFailure("no".into())),
            Answers::Never => std::future::pending().await,
        }
    }
}

fn courier(answers: Answers) -> (Traces, Courier<Fake>, Receiver<Vec<SpanData>>) {
    let (traces, received) = Traces::new(1.0);
    let (seen, sees) = channel();
    let courier = Courier::new(
        Arc::clone(&traces.0),
        received,
        Fake(answers, seen),
        "http://collector.test/".into(),
        Reason::default(),
    );
    (traces, courier, sees)
}

fn record(key: SpanKey) -> Record {
    let work = HostWork {
        name: "reload",
        services: Vec::new(),
        error: None,
    };
    Record::new(key, None, Duration::ZERO, What::Host(Box::new(work)))
}

fn fill(traces: &Traces, count: usize) {
    (0..count).for_each(|_| traces.record(record(traces.root())));
}

fn counts(sent: u64, dropped: u64) -> SpanCounts {
    SpanCounts { sent, dropped }
}

#[tokio::test(start_paused = true)]
async fn spans_are_sent_in_batches() {
    let (traces, courier, sees) = courier(Answers::Takes);
    fill(&traces, SPANS_PER_EXPORT_MAX + 3);
    tokio::spawn(courier.work());
    advance(EXPORT_INTERVAL).await;
    while traces.counts().sent < SPANS_PER_EXPORT_MAX as u64 + 3 {
        tokio::task::yield_now().await;
    }
    let sizes: Vec<_> = sees.try_iter().map(|batch| batch.len()).collect();
    assert_eq!(sizes, [SPANS_PER_EXPORT_MAX, 3]);
    assert_eq!(traces.counts(), counts(SPANS_PER_EXPORT_MAX as u64 + 3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_and_counts() {
    let (traces, mut courier, sees) = courier(Answers::Takes);
    fill(&traces, SPANS_QUEUED_MAX + 5);
    assert_eq!(traces.counts(), counts(0, 5));
    courier.send_all().await;
    assert_eq!(traces.counts(), counts(SPANS_QUEUED_MAX as u64, 5));
    let seen: usize = sees.try_iter().map(|batch| batch.len()).sum();
    assert_eq!(seen, SPANS_QUEUED_MAX);
    fill(&traces, 1);
    assert_eq!(traces.counts().dropped, 5);
}

#[tokio::test(start_paused = true)]
async fn long_texts_fill_the_queue_too() {
    let (traces, mut courier, _sees) = courier(Answers::Takes);
    let fetch = || {
        let fetch = FetchEnded {
            service: "pages".into(),
            method: "GET".into(),
            url: "u".repeat(SPANS_QUEUED_MAX_BYTES / 4),
            body_bytes: 0,
            outcome: FetchOutcome::Cancelled,
        };
        let what = What::Fetch(Box::new(fetch));
        traces.record(Record::new(traces.root(), None, Duration::ZERO, what));
    };
    (0..5).for_each(|_| fetch());
    assert_eq!(traces.counts().dropped, 2);
    courier.send_all().await;
    assert_eq!(traces.counts(), counts(3, 2));
    fetch();
    assert_eq!(traces.counts().dropped, 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_ends_the_round_and_leaves_the_rest() {
    let (traces, mut courier, sees) = courier(Answers::Refuses);
    fill(&traces, SPANS_PER_EXPORT_MAX * 2);
    courier.send_all().await;
    assert_eq!(sees.try_iter().count(), 1);
    assert_eq!(traces.counts(), counts(0, SPANS_PER_EXPORT_MAX as u64));
    courier.exporter.0 = Answers::Takes;
    courier.send_all().await;
    assert_eq!(traces.counts().sent, SPANS_PER_EXPORT_MAX as u64);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_never_answers_is_given_up() {
    let (traces, mut courier, _sees) = courier(Answers::Never);
    fill(&traces, 1);
    let begun = tokio::time::Instant::now();
    courier.send_all().await;
    assert_eq!(begun.elapsed(), EXPORT_MAX);
    assert_eq!(traces.counts(), counts(0, 1));
}

#[test]
fn finishing_sends_what_is_left() {
    let side = crate::side::Side::start().expect("a side thread");
    let (traces, courier, sees) = courier(Answers::Takes);
    side.handle().spawn(courier.work());
    fill(&traces, 10);
    traces.finish();
    assert_eq!(traces.counts(), counts(10, 0));
    let seen: usize = sees.try_iter().map(|batch| batch.len()).sum();
    assert_eq!(seen, 10);
}

#[test]
fn finishing_does_not_wait_for_a_collector_that_hangs() {
    let side = crate::side::Side::start().expect("a side thread");
    let (traces, courier, sees) = courier(Answers::Never);
    side.handle().spawn(courier.work());
    fill(&traces, 1);
    sees.recv_timeout(PATIENCE).expect("it is sent");
    let begun = std::time::Instant::now();
    traces.finish();
    let took = begun.elapsed();
    assert!(took >= EXPORT_AT_EXIT_MAX && took < EXPORT_MAX, "{took:?}");
}

#[test]
fn parts_are_sampled_as_the_whole() {
    for (ratio, expected) in [(0.0, 0..=0), (0.5, 400..=600), (1.0, 1_000..=1_000)] {
        let (traces, _received) = Traces::new(ratio);
        let mut sampled = 0;
        for _ in 0..1_000 {
            let root = traces.root();
            let part = traces.part_of(Some(root));
            assert_eq!((part.trace, part.is_sampled), (root.trace, root.is_sampled));
            assert_ne!(part.span, root.span);
            sampled += i32::from(root.is_sampled);
        }
        assert!(expected.contains(&sampled), "{ratio}: {sampled}");
    }
}

#[test]
fn what_is_not_sampled_is_not_queued() {
    let (traces, _received) = Traces::new(0.0);
    fill(&traces, SPANS_QUEUED_MAX + 1);
    assert_eq!(traces.counts(), counts(0, 0));
}
