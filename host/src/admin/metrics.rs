//! The reactors' answers as Prometheus reads them: names and units by its conventions, made anew for each scrape.

use std::collections::HashMap;

use hdrhistogram::Histogram;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{Bucket, Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Error, TextEncoder};

use super::gather::Gathered;
use super::model::{CONDITIONS, NANOS_PER_SECOND, added_up, condition_name};
use crate::driver::ServiceReport;
use crate::telemetry::SpanCounts;

/// The text format's.
pub(super) const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The bounds of the histogram's buckets, in seconds: from a call that only looks at its input to one that is soon interrupted.
const CALL_BUCKETS_SECONDS: [f64; 19] = [
    5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2,
    2.5e-2, 5e-2, 0.1, 1.0, 10.0,
];

/// A figure of one service, or of its part on one reactor.
type Figure = fn(&ServiceReport) -> f64;

/// Figures by service and reactor.
const OF_REACTORS: [(&str, MetricType, &str, Figure); 9] = [
    (
        "wisted_connections",
        MetricType::GAUGE,
        "Open connections.",
        |of| count(of.connections),
    ),
    (
        "wisted_connections_made_total",
        MetricType::COUNTER,
        "Connections that were made.",
        |of| count(of.totals.connections_made),
    ),
    (
        "wisted_received_bytes_total",
        MetricType::COUNTER,
        "Bytes from peers.",
        |of| count(of.totals.ledger.received_bytes),
    ),
    (
        "wisted_sent_bytes_total",
        MetricType::COUNTER,
        "Bytes to peers.",
        |of| count(of.totals.ledger.sent_bytes),
    ),
    (
        "wisted_guest_calls_total",
        MetricType::COUNTER,
        "Handlers of guests that were called.",
        |of| count(of.totals.ledger.calls),
    ),
    (
        "wisted_guest_busy_seconds_total",
        MetricType::COUNTER,
        "How long guests ran, and their reactor had to wait for them.",
        |of| of.totals.ledger.busy.as_secs_f64(),
    ),
    (
        "wisted_guest_instances",
        MetricType::GAUGE,
        "Live instances of guests.",
        |of| count(of.instances),
    ),
    (
        "wisted_guest_instances_packed",
        MetricType::GAUGE,
        "Live instances that rest, so that their memory is packed.",
        |of| count(of.instances_packed),
    ),
    (
        "wisted_guest_memory_bytes",
        MetricType::GAUGE,
        "The linear memory of live instances.",
        |of| count(of.memory_bytes),
    ),
];

/// Figures by service.
const OF_SERVICES: [(&str, MetricType, &str, Figure); 9] = [
    (
        "wisted_connections_refused_total",
        MetricType::COUNTER,
        "Peers that were turned away because of a limit.",
        |of| count(of.totals.connections_refused),
    ),
    (
        "wisted_buffered_bytes",
        MetricType::GAUGE,
        "Bytes that peers have not read yet.",
        |of| count(of.buffered_bytes),
    ),
    (
        "wisted_guest_longest_run_seconds",
        MetricType::GAUGE,
        "The longest that a guest ran without giving the others a turn.",
        |of| of.totals.ledger.longest_run.as_secs_f64(),
    ),
    (
        "wisted_guest_pending",
        MetricType::GAUGE,
        "Timers and pages that guests wait for.",
        |of| count(of.pending),
    ),
    (
        "wisted_guest_timers_total",
        MetricType::COUNTER,
        "Timers that guests have set.",
        |of| count(of.totals.ledger.timers),
    ),
    (
        "wisted_guest_fetches_total",
        MetricType::COUNTER,
        "Pages that guests have asked for.",
        |of| count(of.totals.ledger.fetches),
    ),
    (
        "wisted_guest_failures_total",
        MetricType::COUNTER,
        "Instances that ended against their will.",
        |of| count(of.totals.failures),
    ),
    (
        "wisted_guest_restarts_total",
        MetricType::COUNTER,
        "Shared instances that were started again after a failure.",
        |of| count(of.totals.restarts),
    ),
    (
        "wisted_service_share_waits_total",
        MetricType::COUNTER,
        "How often a service had used up its share of the CPU and had to wait.",
        |of| count(of.totals.share_waits),
    ),
];

/// Everything, in the text format.
///
/// # Errors
/// Only when a family breaks the format's rules: a mistake in this file.
pub(super) fn text(gathered: &Gathered, spans: Option<SpanCounts>) -> Result<String, Error> {
    let mut families = vec![build_info(), reactors(gathered)];
    for (name, kind, help, figure) in OF_REACTORS {
        let parts = gathered.reports.iter().flat_map(|report| {
            let reactor = report.reactor.to_string();
            report.services.iter().map(move |service| {
                let labels = [("service", service.name.as_str()), ("reactor", &reactor)];
                metric(kind, &labels, figure(service))
            })
        });
        families.push(family(name, kind, help, parts.collect()));
    }
    let services = added_up(&gathered.reports);
    for (name, kind, help, figure) in OF_SERVICES {
        let of =
            |service: &ServiceReport| metric(kind, &[("service", &service.name)], figure(service));
        families.push(family(
            name,
            kind,
            help,
            services.values().map(of).collect(),
        ));
    }
    families.push(conditions(services.values()));
    families.push(call_durations(services.values()));
    families.extend(spans.into_iter().flat_map(of_spans));
    families.extend(ProcessCollector::for_self().collect());
    // A family without metrics is an error to the encoder: without services there are such.
    families.retain(|family| !family.get_metric().is_empty());
    TextEncoder::new().encode_to_string(&families)
}

