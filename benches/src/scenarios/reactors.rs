//! What a second reactor costs: the same echo with one reactor and with two, on all cores; it must not know how load is made.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::echo::{Cell, Sample, sample};
use crate::artifacts::Guest;
use crate::cores::Place;
use crate::lab::Lab;
use crate::report::{Outcome, Table, figure};
use crate::server::Kind;
use crate::stats::{median, range};

const REACTORS: [usize; 2] = [1, 2];
const CELL: Cell = Cell {
    connections: 50,
    size_bytes: 64,
};

struct Round {
    samples: [Sample; REACTORS.len()],
}

pub fn run(lab: &Lab) -> Result<Outcome> {
    let mut rounds = Vec::new();
    for number in 0..lab.settings.rounds(7, 1) {
        eprintln!("reactors: round {}", number + 1);
        let measured = REACTORS.map(|reactors| window(lab, reactors, number));
        let [one, two] = measured;
        rounds.push(Round {
            samples: [one?, two?],
        });
    }
    let mut table = Table::new(
        "reactors: 50 × 64 B ping-pong, an instance for each connection, on all cores; medians of the rounds",
        1,
        &[
            "reactors",
            "CPU µs/request",
            "ratio",
            "(lowest to highest)",
            "requests/s",
            "p99 µs",
        ],
    );
    for (place, reactors) in REACTORS.iter().enumerate() {
        let own = || rounds.iter().map(|round| &round.samples[place]);
        let ratios = || rounds.iter().map(|round| round.ratio(place));
        let (lowest, highest) = range(ratios());
        table.row([
            reactors.to_string(),
            figure(median(own().map(|sample| sample.cpu_us))),
            format!("{:.2}", median(ratios())),
            format!("{lowest:.2} to {highest:.2}"),
            figure(median(own().map(|sample| sample.per_second))),
            figure(median(own().map(|sample| sample.latency.p99_us))),
        ]);
    }
    table.note(
        "ratio: CPU per request to that of one reactor in the same round, median of the rounds",
    );
    table.note("the load generator takes turns with one of the reactors: requests/s cannot double");
    Ok(Outcome {
        tables: vec![table],
        raw: rounds.iter().map(Round::json).collect(),
    })
}

fn window(lab: &Lab, reactors: usize, round: usize) -> Result<Sample> {
    let arguments = ["--reactors".to_owned(), reactors.to_string()];
    let (kind, cache) = (Kind::Connection, lab.cache().to_owned());
    let server = lab.start_with_cache(kind, Guest::Echo, &arguments, cache, Place::AllCores)?;
    let result =
        sample(lab, &server, CELL, kind, round).with_context(|| format!("{reactors} reactors"));
    server.stop(result)
}

impl Round {
    fn ratio(&self, place: usize) -> f64 {
        self.samples[place].cpu_us / self.samples[0].cpu_us
    }

    fn json(&self) -> Value {
        let of = |(reactors, sample): (&usize, &Sample)| json!({ "reactors": reactors, "window": sample.json(CELL) });
        REACTORS.iter().zip(&self.samples).map(of).collect()
    }
}
