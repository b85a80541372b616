//! A server process under test: started, found, measured, stopped; it must not know what is asked of it.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::net::{SocketAddr, TcpStream};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::artifacts::Guest;
use crate::children::Reaped;
use crate::cores::{Cores, Place};
use crate::proc;

/// A 12 MB component compiles in 4 s on a free machine.
const START_MAX: Duration = Duration::from_secs(60);
/// The host may wait this long for connections that are being closed.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Between two attempts to connect to a server that does not say when it listens.
const CONNECT_INTERVAL: Duration = Duration::from_millis(2);
const LOG_TAIL_BYTES: u64 = 2000;

/// A server that a scenario measures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub enum Kind {
    /// The baseline: mio by hand.
    Native,
    /// The baseline once more: how far two runs of the same thing lie apart.
    NativeAgain,
    /// Wisted with an instance for each connection.
    Connection,
    /// Wisted with one instance for all connections.
    Service,
    /// Wisted with an instance for each connection of a guest that may wait, and so is called on fibers.
    Fiber,
}

impl Kind {
    /// Whether the host is needed for it.
    pub fn is_wisted(self) -> bool {
        matches!(self, Kind::Connection | Kind::Service | Kind::Fiber)
    }

    /// The host's name for it.
    pub fn isolation(self) -> Option<&'static str> {
        match self {
            Kind::Native | Kind::NativeAgain => None,
            Kind::Connection | Kind::Fiber => Some("connection"),
            Kind::Service => Some("service"),
        }
    }

    /// The guest that it runs where `guest` is asked for.
    pub fn guest(self, guest: Guest) -> Guest {
        match (self, guest) {
            (Kind::Fiber, Guest::Echo) => Guest::Fiber,
            _ => guest,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Kind::Native => "native",
            Kind::NativeAgain => "native again",
            Kind::Connection => "wisted connection",
            Kind::Service => "wisted service",
            Kind::Fiber => "wisted on fibers",
        })
    }
}

/// What a command starts, for those who wait for it, stop it and speak of it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// For people.
    pub name: String,
    /// Whether it ends with 0 on SIGTERM.
    pub must_exit_with_zero: bool,
    /// How its address becomes known.
    pub found: Found,
}

/// How a server's address becomes known.
#[derive(Clone, Copy, Debug)]
pub enum Found {
    /// It prints a line with it.
    Announced,
    /// It was told; it listens once somebody can connect.
    At(SocketAddr),
}

impl From<Kind> for Identity {
    fn from(kind: Kind) -> Identity {
        Identity {
            name: kind.to_string(),
            must_exit_with_zero: kind.is_wisted(),
            found: Found::Announced,
        }
    }
}

/// A running server.
pub struct Server {
    process: Reaped,
    /// Where it listens.
    pub address: SocketAddr,
    /// From before it was started to its line about listening.
    pub start_time: Duration,
    log: File,
    must_exit_with_zero: bool,
}

impl Server {
    /// Starts `command` and waits until it listens. It is over with `Drop` at the latest.
    pub fn start(
        mut command: Command,
        identity: Identity,
        cores: &Cores,
        place: Place,
    ) -> Result<Server> {
        // A file and not a pipe: what it logs must cost the load generator nothing.
        let mut log = tempfile::tempfile().context("cannot create a temporary file")?;
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(log.try_clone().context("cannot duplicate a file")?);
        let begin = Instant::now();
        let mut process = cores.spawning_at(place, || Reaped::spawn(&mut command))??;
        let stdout = process
            .take_stdout()
            .context("the server has no standard output")?;
        let announced = first_endpoint(stdout);
        let listening = match identity.found {
            Found::Announced => announced.recv_timeout(START_MAX).ok(),
            Found::At(address) => connectable(address, &mut process)?,
        };
        match listening {
            Some((address, moment)) => {
                let start_time = moment - begin;
                Ok(Server {
                    process,
                    address,
                    start_time,
                    log,
                    must_exit_with_zero: identity.must_exit_with_zero,
                })
            }
            None => {
                // Its output ends a moment before it does.
                std::thread::sleep(Duration::from_millis(50));
                let state = match process.ended()? {
                    Some(status) => format!("it ended with {status}"),
                    None => "it still runs".into(),
                };
                drop(process);
                let log = tail(&mut log);
                let name = identity.name;
                bail!("{name} does not listen ({state})\ncommand: {command:?}\n{log}")
            }
        }
    }