fn build_info() -> MetricFamily {
    let labels = [("version", env!("CARGO_PKG_VERSION"))];
    family(
        "wisted_build_info",
        MetricType::GAUGE,
        "Always 1; its label says which Wisted it is.",
        vec![metric(MetricType::GAUGE, &labels, 1.0)],
    )
}

fn of_spans(spans: SpanCounts) -> [MetricFamily; 2] {
    let total = |name: &str, help: &str, of: u64| {
        let metrics = vec![metric(MetricType::COUNTER, &[], count(of))];
        family(name, MetricType::COUNTER, help, metrics)
    };
    [
        total(
            "wisted_trace_spans_sent_total",
            "Spans that the collector of traces has taken.",
            spans.sent,
        ),
        total(
            "wisted_trace_spans_dropped_total",
            "Spans that the collector of traces has not taken, or that found no room in the queue.",
            spans.dropped,
        ),
    ]
}

fn reactors(gathered: &Gathered) -> MetricFamily {
    let silent = gathered.silent.iter().map(|reactor| (*reactor, 0.0));
    let answered = gathered.reports.iter().map(|report| (report.reactor, 1.0));
    let mut reactors: HashMap<usize, f64> = answered.collect();
    // One that is silent now may have answered before.
    reactors.extend(silent);
    reactors.retain(|reactor, _| !gathered.ended.contains(reactor));
    let mut reactors: Vec<_> = reactors.into_iter().collect();
    reactors.sort_unstable_by_key(|(reactor, _)| *reactor);
    let of = |(reactor, up): (usize, f64)| {
        metric(MetricType::GAUGE, &[("reactor", &reactor.to_string())], up)
    };
    family(
        "wisted_reactor_up",
        MetricType::GAUGE,
        "Whether the reactor has answered in time; if not, its other figures are its last ones.",
        reactors.into_iter().map(of).collect(),
    )
}

fn conditions<'a>(services: impl Iterator<Item = &'a ServiceReport>) -> MetricFamily {
    let of = |service: &ServiceReport| {
        CONDITIONS.map(|condition| {
            let labels = [
                ("service", service.name.as_str()),
                ("condition", condition_name(condition)),
            ];
            let is_it = service.condition == condition;
            metric(MetricType::GAUGE, &labels, f64::from(u8::from(is_it)))
        })
    };
    family(
        "wisted_service_condition",
        MetricType::GAUGE,
        "1 for the condition that the service is in, 0 for the others.",
        services.flat_map(of).collect(),
    )
}

fn call_durations<'a>(services: impl Iterator<Item = &'a ServiceReport>) -> MetricFamily {
    let of = |service: &ServiceReport| {
        let mut histogram = prometheus::proto::Histogram::default();
        let buckets = cumulated(&service.totals.call_times);
        let bucket = |(bound, below): (f64, u64)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(below);
            bucket
        };
        histogram.set_bucket(buckets.into_iter().map(bucket).collect());
        histogram.set_sample_count(service.totals.call_times.len());
        histogram.set_sample_sum(service.totals.ledger.busy.as_secs_f64());
        let mut metric = labelled(&[("service", &service.name)]);
        metric.set_histogram(histogram);
        metric
    };
    family(
        "wisted_guest_call_duration_seconds",
        MetricType::HISTOGRAM,
        "How long each handler call kept the guest busy, its waiting not counted.",
        services.map(of).collect(),
    )
}

/// How many calls took no longer than each bound, to a sixteenth.
#[expect(clippy::cast_precision_loss, reason = "it is exact to a sixteenth")]
fn cumulated(times: &Histogram<u64>) -> Vec<(f64, u64)> {
    let mut buckets = CALL_BUCKETS_SECONDS.map(|bound| (bound, 0)).to_vec();
    for step in times.iter_recorded() {
        let seconds = times.lowest_equivalent(step.value_iterated_to()) as f64 / NANOS_PER_SECOND;
        let above = buckets.iter_mut().filter(|(bound, _)| seconds <= *bound);
        above.for_each(|(_, count)| *count += step.count_at_value());
    }
    buckets
}

fn family(name: &str, kind: MetricType, help: &str, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn metric(kind: MetricType, labels: &[(&str, &str)], value: f64) -> Metric {
    let mut metric = labelled(labels);
    if kind == MetricType::COUNTER {
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
    }
    metric
}

fn labelled(labels: &[(&str, &str)]) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    Metric::from_label(labels.iter().map(pair).collect())
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows nothing else")]
fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_is_not_above_their_bound() {
        let mut times = Histogram::new_with_bounds(100, 60_000_000_000, 1).unwrap();
        for nanos in [200, 1_500, 4_000_000, 30_000_000_000] {
            times.saturating_record(nanos);
        }
        let buckets = cumulated(&times);
        let below = |bound: f64| buckets.iter().find(|(at, _)| *at == bound).unwrap().1;
        assert_eq!((below(5e-7), below(1e-6), below(2.5e-6)), (1, 1, 2));
        assert_eq!((below(2.5e-3), below(5e-3), below(10.0)), (2, 3, 3));
        assert!(buckets.is_sorted_by_key(|(_, count)| *count));
    }

    #[test]
    fn a_host_without_services_has_metrics_too() {
        let gathered = Gathered {
            reports: Vec::new(),
            silent: vec![0],
            ended: Vec::new(),
        };
        let spans = SpanCounts {
            sent: 3,
            dropped: 1,
        };
        let text = text(&gathered, Some(spans)).unwrap();
        assert!(
            text.contains("\nwisted_trace_spans_dropped_total 1\n"),
            "{text}"
        );
        assert!(
            text.contains("wisted_reactor_up{reactor=\"0\"} 0"),
            "{text}"
        );
        assert!(text.contains("process_open_fds"), "{text}");
    }
}
