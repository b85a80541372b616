//! One cell of the comparison: every server in turn, in a closed loop for its cost and in an open one for its latency.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::{Cell, Field};
use crate::lab::Lab;
use crate::load::Load;
use crate::peers::{Contender, recipe};
use crate::proc;
use crate::report::{Table, figure};
use crate::server::Server;
use crate::stats::{Latency, median, range};

const WARMUP: Duration = Duration::from_millis(250);
const WARMUP_QUICK: Duration = Duration::from_millis(100);

/// One server's two windows in one round.
pub struct Sample {
    pub contender: Contender,
    pub round: usize,
    pub cpu_us: f64,
    per_second: f64,
    server_busy: f64,
    load_busy: f64,
    closed: Latency,
    open: Latency,
    open_cpu_us: f64,
}

/// A B C A B C …, so that whatever changes on the machine meanwhile changes for all.
pub fn measure(lab: &Lab, field: &mut Field, cell: Cell) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for round in 0..lab.settings.rounds(3, 1) {
        eprintln!("peers: {cell}, round {}", round + 1);
        for index in 0..field.present.len() {
            let (contender, tool) = &field.present[index];
            let contender = *contender;
            let measured = samples
                .iter()
                .filter(|one: &&Sample| one.contender == contender);
            if measured.count() < round {
                // It has failed here before, and a failure can take as long as many windows.
                continue;
            }
            let running = recipe::start(
                lab,
                &field.tools,
                contender,
                tool,
                cell.protocol,
                cell.size_bytes,
            );
            let result = running.and_then(|running| {
                let result = sample(lab, &running.server, cell, contender, round);
                running.stop(result)
            });
            samples.extend(field.forgive(contender, &cell, result)?);
        }
    }
    Ok(samples)
}

fn sample(
    lab: &Lab,
    server: &Server,
    cell: Cell,
    contender: Contender,
    round: usize,
) -> Result<Sample> {
    let messages = cell.protocol.messages(cell.size_bytes);
    let mut load = Load::connect(server.address, cell.connections, messages)?;
    let quick = lab.settings.quick;
    load.run(if quick { WARMUP_QUICK } else { WARMUP }, || false)?;
    let length = lab.settings.window(700, 250);
    let (server_before, load_before) = (server.cpu_ns()?, proc::own_cpu_ns());
    let closed = load.run(length, || false)?;
    let (server_after, load_after) = (server.cpu_ns()?, proc::own_cpu_ns());
    load.finish()?;
    let open_before = server.cpu_ns()?;
    let open = load.run_at(lab.settings.peers.rate_per_second, length)?;
    let open_after = server.cpu_ns()?;
    let elapsed_ns = closed.elapsed.as_nanos() as f64;
    let cpu_ns = server_after.saturating_sub(server_before) as f64;
    Ok(Sample {
        contender,
        round,
        cpu_us: cpu_ns / 1e3 / closed.requests as f64,
        per_second: closed.requests as f64 / closed.elapsed.as_secs_f64(),
        server_busy: cpu_ns / elapsed_ns,
        load_busy: load_after.saturating_sub(load_before) as f64 / elapsed_ns,
        closed: Latency::of(&closed.latency_ns),
        open: Latency::of(&open.latency_ns),
        open_cpu_us: open_after.saturating_sub(open_before) as f64 / 1e3 / open.requests as f64,
    })
}

/// The median of one figure of one server; NaN when it has none.
pub fn typical(samples: &[Sample], contender: Contender, of: fn(&Sample) -> f64) -> f64 {
    median(
        samples
            .iter()
            .filter(|sample| sample.contender == contender)
            .map(of),
    )
}

pub fn table(lab: &Lab, cell: Cell, field: &Field, samples: &[Sample]) -> Table {
    let rate = lab.settings.peers.rate_per_second;
    let mut table = Table::new(
        format!("{cell}: medians of the rounds; latencies at {rate} requests/s in all"),
        1,
        &[
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
    for (contender, _) in &field.present {
        let ratios: Vec<f64> = samples
            .iter()
            .filter(|sample| sample.contender == *contender)
            .filter_map(|sample| ratio(sample, samples))
            .collect();
        let (lowest, highest) = range(ratios.iter().copied());
        let of = |of: fn(&Sample) -> f64| figure(typical(samples, *contender, of));
        table.row([
            contender.to_string(),
            of(|sample| sample.cpu_us),
            figure(median(ratios)),
            format!("{} to {}", figure(lowest), figure(highest)),
            of(|sample| sample.per_second),
            of(|sample| sample.open.p50_us),
            of(|sample| sample.open.p99_us),
            of(|sample| sample.open.p999_us),
            of(|sample| 100.0 * sample.server_busy),
            of(|sample| 100.0 * sample.load_busy),
        ]);
    }
    table
}

fn ratio(sample: &Sample, samples: &[Sample]) -> Option<f64> {
    let native = samples
        .iter()
        .find(|other| other.contender == Contender::Native && other.round == sample.round)?;
    Some(sample.cpu_us / native.cpu_us)
}

impl Sample {
    pub fn json(&self, cell: Cell) -> Value {
        json!({
            "protocol": cell.protocol.to_string(),
            "connections": cell.connections,
            "message_bytes": cell.size_bytes,
            "server": self.contender.to_string(),
            "round": self.round + 1,
            "server_cpu_us_per_request": self.cpu_us,
            "requests_per_second": self.per_second,
            "closed_loop_latency": self.closed.json(),
            "open_loop_latency": self.open.json(),
            "open_loop_server_cpu_us_per_request": self.open_cpu_us,
            "server_busy": self.server_busy,
            "load_busy": self.load_busy,
        })
    }
}
