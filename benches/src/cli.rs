//! What is typed, and the run of the chosen scenarios; it must not know how they measure.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Map, Value};

use crate::artifacts::{Artifacts, Binaries};
use crate::children;
use crate::cores::Cores;
use crate::lab::{Lab, PeerSettings, Settings};
use crate::peers::{Contender, Protocol};
use crate::scenarios::Scenario;
use crate::server::Kind;

/// Measures Wisted from outside, against a native server written by hand.
#[derive(Parser)]
#[command(
    name = "wisted-bench",
    bin_name = "cargo bench -p wisted-bench --",
    version
)]
struct Arguments {
    /// Which scenarios to run [default: all but languages, protocols, peers and turns]
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,

    /// Under a minute in all: shows that everything works, the figures are rough
    #[arg(long)]
    quick: bool,

    /// Rounds of every comparison [default: 5, with --quick 1 or 2; in `turns` 40 and 2]
    #[arg(long, value_name = "N", value_parser = positive)]
    rounds: Option<usize>,

    /// Length of a measured window [default: 2.5 s, with --quick 0.3 s; in `turns` 0.12 and 0.05 s]
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<Duration>,

    /// Write the raw figures there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// What is compared, in the order of a round
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "native,connection,service"
    )]
    servers: Vec<Kind>,

    /// Numbers of connections in `echo` and `turns`
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = positive, default_value = "1,50,1000")]
    connections: Vec<usize>,

    /// Message sizes in `echo` and `turns`, in bytes
    #[arg(long, value_name = "B,…", value_delimiter = ',', value_parser = positive, default_value = "64,4096,65536")]
    sizes: Vec<usize>,

    /// Another `wisted` that `turns` measures beside this one, such as the build before a change
    #[arg(long, value_name = "FILE", value_parser = binary)]
    against: Option<PathBuf>,

    /// Connections in `idle` and at the end of `peers` [default: 10000, with --quick 1000]
    #[arg(long, value_name = "N", value_parser = positive)]
    idle: Option<usize>,

    /// Added to every `wisted run`; may be repeated
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    wisted_arg: Vec<String>,

    /// Servers in `peers` [default: all]
    #[arg(long, value_enum, value_name = "SERVER,…", value_delimiter = ',')]
    peers: Vec<Contender>,

    /// Protocols in `peers`
    #[arg(long, value_enum, value_delimiter = ',', default_value = "echo,line")]
    protocols: Vec<Protocol>,

    /// Connections × message bytes in `peers` [default: 50x64,50x4096,1000x64, with --quick 50x64] and `languages` (50x64,50x4096)
    #[arg(long, value_name = "NxB,…", value_delimiter = ',', value_parser = cell)]
    cells: Option<Vec<(usize, usize)>>,

    /// Requests per second of the open loop in `peers`, all connections together
    #[arg(long, value_name = "N", value_parser = positive, default_value = "10000")]
    rate: usize,

    /// Where `peers` writes peers.md and peers.svg [default: docs, with --quick target/peers]
    #[arg(long, value_name = "FOLDER")]
    docs: Option<PathBuf>,

    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(_) => Err("is not a whole number".into()),
    }
}

fn binary(text: &str) -> Result<PathBuf, String> {
    fs::canonicalize(text).map_err(|error| error.to_string())
}

fn cell(text: &str) -> Result<(usize, usize), String> {
    let (connections, size) = text
        .split_once(['x', '×'])
        .ok_or("is not connections x bytes, such as 50x64")?;
    Ok((positive(connections)?, positive(size)?))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "is not a number")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(length) if length >= Duration::from_millis(50) && length <= Duration::from_secs(600) => {
            Ok(length)
        }
        _ => Err("must be between 0.05 and 600".into()),
    }
}

