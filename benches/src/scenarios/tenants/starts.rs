//! How soon many services serve: at a start, and at a start after a crash.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::json;
use tempfile::TempDir;

use super::service;
use crate::artifacts::Guest;
use crate::children;
use crate::cores::Place;
use crate::dial::{dial, exchange, free_addresses};
use crate::lab::Lab;
use crate::report::{Outcome, Table, figure};
use crate::server::Server;
use crate::stats::{median, range};

/// Services, the most that their start may take, and what is started.
struct Way {
    name: &'static str,
    services: usize,
    ready_ms_max: f64,
    crashes: bool,
    /// Until the host says that it serves, and until every service has answered.
    ready_ms: Vec<f64>,
    answered_ms: Vec<f64>,
}

const COMPONENTS: [Guest; 3] = [Guest::Echo, Guest::Line, Guest::Hostile];

pub fn run(lab: &Lab) -> Result<Outcome> {
    let mut ways = [
        Way::new("50 services of 3 components", 50, 2_000.0, false),
        Way::new("10 services, after SIGKILL", 10, 100.0, true),
    ];
    let cache = children::temporary_folder()?;
    for round in 0..lab.settings.rounds(5, 1) {
        eprintln!("tenants: start {}", round + 1);
        for way in &mut ways {
            way.measure(lab, cache.path())?;
        }
    }
    let mut table = Table::new(
        "tenants: from the start of the process, compiled code in the cache, all cores",
        1,
        &[
            "what",
            "ready ms",
            "(lowest)",
            "(highest)",
            "all answered ms",
            "at most",
        ],
    );
    for way in &ways {
        let (lowest, highest) = range(way.ready_ms.iter().copied());
        let ready_ms = median(way.ready_ms.iter().copied());
        let met = if ready_ms <= way.ready_ms_max {
            "met"
        } else {
            "MISSED"
        };
        table.row([
            way.name.into(),
            figure(ready_ms),
            figure(lowest),
            figure(highest),
            figure(median(way.answered_ms.iter().copied())),
            format!("{} {met}", figure(way.ready_ms_max)),
        ]);
    }
    table.note("ready: the host says that it serves; answered: a first message has come back from every service, one after the other");
    let raw = ways
        .iter()
        .map(|way| json!({ "what": way.name, "ready_ms": way.ready_ms, "answered_ms": way.answered_ms }))
        .collect();
    Ok(Outcome {
        tables: vec![table],
        raw,
    })
}

impl Way {
    fn new(name: &'static str, services: usize, ready_ms_max: f64, crashes: bool) -> Way {
        Way {
            name,
            services,
            ready_ms_max,
            crashes,
            ready_ms: Vec::new(),
            answered_ms: Vec::new(),
        }
    }

    fn measure(&mut self, lab: &Lab, cache: &Path) -> Result<()> {
        let folder = children::temporary_folder()?;
        let addresses = free_addresses(self.services)?;
        let config = write_config(lab, &folder, &addresses)?;
        let start = || lab.serve(&config, cache, Place::AllCores);
        // The first one fills the cache.
        let first = start()?;
        let connected = all_answer(&addresses)?;
        if self.crashes {
            // It is killed, with connections open.
            drop(first);
            drop(connected);
        } else {
            drop(connected);
            first.stop(Ok(()))?;
        }
        let begin = Instant::now();
        let server = start()?;
        let answered = all_answer(&addresses).map(|_| begin.elapsed());
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        self.ready_ms.push(ms(server.start_time));
        self.answered_ms.push(ms(Server::stop(server, answered)?));
        Ok(())
    }
}

fn write_config(
    lab: &Lab,
    folder: &TempDir,
    addresses: &[SocketAddr],
) -> Result<std::path::PathBuf> {
    let mut text = String::new();
    for (number, address) in addresses.iter().enumerate() {
        let component = lab.guest(COMPONENTS[number % COMPONENTS.len()])?;
        writeln!(
            text,
            "{}",
            service(&format!("s{number}"), component, *address)
        )?;
    }
    let config = folder.path().join("wisted.toml");
    std::fs::write(&config, text).context("cannot write the configuration")?;
    Ok(config)
}

/// A connection to each, which has answered.
fn all_answer(addresses: &[SocketAddr]) -> Result<Vec<std::net::TcpStream>> {
    let mut streams = Vec::new();
    for (number, address) in addresses.iter().enumerate() {
        let mut stream = dial(*address, number)?;
        // A line in upper case already is what all of them write back.
        exchange(&mut stream, b"ECHO HELLO\n").with_context(|| format!("service {number}"))?;
        streams.push(stream);
    }
    Ok(streams)
}
