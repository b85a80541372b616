//! What four tenants that misbehave take from one that does not, on one reactor; and how soon a host of many services serves.

mod offenders;
mod starts;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::artifacts::Guest;
use crate::children;
use crate::cores::Place;
use crate::dial::free_addresses;
use crate::lab::Lab;
use crate::load::{Load, Window};
use crate::messages::Messages;
use crate::report::{Outcome, Table, figure};
use crate::stats::{Latency, median, range};

use offenders::{Offence, Offenders};

const CONNECTIONS: usize = 50;
const MESSAGE_BYTES: usize = 64;
/// What the good tenant must keep of its throughput, and how many times its p99 may be.
const THROUGHPUT_MIN: f64 = 0.7;
const P99_MAX: f64 = 3.0;

/// What every tenant's limits are but the good one's; all else is as it is without a configuration.
const LIMITS: &str = "cpu_share_max = 0.05\naccepts_per_second_max = 20\n";

/// A window of the good tenant's.
struct Phase {
    per_second: f64,
    latency: Latency,
}

struct Round {
    alone: Phase,
    beside: Phase,
    /// How many connections each offender has lost.
    ends: Vec<u64>,
}

pub fn run(lab: &Lab) -> Result<Outcome> {
    let mut rounds = Vec::new();
    for number in 0..lab.settings.rounds(5, 1) {
        eprintln!("tenants: round {}", number + 1);
        // Whatever changes on the machine meanwhile is not to favour one of them.
        let round = if number % 2 == 0 {
            let (alone, _) = phase(lab, number, false)?;
            let (beside, ends) = phase(lab, number, true)?;
            Round {
                alone,
                beside,
                ends,
            }
        } else {
            let (beside, ends) = phase(lab, number, true)?;
            let (alone, _) = phase(lab, number, false)?;
            Round {
                alone,
                beside,
                ends,
            }
        };
        rounds.push(round);
    }
    let starts = starts::run(lab)?;
    let raw = json!({
        "limits": LIMITS,
        "rounds": rounds.iter().map(Round::json).collect::<Vec<_>>(),
        "starts": starts.raw,
    });
    let mut tables = vec![table(&rounds)];
    tables.extend(starts.tables);
    Ok(Outcome { tables, raw })
}

fn table(rounds: &[Round]) -> Table {
    let mut table = Table::new(
        format!(
            "tenants: {CONNECTIONS} × {MESSAGE_BYTES} B ping-pong with a good tenant, alone and beside four bad ones, on one reactor"
        ),
        1,
        &[
            "round",
            "alone req/s",
            "p50 µs",
            "p99 µs",
            "beside req/s",
            "p50 µs",
            "p99 µs",
            "p99.9 µs",
            "max µs",
            "throughput",
            "p99",
        ],
    );
    for (index, round) in rounds.iter().enumerate() {
        let (alone, beside) = (&round.alone, &round.beside);
        table.row([
            (index + 1).to_string(),
            figure(alone.per_second),
            figure(alone.latency.p50_us),
            figure(alone.latency.p99_us),
            figure(beside.per_second),
            figure(beside.latency.p50_us),
            figure(beside.latency.p99_us),
            figure(beside.latency.p999_us),
            figure(beside.latency.max_us),
            format!("{:.2}", round.throughput()),
            format!("{:.2}", round.p99()),
        ]);
    }
    let mut verdict = |what: &str, of: fn(&Round) -> f64, limit: String, fits: fn(f64) -> bool| {
        let ratio = median(rounds.iter().map(of));
        let (lowest, highest) = range(rounds.iter().map(of));
        let met = if fits(ratio) { "met" } else { "MISSED" };
        table.note(format!(
            "{what} beside, as a ratio to alone: {ratio:.2} ({lowest:.2} to {highest:.2}); {limit}: {met}"
        ));
    };
    let least = format!("at least {THROUGHPUT_MIN}");
    verdict("throughput", Round::throughput, least, |ratio| {
        ratio >= THROUGHPUT_MIN
    });
    let most = format!("at most {P99_MAX}");
    verdict("p99", Round::p99, most, |ratio| ratio <= P99_MAX);
    let ends = |place: usize| median(rounds.iter().map(|round| round.ends[place] as f64));
    let ends: Vec<_> = Offence::ALL
        .iter()
        .enumerate()
        .map(|(place, offence)| format!("{} {}", offence.name(), figure(ends(place))))
        .collect();
    table.note(format!(
        "connections that the bad ones lost in a round: {}; each has {} that connect again at once",
        ends.join(", "),
        offenders::CONNECTIONS
    ));
    table.note(format!(
        "the bad ones' limits: {}; the good one has none of these",
        LIMITS.trim_end().replace('\n', ", ")
    ));
    table
}