/// Runs the bench as the command line says.
pub fn main(binaries: Binaries) -> ExitCode {
    match run(Arguments::parse(), binaries) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every scenario could be measured.
fn run(arguments: Arguments, binaries: Binaries) -> Result<bool> {
    children::end_with_signals()?;
    raise_descriptor_limit()?;
    let scenarios = if arguments.scenarios.is_empty() {
        Scenario::all()
    } else {
        arguments.scenarios
    };
    let contenders = if arguments.peers.is_empty() {
        Contender::all()
    } else {
        arguments.peers
    };
    let settings = Settings {
        quick: arguments.quick,
        rounds: arguments.rounds,
        window: arguments.seconds,
        kinds: arguments.servers,
        connections: arguments.connections,
        sizes_bytes: arguments.sizes,
        against: arguments.against,
        idle: arguments.idle,
        wisted_arguments: arguments.wisted_arg,
        peers: PeerSettings {
            contenders,
            protocols: arguments.protocols,
            cells: arguments.cells,
            rate_per_second: arguments.rate as u64,
            docs: arguments.docs,
        },
    };
    let mut guests: Vec<_> = scenarios
        .iter()
        .flat_map(|scenario| scenario.guests(&settings.kinds, &settings.peers.contenders))
        .collect();
    guests.sort();
    guests.dedup();
    // Before this process is moved to one core, so that the compiler has them all.
    let artifacts = Artifacts::prepare(binaries, &guests)?;
    let cores = Cores::choose()?;
    cores.enter_load_core()?;
    println!(
        "{}; CPU times and latencies include the kernel's part",
        cores.description
    );

    let mut raw = Map::new();
    raw.insert("settings".into(), settings.json());
    let lab = Lab::new(settings, artifacts, cores)?;
    let machine = lab.machine().into_iter();
    let machine = machine.map(|(what, text)| (what.into(), text.into()));
    raw.insert("machine".into(), Value::Object(machine.collect()));
    let mut all_measured = true;
    for scenario in scenarios {
        let begin = Instant::now();
        match scenario.run(&lab) {
            Ok(outcome) => {
                outcome.tables.iter().for_each(|table| print!("{table}"));
                println!("  ({scenario} took {:.0} s)", begin.elapsed().as_secs_f64());
                raw.insert(scenario.to_string(), outcome.raw);
            }
            Err(error) => {
                all_measured = false;
                eprintln!("\nerror: {scenario}: {error:#}");
                raw.insert(
                    scenario.to_string(),
                    serde_json::json!({ "error": format!("{error:#}") }),
                );
            }
        }
        if let Some(path) = &arguments.json {
            // After each scenario, so that a later ctrl-c loses nothing.
            let text = format!("{:#}\n", Value::Object(raw.clone()));
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(all_measured)
}

/// Descriptors for thousands of connections, here and in the servers, which inherit it.
fn raise_descriptor_limit() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_cargo_adds_is_accepted() {
        let arguments = Arguments::parse_from([
            "bench",
            "echo",
            "--quick",
            "--wisted-arg",
            "--x=1",
            "--bench",
        ]);
        assert!(
            arguments.quick && arguments.wisted_arg == ["--x=1"] && arguments.servers.len() == 3
        );
    }

    #[test]
    fn cells_are_connections_and_bytes() {
        let arguments = Arguments::parse_from(["bench", "peers", "--cells", "50x64,1×4096"]);
        assert_eq!(arguments.cells, Some(vec![(50, 64), (1, 4096)]));
    }

    #[test]
    fn senseless_values_are_refused() {
        for bad in [
            ["--rounds", "0"],
            ["--seconds", "0"],
            ["--seconds", "nan"],
            ["--sizes", "x"],
            ["--cells", "50"],
            ["--cells", "0x64"],
            ["--rate", "0"],
            ["--against", "no such file"],
        ] {
            assert!(
                Arguments::try_parse_from(["bench", bad[0], bad[1]]).is_err(),
                "{bad:?}"
            );
        }
    }
}
