//! What an idle connection costs in memory, and that it still works; it must not know how memory is read.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::artifacts::Guest;
use crate::dial::{dial_all, exchange};
use crate::lab::Lab;
use crate::messages::Messages;
use crate::proc::Memory;
use crate::report::{Outcome, Table, figure};
use crate::server::{Kind, Server};

const MESSAGE_BYTES: usize = 64;
/// What is freed lazily after the connects has gone by then.
const SETTLE: Duration = Duration::from_millis(500);
/// An instance rests after ten seconds by default, and packing the memory of 15,000 takes some five more.
const REST: Duration = Duration::from_secs(25);
/// Descriptors that this process needs beside the connections.
const SPARE_DESCRIPTORS: u64 = 100;

struct Sample {
    kind: Kind,
    connections: usize,
    before: Memory,
    after: Memory,
    at_rest: Memory,
    connecting: Duration,
    idle_busy: f64,
    echo_again: Duration,
}

pub fn run(lab: &Lab) -> Result<Outcome> {
    let count = lab
        .settings
        .idle
        .unwrap_or(if lab.settings.quick { 1000 } else { 10_000 });
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile)
        .current
        .unwrap_or(u64::MAX);
    ensure!(
        count as u64 + SPARE_DESCRIPTORS <= limit,
        "{count} connections need more open files than the hard limit of {limit} allows"
    );
    let mut samples = Vec::new();
    for kind in lab.settings.kinds_once() {
        eprintln!("idle: {count} connections to {kind}");
        let server = lab.start(kind, Guest::Echo, &[])?;
        let result = sample(&server, kind, count).with_context(|| kind.to_string());
        samples.push(server.stop(result)?);
    }
    let mut table = Table::new(
        format!("idle: {count} connections, each after one message of {MESSAGE_BYTES} B"),
        1,
        &[
            "server",
            "RSS KiB/connection",
            "at rest",
            "less native",
            "PSS at rest",
            "RSS before MiB",
            "RSS after MiB",
            "maps before",
            "maps after",
            "connecting s",
            "idle busy %",
            "echo again s",
        ],
    );
    let native = samples
        .iter()
        .find(|sample| sample.kind == Kind::Native)
        .map(Sample::rss_at_rest_kib);
    for sample in &samples {
        table.row([
            sample.kind.to_string(),
            figure(sample.each_kib(&sample.after, |memory| memory.rss_kib)),
            figure(sample.rss_at_rest_kib()),
            native.map_or("-".into(), |native| {
                figure(sample.rss_at_rest_kib() - native)
            }),
            figure(sample.each_kib(&sample.at_rest, |memory| memory.pss_kib)),
            figure(sample.before.rss_kib as f64 / 1024.0),
            figure(sample.after.rss_kib as f64 / 1024.0),
            sample.before.maps.to_string(),
            sample.after.maps.to_string(),
            figure(sample.connecting.as_secs_f64()),
            figure(100.0 * sample.idle_busy),
            figure(sample.echo_again.as_secs_f64()),
        ]);
    }
    table.note(format!(
        "at rest: {} s after all were connected; less native: of that",
        REST.as_secs()
    ));
    table.note("the kernel's own memory for a socket is in none of these figures");
    table.note("all connections answered once more at the end, every byte verified");
    Ok(Outcome {
        tables: vec![table],
        raw: samples.iter().map(Sample::json).collect(),
    })
}

fn sample(server: &Server, kind: Kind, connections: usize) -> Result<Sample> {
    let messages = Messages::binary(MESSAGE_BYTES);
    let before = server.memory()?;
    let begin = Instant::now();
    let mut streams = dial_all(server.address, connections, &messages)?;
    let connecting = begin.elapsed();
    std::thread::sleep(SETTLE);
    let after = server.memory()?;
    let (cpu_before, begin) = (server.cpu_ns()?, Instant::now());
    std::thread::sleep(Duration::from_secs(1));
    let idle_busy =
        server.cpu_ns()?.saturating_sub(cpu_before) as f64 / begin.elapsed().as_nanos() as f64;
    std::thread::sleep(REST);
    let at_rest = server.memory()?;
    let begin = Instant::now();
    for (index, stream) in streams.iter_mut().enumerate() {
        exchange(stream, messages.get(index, 1)).with_context(|| {
            format!(
                "connection {} of {connections} does not work any more",
                index + 1
            )
        })?;
    }
    Ok(Sample {
        kind,
        connections,
        before,
        after,
        at_rest,
        connecting,
        idle_busy,
        echo_again: begin.elapsed(),
    })
}

impl Sample {
    fn each_kib(&self, then: &Memory, of: fn(&Memory) -> u64) -> f64 {
        (of(then) as f64 - of(&self.before) as f64) / self.connections as f64
    }

    fn rss_at_rest_kib(&self) -> f64 {
        self.each_kib(&self.at_rest, |memory| memory.rss_kib)
    }

    fn json(&self) -> Value {
        let memory =
            |of: &Memory| json!({ "rss_kib": of.rss_kib, "pss_kib": of.pss_kib, "maps": of.maps });
        json!({
            "server": self.kind.to_string(),
            "connections": self.connections,
            "before": memory(&self.before),
            "after": memory(&self.after),
            "at_rest": memory(&self.at_rest),
            "connecting_s": self.connecting.as_secs_f64(),
            "idle_busy": self.idle_busy,
            "echo_again_s": self.echo_again.as_secs_f64(),
        })
    }
}
