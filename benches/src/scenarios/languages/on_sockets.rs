//! Each language's echo on sockets, in turn with programs that do the same natively; it must not know how load is made.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Guest;
use crate::lab::Lab;
use crate::peers::tools::{Tool, Tools};
use crate::peers::{Contender, Protocol, recipe};
use crate::report::{Table, figure, size};
use crate::scenarios::windows::Windows;
use crate::server::{Found, Identity};
use crate::stats::{median, range};

/// The programs that do the same natively, in the order of a round. The first is what the others are compared with.
const NATIVE: [Contender; 4] = [
    Contender::Native,
    Contender::Go,
    Contender::Node,
    Contender::Twisted,
];

/// Connections × message bytes.
const CELLS: [(usize, usize); 2] = [(50, 64), (50, 4096)];
const CELLS_QUICK: [(usize, usize); 1] = [(50, 64)];

/// What a guest in Python keeps of what it sends would fill its one instance within the windows.
const FOR_PYTHON: [&str; 2] = ["--memory-max", "1GiB"];

/// What was found.
pub struct Comparison {
    pub tables: Vec<Table>,
    /// Of the programs that others wrote.
    pub versions: Vec<String>,
    pub raw: Value,
}

/// One that takes part.
enum Runner<'a> {
    Native(Contender, Tool),
    Guest(&'a Guest, &'static str),
}

/// One runner's figures of one round.
struct Sample {
    runner: usize,
    round: usize,
    start: Duration,
    windows: Windows,
}

/// Measures all cells.
pub fn run(lab: &Lab, guests: &[Guest]) -> Result<Comparison> {
    let tools = Tools::of_target(lab.target());
    let mut missing = Vec::new();
    let mut runners = Vec::new();
    for contender in NATIVE {
        match tools.prepare(contender) {
            Ok(tool) => runners.push(Runner::Native(contender, tool)),
            Err(error) => missing.push(format!("left out: {contender}: {error:#}")),
        }
    }
    for guest in guests {
        let isolations = ["connection", "service"];
        runners.extend(isolations.map(|isolation| Runner::Guest(guest, isolation)));
    }
    let cells = match &lab.settings.peers.cells {
        Some(cells) => cells.clone(),
        None if lab.settings.quick => CELLS_QUICK.to_vec(),
        None => CELLS.to_vec(),
    };
    let (mut tables, mut raw) = (Vec::new(), Vec::new());
    for cell in cells {
        let samples = measure(lab, &tools, &runners, cell)?;
        tables.push(table(lab, cell, &runners, &samples));
        raw.extend(samples.iter().map(|sample| sample.json(&runners, cell)));
    }
    if let Some(last) = tables.last_mut() {
        missing.iter().for_each(|line| last.note(line));
    }
    let versions = runners.iter().filter_map(Runner::version).collect();
    Ok(Comparison {
        tables,
        versions,
        raw: Value::Array(raw),
    })
}

/// A B C A B C …, so that whatever changes on the machine meanwhile changes for all.
fn measure(
    lab: &Lab,
    tools: &Tools,
    runners: &[Runner],
    (connections, size_bytes): (usize, usize),
) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for round in 0..lab.settings.rounds(5, 1) {
        eprintln!(
            "languages: {connections} × {}, round {}",
            size(size_bytes),
            round + 1
        );
        for (index, runner) in runners.iter().enumerate() {
            let running = runner.start(lab, tools, size_bytes)?;
            let messages = Protocol::Echo.messages(size_bytes);
            let length = lab.settings.window(400, 150);
            let windows = Windows::measure(lab, &running.server, connections, messages, length);
            let start = running.server.start_time;
            let windows = running.stop(windows);
            samples.push(Sample {
                runner: index,
                round,
                start,
                windows: windows.with_context(|| runner.names().join(", "))?,
            });
        }
    }
    Ok(samples)
}

impl Runner<'_> {
    fn start(&self, lab: &Lab, tools: &Tools, size_bytes: usize) -> Result<recipe::Running> {
        match self {
            Runner::Native(contender, tool) => {
                recipe::start(lab, tools, *contender, tool, Protocol::Echo, size_bytes)
            }
            Runner::Guest(guest, isolation) => {
                let more: &[&str] = match guest.language {
                    "Python" => &FOR_PYTHON,
                    _ => &[],
                };
                let arguments: Vec<String> = more.iter().map(|&one| one.to_owned()).collect();
                let command = lab.wisted_serving(isolation, &guest.component, &arguments)?;
                let identity = Identity {
                    name: self.names().join(", "),
                    must_exit_with_zero: true,
                    found: Found::Announced,
                };
                lab.start_command(command, identity).map(Into::into)
            }
        }
    }

    /// Of the program and of the isolation.
    fn names(&self) -> [String; 2] {
        match self {
            Runner::Native(contender, _) => [contender.to_string(), "native".into()],
            Runner::Guest(guest, isolation) => [guest.language.into(), (*isolation).into()],
        }
    }

    fn version(&self) -> Option<String> {
        match self {
            Runner::Native(contender, tool) if !tool.version.is_empty() => {
                Some(format!("{contender}: {}", tool.version))
            }
            _ => None,
        }
    }
}

fn table(
    lab: &Lab,
    (connections, size_bytes): (usize, usize),
    runners: &[Runner],
    samples: &[Sample],
) -> Table {
    let mut table = Table::new(
        format!(
            "On sockets, {connections} connections × {}",
            size(size_bytes)
        ),
        2,
        &[
            "echo in",
            "isolation",
            "CPU µs/request",
            "ratio",
            "(lowest to highest)",
            "requests/s",
            "p99 µs",
            "start ms",
        ],
    );
    for (index, runner) in runners.iter().enumerate() {
        let own = || samples.iter().filter(move |sample| sample.runner == index);
        let typical =
            |of: fn(&Windows) -> f64| figure(median(own().map(|sample| of(&sample.windows))));
        let ratios: Vec<f64> = own().filter_map(|sample| sample.ratio(samples)).collect();
        let (lowest, highest) = range(ratios.iter().copied());
        table.row(runner.names().into_iter().chain([
            typical(|windows| windows.cpu_us),
            figure(median(ratios)),
            format!("{} to {}", figure(lowest), figure(highest)),
            typical(|windows| windows.per_second),
            typical(|windows| windows.open.p99_us),
            figure(median(own().map(Sample::start_ms))),
        ]));
    }
    table.note(format!(
        "medians of {} rounds; ratio: CPU to {}'s in the same round; p99 at {} requests/s in all",
        lab.settings.rounds(5, 1),
        NATIVE[0],
        lab.settings.peers.rate_per_second
    ));
    table.note("start: of the process, to listening; compiled code is in the cache");
    table.note(format!(
        "Python with {}, for it keeps what it sends",
        FOR_PYTHON.join(" ")
    ));
    table
}

impl Sample {
    /// Of its cost to that of the first program in the same round.
    fn ratio(&self, samples: &[Sample]) -> Option<f64> {
        let first = samples
            .iter()
            .find(|other| other.runner == 0 && other.round == self.round)?;
        Some(self.windows.cpu_us / first.windows.cpu_us)
    }

    fn start_ms(&self) -> f64 {
        self.start.as_secs_f64() * 1e3
    }

    fn json(&self, runners: &[Runner], (connections, size_bytes): (usize, usize)) -> Value {
        let [program, isolation] = runners[self.runner].names();
        self.windows.json(json!({
            "program": program,
            "isolation": isolation,
            "connections": connections,
            "message_bytes": size_bytes,
            "round": self.round + 1,
            "start_ms": self.start_ms(),
        }))
    }
}
