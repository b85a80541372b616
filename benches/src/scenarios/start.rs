//! How soon a server listens, with and without compiled code in its cache; it must not know how it is started.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::artifacts::Guest;
use crate::children;
use crate::cores::Place;
use crate::lab::Lab;
use crate::report::{Outcome, Table, figure};
use crate::server::Kind;
use crate::stats::{median, range};

/// One way to start, and how long it took in each round.
struct Way {
    name: &'static str,
    times_ms: Vec<f64>,
}

pub fn run(lab: &Lab) -> Result<Outcome> {
    let mut ways: Vec<Way> = ["native", "wisted, cold cache", "wisted, warm cache"]
        .map(|name| Way {
            name,
            times_ms: Vec::new(),
        })
        .into_iter()
        .collect();
    let compares = lab.settings.kinds.iter().any(|kind| kind.is_wisted());
    for round in 0..lab.settings.rounds(5, 2) {
        eprintln!("start: round {}", round + 1);
        let cache = children::temporary_folder()?;
        ways[0].add(start(lab, Kind::Native, cache.path())?);
        if compares {
            ways[1].add(start(lab, Kind::Connection, cache.path())?);
            ways[2].add(start(lab, Kind::Connection, cache.path())?);
        }
    }
    ways.retain(|way| !way.times_ms.is_empty());

    let mut table = Table::new(
        "start: guest echo, from the start of the process to its line about listening, all cores",
        1,
        &["server", "median ms", "lowest ms", "highest ms"],
    );
    for way in &ways {
        let (lowest, highest) = range(way.times_ms.iter().copied());
        table.row([
            way.name.into(),
            figure(median(way.times_ms.iter().copied())),
            figure(lowest),
            figure(highest),
        ]);
    }
    table.note("files are in the page cache in both cases");
    let raw = ways
        .iter()
        .map(|way| json!({ "server": way.name, "times_ms": way.times_ms }))
        .collect();
    Ok(Outcome {
        tables: vec![table],
        raw,
    })
}

/// Starts and stops a server that keeps compiled code in `cache`.
fn start(lab: &Lab, kind: Kind, cache: &std::path::Path) -> Result<Duration> {
    // Compiling uses every core it finds, as it would for a user.
    let server = lab.start_with_cache(kind, Guest::Echo, &[], cache.to_owned(), Place::AllCores)?;
    let start_time = server.start_time;
    server.stop(Ok(start_time))
}

impl Way {
    fn add(&mut self, time: Duration) {
        self.times_ms.push(time.as_secs_f64() * 1e3);
    }
}
