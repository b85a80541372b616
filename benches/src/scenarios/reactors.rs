//! What a second reactor costs: the same echo with one reactor and with two, on the server's core and on all; it must not know how
//! load is made.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::echo::{Cell, Sample, sample};
use crate::artifacts::Guest;
use crate::cores::Place;
use crate::lab::Lab;
use crate::report::{Outcome, Table, figure};
use crate::server::Kind;
use crate::stats::{median, range};

/// Reactors and where they run: those with one come first, and those with two are measured against them.
const VARIANTS: [(usize, Place); 4] = [
    (1, Place::ServerCore),
    (1, Place::AllCores),
    (2, Place::ServerCore),
    (2, Place::AllCores),
];
const CELL: Cell = Cell {
    connections: 50,
    size_bytes: 64,
};

struct Round {
    samples: Vec<Sample>,
}

pub fn run(lab: &Lab) -> Result<Outcome> {
    let mut rounds = Vec::new();
    for number in 0..lab.settings.rounds(7, 1) {
        eprintln!("reactors: round {}", number + 1);
        let measured = VARIANTS.map(|(reactors, place)| window(lab, reactors, place, number));
        let samples = measured.into_iter().collect::<Result<_>>()?;
        rounds.push(Round { samples });
    }
    let mut table = Table::new(
        "reactors: 50 × 64 B ping-pong, an instance for each connection; medians of the rounds",
        2,
        &[
            "reactors",
            "on",
            "CPU µs/request",
            "ratio",
            "(lowest to highest)",
            "requests/s",
            "p99 µs",
        ],
    );
    for (variant, (reactors, place)) in VARIANTS.iter().enumerate() {
        let own = || rounds.iter().map(|round| &round.samples[variant]);
        let ratios = || rounds.iter().map(|round| round.ratio(variant));
        let (lowest, highest) = range(ratios());
        table.row([
            reactors.to_string(),
            name(*place).to_owned(),
            figure(median(own().map(|sample| sample.cpu_us))),
            format!("{:.2}", median(ratios())),
            format!("{lowest:.2} to {highest:.2}"),
            figure(median(own().map(|sample| sample.per_second))),
            figure(median(own().map(|sample| sample.latency.p99_us))),
        ]);
    }
    table.note(
        "ratio: CPU per request to that of one reactor in the same place and round, median of the rounds",
    );
    table.note("on all cores the load generator takes turns with one of the reactors: requests/s cannot double");
    Ok(Outcome {
        tables: vec![table],
        raw: rounds.iter().map(Round::json).collect(),
    })
}

fn name(place: Place) -> &'static str {
    match place {
        Place::ServerCore => "one core",
        Place::AllCores => "all cores",
    }
}

fn window(lab: &Lab, reactors: usize, place: Place, round: usize) -> Result<Sample> {
    let arguments = ["--reactors".to_owned(), reactors.to_string()];
    let (kind, cache) = (Kind::Connection, lab.cache().to_owned());
    let server = lab.start_with_cache(kind, Guest::Echo, &arguments, cache, place)?;
    let result = sample(lab, &server, CELL, kind, round, place)
        .with_context(|| format!("{reactors} reactors on {}", name(place)));
    server.stop(result)
}

impl Round {
    fn ratio(&self, variant: usize) -> f64 {
        let (_, place) = VARIANTS[variant];
        let with_one = VARIANTS.iter().position(|of| *of == (1, place));
        let one = &self.samples[with_one.unwrap_or_default()];
        self.samples[variant].cpu_us / one.cpu_us
    }

    fn json(&self) -> Value {
        let of = |((reactors, place), sample): (&(usize, Place), &Sample)| json!({ "reactors": reactors, "on": name(*place), "window": sample.json(CELL) });
        VARIANTS.iter().zip(&self.samples).map(of).collect()
    }
}
