//! One cell of the comparison: every server in turn, in a closed loop for its cost and in an open one for its latency.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Cell, Field};
use crate::lab::Lab;
use crate::peers::{Contender, recipe};
use crate::report::{Table, figure};
use crate::scenarios::windows::Windows;
use crate::stats::{median, range};

/// One server's two windows in one round.
pub struct Sample {
    pub contender: Contender,
    pub round: usize,
    pub windows: Windows,
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
                let messages = cell.protocol.messages(cell.size_bytes);
                let length = lab.settings.window(700, 250);
                let windows =
                    Windows::measure(lab, &running.server, cell.connections, messages, length);
                running.stop(windows.map(|windows| Sample {
                    contender,
                    round,
                    windows,
                }))
            });
            samples.extend(field.forgive(contender, &cell, result)?);
        }
    }
    Ok(samples)
}

/// The median of one figure of one server; NaN when it has none.
pub fn typical(samples: &[Sample], contender: Contender, of: fn(&Windows) -> f64) -> f64 {
    median(
        samples
            .iter()
            .filter(|sample| sample.contender == contender)
            .map(|sample| of(&sample.windows)),
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
        let of = |of: fn(&Windows) -> f64| figure(typical(samples, *contender, of));
        table.row([
            contender.to_string(),
            of(|windows| windows.cpu_us),
            figure(median(ratios)),
            format!("{} to {}", figure(lowest), figure(highest)),
            of(|windows| windows.per_second),
            of(|windows| windows.open.p50_us),
            of(|windows| windows.open.p99_us),
            of(|windows| windows.open.p999_us),
            of(|windows| 100.0 * windows.server_busy),
            of(|windows| 100.0 * windows.load_busy),
        ]);
    }
    table
}

fn ratio(sample: &Sample, samples: &[Sample]) -> Option<f64> {
    let native = samples
        .iter()
        .find(|other| other.contender == Contender::Native && other.round == sample.round)?;
    Some(sample.windows.cpu_us / native.windows.cpu_us)
}

impl Sample {
    pub fn json(&self, cell: Cell) -> Value {
        self.windows.json(json!({
            "protocol": cell.protocol.to_string(),
            "connections": cell.connections,
            "message_bytes": cell.size_bytes,
            "server": self.contender.to_string(),
            "round": self.round + 1,
        }))
    }
}
