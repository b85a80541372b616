//! What real protocols cost beside the servers written in C that people know, asked by clients that others wrote; it must not
//! know how either side speaks.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::artifacts::Guest;
use crate::children;
use crate::dial::free_addresses;
use crate::lab::Lab;
use crate::peers::recipe;
use crate::peers::tools::{Tool, Tools, from_debian};
use crate::report::{Outcome, Table, figure};
use crate::server::{Found, Identity, Kind, Server};
use crate::stats::{median, range, ratios};

const CONNECTIONS: usize = 50;
/// Of the body that is asked for.
const BODY_BYTES: usize = 1024;
/// What `redis-benchmark` asks for, by its names, and in how many tests each.
const COMMANDS: [(&str, u64); 4] = [("ping", 2), ("set", 1), ("get", 1), ("incr", 1)];
/// How many requests each connection sends at a time, and how many a server then answers in a second, roughly: `redis-benchmark`
/// takes a number of requests and not a time.
const PIPELINED: [(u64, f64); 2] = [(1, 75_000.0), (16, 1_000_000.0)];

/// What is asked of both servers.
#[derive(Clone, Copy, PartialEq)]
enum Load {
    /// One command of `redis-benchmark`, so many requests at a time.
    Redis {
        command: &'static str,
        tests: u64,
        pipelined: u64,
        per_second: f64,
    },
    /// `wrk` on connections that stay open.
    Http,
}

struct Clients {
    redis_benchmark: Tool,
    wrk: Tool,
}

/// Whose figures they are.
#[derive(Clone, Copy)]
struct Source {
    server: &'static str,
    is_ours: bool,
    round: usize,
}

struct Sample {
    source: Source,
    load: Load,
    cpu_us: f64,
    per_second: f64,
}

/// What a client says that it has done.
#[derive(Debug, PartialEq)]
struct Done {
    requests: f64,
    per_second: f64,
}

pub fn run(lab: &Lab) -> Result<Outcome> {
    let redis_server = from_debian("redis-server", &["redis-server"], &["--version"])?;
    let nginx = from_debian("nginx", &["nginx-core"], &["-v"])?;
    let clients = Clients {
        redis_benchmark: from_debian("redis-benchmark", &["redis-tools"], &["--version"])?,
        wrk: from_debian("wrk", &["wrk"], &["-v"])?,
    };
    let redis_loads = redis_loads();
    let mut samples = Vec::new();
    for round in 0..lab.settings.rounds(5, 1) {
        eprintln!("protocols: round {}", round + 1);
        let folder = children::temporary_folder()?;
        let source = |server, is_ours| Source {
            server,
            is_ours,
            round,
        };
        let server = start_redis(lab, &redis_server, folder.path())?;
        let theirs = source("redis-server", false);
        samples.extend(sample_all(lab, &clients, server, theirs, &redis_loads)?);

        let server = lab.start(Kind::Service, Guest::Resp, &[])?;
        let ours = source("wisted service, resp", true);
        samples.extend(sample_all(lab, &clients, server, ours, &redis_loads)?);

        let server = start_nginx(lab, &nginx, folder.path())?;
        let theirs = source("nginx", false);
        samples.extend(sample_all(lab, &clients, server, theirs, &[Load::Http])?);

        let server = lab.start(Kind::Connection, Guest::Http, &[])?;
        let ours = source("wisted connection, http", true);
        samples.extend(sample_all(lab, &clients, server, ours, &[Load::Http])?);
    }
    let mut table = table(&samples);
    for tool in [
        &redis_server,
        &nginx,
        &clients.redis_benchmark,
        &clients.wrk,
    ] {
        table.note(tool.version.clone());
    }
    Ok(Outcome {
        tables: vec![table],
        raw: samples.iter().map(Sample::json).collect(),
    })
}

fn redis_loads() -> Vec<Load> {
    let with = |(pipelined, per_second)| {
        COMMANDS.map(|(command, tests)| Load::Redis {
            command,
            tests,
            pipelined,
            per_second,
        })
    };
    PIPELINED.into_iter().flat_map(with).collect()
}

fn start_redis(lab: &Lab, tool: &Tool, folder: &Path) -> Result<Server> {
    let address = free_addresses(1)?[0];
    let mut command = Command::new(&tool.program);
    command
        .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder);
    lab.start_command(command, theirs("redis-server", address))
}