    /// The CPU time of all its threads, and those of its child processes.
    pub fn cpu_ns(&self) -> Result<u64> {
        proc::family(self.process.id())
            .into_iter()
            .map(proc::cpu_ns)
            .sum()
    }

    /// Its memory and that of its child processes.
    pub fn memory(&self) -> Result<proc::Memory> {
        proc::family(self.process.id())
            .into_iter()
            .map(proc::memory)
            .sum()
    }

    /// Stops it, to be called after its connections are closed. On success of `result` tells on stderr when it did not
    /// stop as it should; to a failure adds what is known about the server.
    pub fn stop<T>(mut self, result: Result<T>) -> Result<T> {
        let early = self.process.ended()?;
        if let Err(error) = result {
            let state = early.map_or("was still running".into(), |status| {
                format!("had ended with {status}")
            });
            drop(self.process);
            let log = tail(&mut self.log);
            bail!("{error:#}\n  the server {state}; {log}");
        }
        let status = self.process.terminate(DRAIN_MAX)?;
        match status {
            None => eprintln!(
                "warning: the server did not stop within {} s of SIGTERM",
                DRAIN_MAX.as_secs()
            ),
            Some(status) if self.must_exit_with_zero && !status.success() => {
                eprintln!(
                    "warning: the server ended with {status} instead of 0\n{}",
                    tail(&mut self.log)
                );
            }
            Some(_) => {}
        }
        result
    }
}

/// When somebody can connect to `address`; `None` when `process` ends before that or takes too long.
fn connectable(address: SocketAddr, process: &mut Reaped) -> Result<Option<(SocketAddr, Instant)>> {
    let begin = Instant::now();
    while begin.elapsed() < START_MAX && process.ended()?.is_none() {
        if TcpStream::connect(address).is_ok() {
            return Ok(Some((address, Instant::now())));
        }
        std::thread::sleep(CONNECT_INTERVAL);
    }
    Ok(None)
}

/// Reads `stdout` to its end in a thread, so that the server never waits for its reader, and reports the first endpoint
/// and when it was there.
fn first_endpoint(stdout: ChildStdout) -> mpsc::Receiver<(SocketAddr, Instant)> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut sender = Some(sender);
        for line in BufReader::new(stdout).split(b'\n') {
            let Ok(line) = line else { return };
            if let Some(address) = endpoint(&String::from_utf8_lossy(&line))
                && let Some(sender) = sender.take()
            {
                // Nobody listens any more when the server took too long.
                let _ = sender.send((address, Instant::now()));
            }
        }
    });
    receiver
}

fn endpoint(line: &str) -> Option<SocketAddr> {
    line.match_indices("127.0.0.1:").find_map(|(index, _)| {
        let rest = &line[index..];
        let end =
            rest.find(|character: char| !character.is_ascii_digit() && !".:".contains(character));
        let address: SocketAddr = rest[..end.unwrap_or(rest.len())]
            .trim_end_matches(['.', ':'])
            .parse()
            .ok()?;
        (address.port() != 0).then_some(address)
    })
}

fn tail(log: &mut File) -> String {
    let length = log.seek(SeekFrom::End(0)).unwrap_or(0);
    let mut bytes = Vec::new();
    let read = log
        .seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))
        .and_then(|_| log.read_to_end(&mut bytes));
    match read {
        Ok(0) => "it logged nothing".into(),
        Ok(_) => format!(
            "its log ends with:\n{}",
            String::from_utf8_lossy(&bytes).trim_end()
        ),
        Err(error) => format!("its log cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_found_in_any_line() {
        let port = |line| endpoint(line).map(|address| address.port());
        assert_eq!(port("listening on tcp:127.0.0.1:8000"), Some(8000));
        assert_eq!(
            port(r#"{"endpoint":"tcp:127.0.0.1:8000","n":1}"#),
            Some(8000)
        );
        assert_eq!(
            port("echo: 127.0.0.1:0 is now tcp:127.0.0.1:8000."),
            Some(8000)
        );
        assert_eq!(port("starting"), None);
    }
}
