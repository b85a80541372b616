//! One operation of the host, so many times, for a counter of instructions outside: run with N and with 2N, the difference
//! is N operations. The host and its one client are in this process. It must not know who counts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use wisted::core::Deadlines;
use wisted::service::Isolation;
use wisted_bench::dial::{dial, exchange};
use wisted_bench::inside::{self, Plan};

/// Enough for one connection at a time and those that have not quite ended.
const INSTANCES_MAX: u32 = 4;
const MESSAGE: &[u8; 64] = &[0x55; 64];
/// Under a counter everything is slow.
const PATIENCE: Duration = Duration::from_secs(120);
/// Timers that are pending while one more is set and runs out.
const TIMERS_PENDING: u64 = 1000;

/// What is counted.
#[derive(Clone, Copy, ValueEnum)]
pub enum Operation {
    /// 64 bytes there and back on an open connection, an instance for each.
    Message,
    /// The same with one instance for all.
    MessageShared,
    /// Connect, 64 bytes there and back, close: with an instance of its own.
    Accept,
    /// `call-later` and its `timer-fired`, as far as the table of deadlines.
    Timer,
}

impl Operation {
    /// As it is typed, and called in the baseline.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// How many of it make a count.
    pub fn times(self) -> u32 {
        match self {
            Operation::Message | Operation::MessageShared => 500,
            Operation::Accept => 200,
            Operation::Timer => 2000,
        }
    }
}

/// Which operation, how often, and with what.
#[derive(Args)]
pub struct Arguments {
    operation: Operation,

    times: u32,

    /// A component that echoes
    #[arg(long)]
    guest: PathBuf,

    /// Where compiled code is kept
    #[arg(long)]
    cache: PathBuf,
}

/// Does it, and ends this process.
pub fn run(arguments: &Arguments) -> Result<()> {
    let times = arguments.times;
    match arguments.operation {
        Operation::Message => messages(serve(arguments, Isolation::Connection)?, times)?,
        Operation::MessageShared => messages(serve(arguments, Isolation::Service)?, times)?,
        Operation::Accept => connections(serve(arguments, Isolation::Connection)?, times)?,
        Operation::Timer => timers(times),
    }
    // The driver runs until the process ends.
    std::process::exit(0);
}

fn serve(arguments: &Arguments, isolation: Isolation) -> Result<SocketAddr> {
    let plan = Plan {
        guest: &arguments.guest,
        cache: &arguments.cache,
        isolation,
        instances_max: INSTANCES_MAX,
    };
    inside::serve(&plan, || {})
}

fn messages(address: SocketAddr, times: u32) -> Result<()> {
    let mut stream = connect(address)?;
    for _ in 0..times {
        exchange(&mut stream, MESSAGE)?;
    }
    Ok(())
}

fn connections(address: SocketAddr, times: u32) -> Result<()> {
    for _ in 0..times {
        let mut stream = connect(address)?;
        exchange(&mut stream, MESSAGE)?;
        stream.shutdown(std::net::Shutdown::Write)?;
        // Its end: the instance is gone, or will be before the next one is made.
        stream
            .read_exact(&mut [0])
            .err()
            .context("more came back than was sent")?;
    }
    Ok(())
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = dial(address, 0)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.flush()?;
    Ok(stream)
}

fn timers(times: u32) {
    let begin = Instant::now();
    let at = |ms: u64| begin + Duration::from_millis(ms);
    let mut deadlines = Deadlines::default();
    for number in 0..TIMERS_PENDING {
        deadlines.insert(at(number * 7 % TIMERS_PENDING), number);
    }
    for number in 0..u64::from(times) {
        deadlines.insert(at(number + TIMERS_PENDING), number);
        let cancelled = deadlines.insert(at(number + TIMERS_PENDING / 2), number);
        std::hint::black_box(deadlines.cancel(cancelled));
        std::hint::black_box(deadlines.pop_due(at(number)));
        std::hint::black_box(deadlines.next());
    }
}