fn start_nginx(lab: &Lab, tool: &Tool, folder: &Path) -> Result<Server> {
    let address = free_addresses(1)?[0];
    let files = folder.join("files/bytes");
    fs::create_dir_all(&files).context("cannot make a folder")?;
    fs::write(files.join(BODY_BYTES.to_string()), vec![b'x'; BODY_BYTES])
        .context("cannot write a file")?;
    let is_root = rustix::process::geteuid().is_root();
    let fill = [("@USER@", if is_root { "user root;" } else { "" })];
    let tools = Tools::of_target(lab.target());
    let command = recipe::nginx(&tools, tool, "http.conf", address, folder, &fill)?;
    lab.start_command(command, theirs("nginx", address))
}

fn theirs(name: &str, address: SocketAddr) -> Identity {
    Identity {
        name: name.into(),
        must_exit_with_zero: false,
        found: Found::At(address),
    }
}

/// Asks a server for all `loads`, and stops it.
fn sample_all(
    lab: &Lab,
    clients: &Clients,
    server: Server,
    source: Source,
    loads: &[Load],
) -> Result<Vec<Sample>> {
    let sample = |&load| {
        let (cpu_us, per_second) = sample(lab, clients, &server, load)
            .with_context(|| format!("{}: {load}", source.server))?;
        Ok(Sample {
            source,
            load,
            cpu_us,
            per_second,
        })
    };
    let samples = loads.iter().map(sample).collect();
    server.stop(samples)
}

/// The server's CPU time for a request, in microseconds, and requests in a second.
fn sample(lab: &Lab, clients: &Clients, server: &Server, load: Load) -> Result<(f64, f64)> {
    let window = lab.settings.window(2500, 300);
    ask(clients, server.address, load, window.as_secs_f64() / 10.0)?;
    let before = server.cpu_ns()?;
    let done = ask(clients, server.address, load, window.as_secs_f64())?;
    let used = server.cpu_ns()?.saturating_sub(before);
    Ok((used as f64 / 1e3 / done.requests, done.per_second))
}

/// Runs the load's client for about so many seconds.
fn ask(clients: &Clients, address: SocketAddr, load: Load, seconds: f64) -> Result<Done> {
    match load {
        Load::Redis {
            command,
            tests,
            pipelined,
            per_second,
        } => {
            let each = per_second * seconds / tests as f64;
            let requests = (each as u64).max(1000);
            let mut client = Command::new(&clients.redis_benchmark.program);
            client
                .args([
                    "-h",
                    "127.0.0.1",
                    "-p",
                    &address.port().to_string(),
                    "--csv",
                ])
                .args(["-t", command, "-c", &CONNECTIONS.to_string()])
                .args(["-P", &pipelined.to_string(), "-n", &requests.to_string()]);
            redis_done(&said(&mut client)?, tests, requests)
        }
        Load::Http => {
            let mut client = Command::new(&clients.wrk.program);
            // It takes whole seconds.
            client
                .args(["-t", "1", "-c", &CONNECTIONS.to_string()])
                .args(["-d", &format!("{}s", seconds.ceil().max(1.0))])
                .arg(format!("http://{address}/bytes/{BODY_BYTES}"));
            wrk_done(&said(&mut client)?)
        }
    }
}

/// What a client prints; that it prints anything on standard error is a failure, too.
fn said(client: &mut Command) -> Result<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = client
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", client.get_program().display()))?;
    let (stdout, stderr) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    ensure!(
        status.success() && stderr.is_empty(),
        "{client:?} ended with {status}: {stderr}{stdout}"
    );
    Ok(stdout.into_owned())
}

/// Of `redis-benchmark --csv`: a heading, and for each test its name and its requests per second.
fn redis_done(text: &str, tests: u64, requests: u64) -> Result<Done> {
    let rates = text
        .lines()
        .skip(1)
        .map(|line| {
            let rate = line.split(',').nth(1).context("a line without figures")?;
            let rate = rate.trim_matches('"').parse::<f64>();
            rate.with_context(|| format!("redis-benchmark said {line:?}"))
        })
        .collect::<Result<Vec<_>>>()?;
    ensure!(rates.len() as u64 == tests, "redis-benchmark said {text:?}");
    let seconds: f64 = rates.iter().map(|rate| requests as f64 / rate).sum();
    let requests = (requests * tests) as f64;
    Ok(Done {
        requests,
        per_second: requests / seconds,
    })
}

