//! What a short connection costs: connect, echo once, close; it must not know how that is done.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::artifacts::Guest;
use crate::churn::Churn;
use crate::lab::Lab;
use crate::messages::Messages;
use crate::report::{Outcome, Table, figure};
use crate::server::{Kind, Server};
use crate::stats::{Latency, median, ratios};

const MESSAGE_BYTES: usize = 64;
const PARALLEL: usize = 32;
const WARMUP: Duration = Duration::from_millis(200);

struct Sample {
    kind: Kind,
    round: usize,
    connections: u64,
    cpu_us: f64,
    per_second: f64,
    latency: Latency,
    load_busy: f64,
}

pub fn run(lab: &Lab) -> Result<Outcome> {
    let mut samples = Vec::new();
    for round in 0..lab.settings.rounds(5, 1) {
        for &kind in &lab.settings.kinds {
            eprintln!("connect: round {}, {kind}", round + 1);
            let server = lab.start(kind, Guest::Echo, &[])?;
            let result = sample(lab, &server, kind, round).with_context(|| kind.to_string());
            samples.push(server.stop(result)?);
        }
    }
    let mut table = Table::new(
        format!(
            "connect: connect, echo {MESSAGE_BYTES} B, close; {PARALLEL} at a time, medians of the rounds"
        ),
        1,
        &[
            "server",
            "CPU µs/connection",
            "ratio",
            "connections/s",
            "rate ratio",
            "p50 µs",
            "p99 µs",
            "load busy %",
        ],
    );
    for &kind in &lab.settings.kinds {
        let own: Vec<&Sample> = samples
            .iter()
            .filter(|sample| sample.kind == kind)
            .collect();
        let typical = |of: fn(&Sample) -> f64| figure(median(own.iter().map(|sample| of(sample))));
        table.row([
            kind.to_string(),
            typical(|sample| sample.cpu_us),
            to_native(&own, &samples, |sample| sample.cpu_us),
            typical(|sample| sample.per_second),
            to_native(&own, &samples, |sample| sample.per_second),
            typical(|sample| sample.latency.p50_us),
            typical(|sample| sample.latency.p99_us),
            typical(|sample| 100.0 * sample.load_busy),
        ]);
    }
    table.note("ratios: to native in the same round, of the CPU (less is better) and of the rate (more is better)");
    table.note("compare rates only where the load generator is less busy than the server");
    Ok(Outcome {
        tables: vec![table],
        raw: samples.iter().map(Sample::json).collect(),
    })
}

fn sample(lab: &Lab, server: &Server, kind: Kind, round: usize) -> Result<Sample> {
    let mut churn = Churn::begin(server.address, PARALLEL, Messages::binary(MESSAGE_BYTES))?;
    churn.run(WARMUP)?;
    let server_before = server.cpu_ns()?;
    let window = churn.run(lab.settings.window(2500, 300))?;
    let server_after = server.cpu_ns()?;
    Ok(Sample {
        kind,
        round,
        connections: window.requests,
        cpu_us: server_after.saturating_sub(server_before) as f64 / 1e3 / window.requests as f64,
        per_second: window.requests as f64 / window.elapsed.as_secs_f64(),
        latency: Latency::of(&window.latency_ns),
        load_busy: window.busy(),
    })
}

/// The median ratio of a figure to that of native in the same round.
fn to_native(own: &[&Sample], samples: &[Sample], of: fn(&Sample) -> f64) -> String {
    let of_round = |sample: &Sample| (sample.round, of(sample));
    let native = samples.iter().filter(|other| other.kind == Kind::Native);
    figure(median(ratios(
        own.iter().copied().map(of_round),
        native.map(of_round),
    )))
}

impl Sample {
    fn json(&self) -> Value {
        json!({
            "server": self.kind.to_string(),
            "round": self.round + 1,
            "connections": self.connections,
            "server_cpu_us_per_connection": self.cpu_us,
            "connections_per_second": self.per_second,
            "latency": self.latency.json(),
            "load_busy": self.load_busy,
        })
    }
}
