//! What a request costs, exactly enough to compare two builds: all servers run at the same time on the server's core and have the
//! load in turn, for a moment each; it must not know how load is made.
//!
//! What changes on the machine changes for all of them within a second, so that the medians of two equal builds lie a percent or
//! two apart where those of `echo` lie five.

use std::fmt;
use std::time::Duration;

use anyhow::{Error, Result};
use serde_json::{Value, json};

use super::echo::Cell;
use crate::artifacts::Guest;
use crate::lab::Lab;
use crate::load::Load;
use crate::messages::Messages;
use crate::report::{Outcome, Table, figure, size};
use crate::server::{Kind, Server};
use crate::stats::{median, quartiles};

/// Until a server that has answered sleeps: only then is the scheduler's sum of its CPU time complete.
const SETTLING: Duration = Duration::from_micros(300);

/// A server among those that take turns.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Subject {
    kind: Kind,
    /// Of the build that `--against` names.
    before: bool,
}

/// A subject and its CPU time for a request in each round, in µs.
type Measured = (Subject, Vec<f64>);

pub fn run(lab: &Lab) -> Result<Outcome> {
    let mut table = Table::new(
        "turns: closed-loop ping-pong, all servers at once, loaded in turn; medians of the rounds",
        3,
        &[
            "connections",
            "message",
            "server",
            "CPU µs/request",
            "ratio",
            "(quartiles)",
            "to before",
            "(quartiles)",
        ],
    );
    table.note("ratio: CPU per request to that of native in the same round");
    table.note("to before: to that of the build that --against names in the same round");
    let mut raw = Vec::new();
    for cell in Cell::all(lab) {
        eprintln!("turns: {}", cell.name());
        let all = measure(lab, cell)?;
        for (subject, cpu_us) in &all {
            table.row(row(cell, *subject, cpu_us, &all));
            raw.push(json!({
                "connections": cell.connections,
                "message_bytes": cell.size_bytes,
                "server": subject.to_string(),
                "server_cpu_us_per_request": cpu_us,
            }));
        }
    }
    Ok(Outcome {
        tables: vec![table],
        raw: Value::Array(raw),
    })
}

fn measure(lab: &Lab, cell: Cell) -> Result<Vec<Measured>> {
    let against = lab.settings.against.as_deref();
    let subjects = subjects(&lab.settings.kinds, against.is_some());
    let servers = subjects.iter().map(|subject| match against {
        Some(binary) if subject.before => lab.start_build(binary, subject.kind, Guest::Echo),
        _ => lab.start(subject.kind, Guest::Echo, &[]),
    });
    let mut servers = servers.collect::<Result<Vec<_>>>()?;
    match take_turns(lab, cell, &servers) {
        Ok(rounds) => {
            for server in servers {
                server.stop(Ok(()))?;
            }
            Ok(subjects.into_iter().zip(rounds).collect())
        }
        Err((index, error)) => {
            let error = error.context(format!("{}: {}", subjects[index], cell.name()));
            servers.swap_remove(index).stop(Err(error))
        }
    }
}

fn subjects(kinds: &[Kind], against: bool) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for &kind in kinds {
        if against && kind.is_wisted() {
            subjects.push(Subject { kind, before: true });
        }
        let before = false;
        subjects.push(Subject { kind, before });
    }
    subjects
}

/// The CPU time of each server's requests, round by round, or which one failed.
fn take_turns(lab: &Lab, cell: Cell, servers: &[Server]) -> Result<Vec<Vec<f64>>, (usize, Error)> {
    let mut loads = Vec::new();
    for (index, server) in servers.iter().enumerate() {
        let messages = Messages::binary(cell.size_bytes);
        let load = Load::connect(server.address, cell.connections, messages);
        loads.push(load.map_err(|error| (index, error))?);
    }
    let mut measured = vec![Vec::new(); servers.len()];
    // The first round warms up.
    for round in 0..=lab.settings.rounds(40, 2) {
        for index in order(round, servers.len()) {
            let cpu_us = turn(lab, &servers[index], &mut loads[index]);
            let cpu_us = cpu_us.map_err(|error| (index, error))?;
            if round > 0 {
                measured[index].push(cpu_us);
            }
        }
    }
    Ok(measured)
}

/// Who follows whom, and in which place, makes some percent: so each has each place as often as the others, in both directions.
fn order(round: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..count).map(|place| (place + round) % count).collect();
    if (round / count) % 2 == 1 {
        order.reverse();
    }
    order
}

fn turn(lab: &Lab, server: &Server, load: &mut Load) -> Result<f64> {
    let before = server.cpu_ns()?;
    let window = load.run(lab.settings.window(120, 50), || false)?;
    let rest = load.finish()?;
    std::thread::sleep(SETTLING);
    let after = server.cpu_ns()?;
    let requests = window.requests + rest.requests;
    Ok(after.saturating_sub(before) as f64 / 1e3 / requests as f64)
}

fn row(cell: Cell, subject: Subject, cpu_us: &[f64], all: &[Measured]) -> Vec<String> {
    let against = |other: Subject| {
        let Some((_, others)) = all.iter().find(|(of, _)| *of == other) else {
            return ["-".to_owned(), "-".to_owned()];
        };
        let ratios = || cpu_us.iter().zip(others).map(|(own, other)| own / other);
        let (low, high) = quartiles(ratios());
        [
            format!("{:.3}", median(ratios())),
            format!("{low:.3} to {high:.3}"),
        ]
    };
    let native = against(Subject {
        kind: Kind::Native,
        before: false,
    });
    let before = if subject.before {
        ["-".to_owned(), "-".to_owned()]
    } else {
        against(Subject {
            before: true,
            ..subject
        })
    };
    let mut row = vec![
        cell.connections.to_string(),
        size(cell.size_bytes),
        subject.to_string(),
        figure(median(cpu_us.iter().copied())),
    ];
    row.extend(native);
    row.extend(before);
    row
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let build = if self.before { ", before" } else { "" };
        formatter.pad(&format!("{}{build}", self.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_each_place_as_often_as_the_others() {
        for count in 1..6 {
            let mut times = vec![vec![0; count]; count];
            for round in 0..2 * count {
                for (place, index) in order(round, count).into_iter().enumerate() {
                    times[index][place] += 1;
                }
            }
            assert!(times.iter().flatten().all(|times| *times == 2), "{times:?}");
        }
    }

    #[test]
    fn each_wisted_has_one_of_the_build_before() {
        let kinds = [Kind::Native, Kind::Service];
        let names = |against| -> Vec<_> {
            let subjects = subjects(&kinds, against).into_iter();
            subjects.map(|subject| subject.to_string()).collect()
        };
        assert_eq!(names(false), ["native", "wisted service"]);
        assert_eq!(
            names(true),
            ["native", "wisted service, before", "wisted service"]
        );
    }
}