/// The good tenant's window on a host of its own, and what the offenders lost meanwhile.
fn phase(lab: &Lab, round: usize, misbehave: bool) -> Result<(Phase, Vec<u64>)> {
    let folder = children::temporary_folder()?;
    let addresses = free_addresses(1 + Offence::ALL.len())?;
    let config = write_config(lab, &folder, &addresses)?;
    let server = lab.serve(&config, lab.cache(), Place::ServerCore)?;
    let result = measure(lab, &addresses, round, misbehave).with_context(|| {
        let how = if misbehave { "beside" } else { "alone" };
        format!("{how}, round {}", round + 1)
    });
    server.stop(result)
}

fn measure(
    lab: &Lab,
    addresses: &[SocketAddr],
    round: usize,
    misbehave: bool,
) -> Result<(Phase, Vec<u64>)> {
    let messages = Messages::binary(MESSAGE_BYTES);
    let mut load = Load::connect(addresses[0], CONNECTIONS, messages)?.on_a_shared_core();
    let offenders = misbehave.then(|| Offenders::start(&addresses[1..], round));
    // Long enough for the offenders to have used up what they may do at once.
    let warm_up = lab.settings.window(2_000, 500);
    load.run(warm_up, || false).context("warming up")?;
    let Window {
        requests,
        elapsed,
        latency_ns,
        ..
    } = load.run(lab.settings.window(4_000, 500), || false)?;
    load.finish()?;
    let ends = offenders.map_or(Vec::new(), Offenders::finish);
    let phase = Phase {
        per_second: requests as f64 / elapsed.as_secs_f64(),
        latency: Latency::of(&latency_ns),
    };
    Ok((phase, ends))
}

fn write_config(
    lab: &Lab,
    folder: &TempDir,
    addresses: &[SocketAddr],
) -> Result<std::path::PathBuf> {
    let mut text = format!("[host]\nreactors = 1\n\n[defaults.limits]\n{LIMITS}\n");
    let echo = lab.guest(Guest::Echo)?;
    text += &service("good", echo, addresses[0]);
    text += "limits = { cpu_share_max = \"none\", accepts_per_second_max = \"none\" }\n\n";
    let hostile = lab.guest(Guest::Hostile)?;
    for (offence, address) in Offence::ALL.iter().zip(&addresses[1..]) {
        text += &service(offence.name(), hostile, *address);
    }
    let config = folder.path().join("wisted.toml");
    std::fs::write(&config, text).context("cannot write the configuration")?;
    Ok(config)
}

fn service(name: &str, component: &Path, address: SocketAddr) -> String {
    let component = component.display();
    format!("[services.{name}]\ncomponent = \"{component}\"\nlisten = \"tcp:{address}\"\n")
}

impl Round {
    fn throughput(&self) -> f64 {
        self.beside.per_second / self.alone.per_second
    }

    fn p99(&self) -> f64 {
        self.beside.latency.p99_us / self.alone.latency.p99_us
    }

    fn json(&self) -> Value {
        let phase = |phase: &Phase| json!({ "per_second": phase.per_second, "latency": phase.latency.json() });
        json!({ "alone": phase(&self.alone), "beside": phase(&self.beside), "ends": self.ends })
    }
}