/// Of `wrk`'s report.
fn wrk_done(text: &str) -> Result<Done> {
    if let Some(failures) = text
        .lines()
        .find(|line| line.contains("Socket errors") || line.contains("Non-2xx"))
    {
        bail!("wrk reports failures: {}", failures.trim());
    }
    let requests = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "));
    let rate = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    match (requests, rate) {
        (Some((requests, _)), Some(rate)) => Ok(Done {
            requests: requests.parse().context("wrk's number of requests")?,
            per_second: rate.trim().parse().context("wrk's rate")?,
        }),
        _ => bail!("wrk said {text:?}"),
    }
}

fn table(samples: &[Sample]) -> Table {
    let mut table = Table::new(
        format!("protocols: {CONNECTIONS} connections, medians of the rounds"),
        2,
        &[
            "load",
            "server",
            "CPU µs/request",
            "ratio",
            "(lowest to highest)",
            "requests/s",
        ],
    );
    let mut firsts: Vec<_> = samples
        .iter()
        .filter(|sample| sample.source.round == 0)
        .collect();
    let place = |load| samples.iter().position(|sample| sample.load == load);
    firsts.sort_by_key(|sample| (place(sample.load), sample.source.is_ours));
    for first in firsts {
        let of_load = samples.iter().filter(|sample| sample.load == first.load);
        let (ours, theirs): (Vec<_>, Vec<_>) = of_load.partition(|sample| sample.source.is_ours);
        let own = if first.source.is_ours { &ours } else { &theirs };
        let of_round = |sample: &&Sample| (sample.source.round, sample.cpu_us);
        let ratios = ratios(own.iter().map(of_round), theirs.iter().map(of_round));
        let (lowest, highest) = range(ratios.iter().copied());
        table.row([
            first.load.to_string(),
            first.source.server.to_owned(),
            figure(median(own.iter().map(|sample| sample.cpu_us))),
            format!("{:.2}", median(ratios.iter().copied())),
            format!("{lowest:.2} to {highest:.2}"),
            figure(median(own.iter().map(|sample| sample.per_second))),
        ]);
    }
    table.note("ratio: CPU per request to that of the server written in C in the same round, median of the rounds");
    table
}

impl Sample {
    fn json(&self) -> Value {
        json!({
            "load": self.load.to_string(),
            "server": self.source.server,
            "round": self.source.round + 1,
            "server_cpu_us_per_request": self.cpu_us,
            "requests_per_second": self.per_second,
        })
    }
}

impl std::fmt::Display for Load {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Load::Redis {
                command, pipelined, ..
            } => write!(formatter, "{command} -P {pipelined}"),
            Load::Http => write!(formatter, "GET, {BODY_BYTES} B"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_benchmark_says_is_understood() {
        let text = "\"test\",\"rps\",\"avg_latency_ms\"\n\"PING_INLINE\",\"50000.00\",\"0.5\"\n\"PING_MBULK\",\"100000.00\",\"0.5\"\n";
        let done = redis_done(text, 2, 100_000).unwrap();
        assert_eq!(done.requests, 200_000.0);
        assert!((done.per_second - 200_000.0 / 3.0).abs() < 1.0);
        assert!(redis_done(text, 1, 100_000).is_err());
        assert!(redis_done("\"test\",\"rps\"\n\"GET\",\"none\"\n", 1, 1).is_err());
    }

    #[test]
    fn what_wrk_says_is_understood_and_failures_are_failures() {
        let text =
            "Running 1s test\n  4567 requests in 1.00s, 5.60MB read\nRequests/sec:   4560.25\n";
        let done = wrk_done(text).unwrap();
        assert_eq!(
            done,
            Done {
                requests: 4567.0,
                per_second: 4560.25
            }
        );
        let failed = format!("{text}  Non-2xx or 3xx responses: 3\n");
        assert!(
            wrk_done(&failed)
                .unwrap_err()
                .to_string()
                .contains("responses: 3")
        );
        assert!(wrk_done("").is_err());
    }
}
