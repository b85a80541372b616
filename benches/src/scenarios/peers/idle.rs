//! What an idle connection costs each server in memory.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::Field;
use crate::dial::{AsManyAsFit, dial_within, exchange};
use crate::lab::Lab;
use crate::peers::{Contender, Protocol, recipe};
use crate::proc::Memory;
use crate::report::{Table, figure};
use crate::server::Server;

const MESSAGE_BYTES: usize = 64;
/// A server that takes longer than this for all connections is measured with those it has.
const DIAL_MAX: Duration = Duration::from_secs(6);
/// What is freed lazily after the connects has gone by then.
const SETTLE: Duration = Duration::from_millis(300);

pub struct Sample {
    contender: Contender,
    connections: usize,
    before: Memory,
    after: Memory,
    stopped: Option<String>,
}

pub fn measure(lab: &Lab, field: &mut Field) -> Result<Vec<Sample>> {
    let descriptors_max = rustix::process::getrlimit(rustix::process::Resource::Nofile)
        .current
        .unwrap_or(u64::MAX);
    let wanted = lab
        .settings
        .idle
        .unwrap_or(if lab.settings.quick { 1000 } else { 10_000 });
    let mut samples = Vec::new();
    for index in 0..field.present.len() {
        let (contender, tool) = &field.present[index];
        let contender = *contender;
        let most = contender.connections_max(descriptors_max);
        let count = wanted.min(usize::try_from(most).unwrap_or(usize::MAX));
        let protocol = Protocol::Echo;
        eprintln!("peers: {count} idle connections to {contender}");
        let running = recipe::start(lab, &field.tools, contender, tool, protocol, MESSAGE_BYTES);
        let result = running.and_then(|running| {
            let result = sample(&running.server, contender, count);
            running.stop(result)
        });
        samples.extend(field.forgive(contender, &"idle connections", result)?);
    }
    Ok(samples)
}

fn sample(server: &Server, contender: Contender, count: usize) -> Result<Sample> {
    let messages = Protocol::Echo.messages(MESSAGE_BYTES);
    let before = server.memory()?;
    let AsManyAsFit {
        mut streams,
        stopped,
    } = dial_within(server.address, count, &messages, DIAL_MAX);
    let stopped = stopped.map(|error| format!("{error:#}"));
    ensure!(
        !streams.is_empty(),
        "{}",
        stopped.unwrap_or("no connection was opened".into())
    );
    std::thread::sleep(SETTLE);
    let after = server.memory()?;
    // Those that came first are still served.
    if let Some(first) = streams.first_mut() {
        exchange(first, messages.get(0, 1))?;
    }
    Ok(Sample {
        contender,
        connections: streams.len(),
        before,
        after,
        stopped,
    })
}

pub fn table(samples: &[Sample]) -> Table {
    let mut table = Table::new(
        format!("idle connections, each after one message of {MESSAGE_BYTES} B"),
        1,
        &[
            "server",
            "connections",
            "RSS KiB/connection",
            "PSS KiB/connection",
            "RSS before MiB",
            "RSS after MiB",
            "maps before",
            "maps after",
        ],
    );
    for sample in samples {
        table.row([
            sample.contender.to_string(),
            sample.connections.to_string(),
            figure(sample.each_kib(|memory| memory.rss_kib)),
            figure(sample.each_kib(|memory| memory.pss_kib)),
            figure(sample.before.rss_kib as f64 / 1024.0),
            figure(sample.after.rss_kib as f64 / 1024.0),
            sample.before.maps.to_string(),
            sample.after.maps.to_string(),
        ]);
    }
    table.note("the kernel's own memory for a socket is in none of these figures");
    table.note("fewer connections where the limit of open files allowed no more for such a server");
    for sample in samples {
        if let Some(reason) = &sample.stopped {
            table.note(format!(
                "{} had no more than {}: {reason}",
                sample.contender, sample.connections
            ));
        }
    }
    table
}

impl Sample {
    fn each_kib(&self, of: fn(&Memory) -> u64) -> f64 {
        (of(&self.after) as f64 - of(&self.before) as f64) / self.connections as f64
    }

    pub fn json(&self) -> Value {
        let memory =
            |of: &Memory| json!({ "rss_kib": of.rss_kib, "pss_kib": of.pss_kib, "maps": of.maps });
        json!({
            "server": self.contender.to_string(),
            "connections": self.connections,
            "stopped": self.stopped,
            "before": memory(&self.before),
            "after": memory(&self.after),
        })
    }
}
