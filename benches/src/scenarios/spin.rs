//! Whether a guest that loops for ever harms its neighbours, and how long it lasts.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hdrhistogram::Histogram;
use serde_json::json;

use crate::artifacts::Guest;
use crate::dial::{PATIENCE, dial, exchange};
use crate::lab::Lab;
use crate::load::Load;
use crate::messages::Messages;
use crate::report::{Outcome, Table, figure};
use crate::server::Kind;
use crate::stats::{self, Latency};

const NEIGHBOURS: usize = 100;
const MESSAGE_BYTES: usize = 64;
/// What makes the guest loop in its handler.
const SPIN: &[u8] = b"do spin\n";
const CPU_DEADLINE: Duration = Duration::from_millis(100);
/// Times the CPU deadline: how soon a guest that loops must be ended, by the wall clock.
const CLOSED_AFTER_MAX: u32 = 2;

struct Sample {
    before: Histogram<u64>,
    during: Histogram<u64>,
    closed_after: Duration,
}

pub fn run(lab: &Lab) -> Result<Outcome> {
    let arguments = [
        "--call-cpu-max".to_owned(),
        format!("{}ms", CPU_DEADLINE.as_millis()),
    ];
    let server = lab.start(Kind::Connection, Guest::Hostile, &arguments)?;
    let result = measure(lab, server.address);
    let samples = server.stop(result)?;

    let mut table = Table::new(
        format!(
            "spin: {NEIGHBOURS} neighbours while a guest loops for ever, CPU deadline {} ms",
            CPU_DEADLINE.as_millis()
        ),
        1,
        &[
            "round",
            "closed after ms",
            "before p50 µs",
            "p99 µs",
            "max µs",
            "during p50 µs",
            "p99 µs",
            "max µs",
            "answers during",
        ],
    );
    let mut all = Sample {
        before: stats::histogram(),
        during: stats::histogram(),
        closed_after: Duration::ZERO,
    };
    for (index, sample) in samples.iter().enumerate() {
        all.before
            .add(&sample.before)
            .context("cannot add histograms")?;
        all.during
            .add(&sample.during)
            .context("cannot add histograms")?;
        all.closed_after = all.closed_after.max(sample.closed_after);
        table.row(sample.row((index + 1).to_string()));
    }
    table.row(all.row("all (worst)".into()));
    let verdict = match all.closed_after <= CLOSED_AFTER_MAX * CPU_DEADLINE {
        true => "met",
        false => "MISSED",
    };
    table.note(format!(
        "closed after: wall time from the request to loop to the close, the neighbours share the core; at most {CLOSED_AFTER_MAX} times the CPU deadline: {verdict}"
    ));
    table.note(format!(
        "neighbours lost: 0 of {NEIGHBOURS}; every request was answered, every byte verified"
    ));
    let raw = samples
        .iter()
        .map(|sample| {
            json!({
                "closed_after_ms": sample.closed_after.as_secs_f64() * 1e3,
                "before": Latency::of(&sample.before).json(),
                "during": Latency::of(&sample.during).json(),
                "answers_during": sample.during.len(),
            })
        })
        .collect();
    Ok(Outcome {
        tables: vec![table],
        raw,
    })
}

fn measure(lab: &Lab, server: SocketAddr) -> Result<Vec<Sample>> {
    let mut load = Load::connect(server, NEIGHBOURS, Messages::lines(MESSAGE_BYTES))
        .context("the neighbours")?
        .on_a_shared_core();
    (0..lab.settings.rounds(5, 2))
        .map(|round| {
            eprintln!("spin: round {}", round + 1);
            let before = load
                .run(lab.settings.window(1000, 300), || false)
                .context("the neighbours, before")?;
            // What was under way would be seen late while the offender connects.
            load.finish().context("the neighbours, before")?;
            let (begin, end) = offend(server, NEIGHBOURS + round)?;
            let mut ended = None;
            let mut during = load
                .run(PATIENCE, || {
                    ended = match end.try_recv() {
                        Ok(end) => Some(end),
                        Err(TryRecvError::Empty) => None,
                        Err(TryRecvError::Disconnected) => Some(Err(ErrorKind::BrokenPipe.into())),
                    };
                    ended.is_some()
                })
                .context("a neighbour was lost while a guest looped")?;
            // A request that the loop held up is answered after the offender's end, and counts all the more.
            let held_up = load
                .finish()
                .context("a neighbour was lost after a guest had looped")?;
            during
                .latency_ns
                .add(&held_up.latency_ns)
                .context("cannot add histograms")?;
            match ended {
                Some(Ok(end)) => Ok(Sample {
                    before: before.latency_ns,
                    during: during.latency_ns,
                    closed_after: end - begin,
                }),
                Some(Err(error)) => {
                    Err(error).context("the offender was not closed as it should be")
                }
                None => bail!(
                    "the offender was not closed within {} s",
                    PATIENCE.as_secs()
                ),
            }
        })
        .collect()
}

/// Makes a guest loop for ever. Returns when that began, and where the moment of its connection's end will come.
fn offend(
    server: SocketAddr,
    index: usize,
) -> Result<(Instant, Receiver<std::io::Result<Instant>>)> {
    let mut stream = dial(server, index).context("the offender cannot connect")?;
    // Longer than anybody waits for the outcome.
    stream.set_read_timeout(Some(2 * PATIENCE))?;
    exchange(&mut stream, b"echo hello\n").context("the offender, while it behaves")?;
    let begin = Instant::now();
    stream.write_all(SPIN).context("the offender cannot send")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let end = match stream.read(&mut [0; 64]) {
            Ok(0) => Ok(Instant::now()),
            Ok(_) => Err(std::io::Error::other("it answered instead of looping")),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(Instant::now()),
            Err(error) => Err(error),
        };
        // Nobody listens any more when a neighbour failed first.
        let _ = sender.send(end);
    });
    Ok((begin, receiver))
}

impl Sample {
    fn row(&self, name: String) -> Vec<String> {
        let (before, during) = (Latency::of(&self.before), Latency::of(&self.during));
        vec![
            name,
            figure(self.closed_after.as_secs_f64() * 1e3),
            figure(before.p50_us),
            figure(before.p99_us),
            figure(before.max_us),
            figure(during.p50_us),
            figure(during.p99_us),
            figure(during.max_us),
            self.during.len().to_string(),
        ]
    }
}
