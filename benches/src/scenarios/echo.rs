//! What a request costs: ping-pong over many connections and sizes; it must not know how load is made.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::artifacts::Guest;
use crate::cores::Place;
use crate::lab::Lab;
use crate::load::Load;
use crate::messages::Messages;
use crate::report::{Outcome, Table, figure, size};
use crate::server::{Kind, Server};
use crate::stats::{Latency, median, range, ratios};

/// Time for caches, socket buffers and congestion windows to settle.
const WARMUP: Duration = Duration::from_millis(400);
const WARMUP_QUICK: Duration = Duration::from_millis(100);

/// What is asked at the same time.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    pub connections: usize,
    pub size_bytes: usize,
}

impl Cell {
    /// Those that are asked for.
    pub fn all(lab: &Lab) -> Vec<Cell> {
        let mut all = Vec::new();
        for &connections in &lab.settings.connections {
            all.extend(lab.settings.sizes_bytes.iter().map(|&size_bytes| Cell {
                connections,
                size_bytes,
            }));
        }
        all
    }

    /// For people.
    pub fn name(self) -> String {
        format!("{} × {}", self.connections, size(self.size_bytes))
    }
}

/// One server's window in one round.
pub(super) struct Sample {
    kind: Kind,
    round: usize,
    requests: u64,
    pub cpu_us: f64,
    pub per_second: f64,
    pub latency: Latency,
    server_busy: f64,
    load_busy: f64,
}

pub fn run(lab: &Lab) -> Result<Outcome> {
    let mut table = Table::new(
        "echo: closed-loop ping-pong, medians of the rounds",
        3,
        &[
            "connections",
            "message",
            "server",
            "CPU µs/request",
            "ratio",
            "(lowest to highest)",
            "requests/s",
            "p50 µs",
            "p99 µs",
            "p99.9 µs",
            "server busy %",
            "load busy %",
        ],
    );
    table.note("ratio: CPU per request to that of native in the same round, median of the rounds");
    table.note("compare requests/s only where the load generator is less busy than the server");
    let mut raw = Vec::new();
    for cell in Cell::all(lab) {
        eprintln!("echo: {}", cell.name());
        let samples = measure(lab, cell)?;
        for &kind in &lab.settings.kinds {
            table.row(row(cell, kind, &samples));
        }
        raw.extend(samples.iter().map(|sample| sample.json(cell)));
    }
    Ok(Outcome {
        tables: vec![table],
        raw: Value::Array(raw),
    })
}

/// A B C A B C …, so that whatever changes on the machine meanwhile changes for all.
fn measure(lab: &Lab, cell: Cell) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for round in 0..lab.settings.rounds(5, 1) {
        for &kind in &lab.settings.kinds {
            // A fresh process each: no server is measured with another's, or its own, history.
            let server = lab.start(kind, Guest::Echo, &[])?;
            let result = sample(lab, &server, cell, kind, round, Place::ServerCore)
                .with_context(|| format!("{kind}, {}", cell.name()));
            samples.push(server.stop(result)?);
        }
    }
    Ok(samples)
}

/// Measures a window of a server that runs at `place`.
pub(super) fn sample(
    lab: &Lab,
    server: &Server,
    cell: Cell,
    kind: Kind,
    round: usize,
    place: Place,
) -> Result<Sample> {
    let mut load = Load::connect(
        server.address,
        cell.connections,
        Messages::binary(cell.size_bytes),
    )?;
    if place == Place::AllCores {
        load = load.on_a_shared_core();
    }
    load.run(
        if lab.settings.quick {
            WARMUP_QUICK
        } else {
            WARMUP
        },
        || false,
    )?;
    let server_before = server.cpu_ns()?;
    let window = load.run(lab.settings.window(2500, 300), || false)?;
    let server_after = server.cpu_ns()?;
    load.finish()?;
    let elapsed_ns = window.elapsed.as_nanos() as f64;
    let cpu_ns = server_after.saturating_sub(server_before) as f64;
    Ok(Sample {
        kind,
        round,
        requests: window.requests,
        cpu_us: cpu_ns / 1e3 / window.requests as f64,
        per_second: window.requests as f64 / window.elapsed.as_secs_f64(),
        latency: Latency::of(&window.latency_ns),
        server_busy: cpu_ns / elapsed_ns,
        load_busy: window.busy(),
    })
}

fn row(cell: Cell, kind: Kind, samples: &[Sample]) -> Vec<String> {
    let own: Vec<&Sample> = samples
        .iter()
        .filter(|sample| sample.kind == kind)
        .collect();
    let of_round = |sample: &Sample| (sample.round, sample.cpu_us);
    let native = samples.iter().filter(|other| other.kind == Kind::Native);
    let ratios = ratios(own.iter().copied().map(of_round), native.map(of_round));
    let (lowest, highest) = range(ratios.iter().copied());
    let typical = |of: fn(&Sample) -> f64| figure(median(own.iter().map(|sample| of(sample))));
    let two = |value: f64| {
        if value.is_finite() {
            format!("{value:.2}")
        } else {
            "-".into()
        }
    };
    vec![
        cell.connections.to_string(),
        size(cell.size_bytes),
        kind.to_string(),
        typical(|sample| sample.cpu_us),
        two(median(ratios)),
        format!("{} to {}", two(lowest), two(highest)),
        typical(|sample| sample.per_second),
        typical(|sample| sample.latency.p50_us),
        typical(|sample| sample.latency.p99_us),
        typical(|sample| sample.latency.p999_us),
        format!(
            "{:.0}",
            100.0 * median(own.iter().map(|sample| sample.server_busy))
        ),
        format!(
            "{:.0}",
            100.0 * median(own.iter().map(|sample| sample.load_busy))
        ),
    ]
}

impl Sample {
    pub fn json(&self, cell: Cell) -> Value {
        json!({
            "connections": cell.connections,
            "message_bytes": cell.size_bytes,
            "server": self.kind.to_string(),
            "round": self.round + 1,
            "requests": self.requests,
            "server_cpu_us_per_request": self.cpu_us,
            "requests_per_second": self.per_second,
            "latency": self.latency.json(),
            "server_busy": self.server_busy,
            "load_busy": self.load_busy,
        })
    }
}
