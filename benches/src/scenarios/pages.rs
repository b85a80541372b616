//! Whether a handler that fetches pages and then sleeps for two seconds delays a neighbour on the same server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::artifacts::Guest;
use crate::dial::{PATIENCE, dial, exchange, no_answer};
use crate::lab::Lab;
use crate::messages::Messages;
use crate::page_server::PageServer;
use crate::report::{Outcome, Table, figure};
use crate::server::Kind;
use crate::stats::{self, Latency, median};

const MESSAGE_BYTES: usize = 64;
/// A thousand round trips, spread over most of the sleep: what disturbs may do so at its beginning only, or later.
const BURSTS: usize = 10;
const BURST_ROUND_TRIPS: usize = 100;
const BURST_PAUSE: Duration = Duration::from_millis(120);
/// The guest sleeps for two seconds; less a little for clocks.
const SLEEP_MIN: Duration = Duration::from_millis(1950);
const PROBE_PAUSE: Duration = Duration::from_millis(1);
const PAGES_EACH: usize = 2;
/// The requirement on the ratio of the p99s.
const RATIO_MAX: f64 = 2.0;
/// No noise of the machine takes so long: a round trip that does has waited for the sleeper.
const HELD_UP: Duration = Duration::from_secs(1);
/// Sent after `go` on the connection that sleeps: its answer tells when the handler had ended.
const AFTERWARDS: &[u8] = b"echo afterwards\n";

struct Sample {
    undisturbed: Latency,
    disturbed: Latency,
    /// The neighbour's longest round trip from `go` until the pages were fetched.
    while_fetching: Duration,
    answered_after: Duration,
}

pub fn run(lab: &Lab) -> Result<Outcome> {
    let pages = PageServer::start()?;
    let origin = pages.address;
    let mut arguments = vec!["--allow-fetch".to_owned(), origin.to_string()];
    for (key, path) in [("url1", "a"), ("url2", "b")] {
        arguments.extend([
            "--config".to_owned(),
            format!("{key}=http://{origin}/{path}"),
        ]);
    }
    let server = lab.start(Kind::Connection, Guest::Pages, &arguments)?;
    let rounds = lab.settings.rounds(5, 2);
    let result = measure(server.address, &pages, rounds);
    let samples = server.stop(result)?;

    let raw = samples.iter().map(Sample::json).collect();
    Ok(Outcome {
        tables: vec![tabulate(&samples)],
        raw,
    })
}

fn tabulate(samples: &[Sample]) -> Table {
    let mut table = Table::new(
        format!(
            "pages: {} echo round trips while another connection's handler sleeps",
            BURSTS * BURST_ROUND_TRIPS
        ),
        1,
        &[
            "round",
            "undisturbed p50 µs",
            "p99 µs",
            "max µs",
            "during p50 µs",
            "p99 µs",
            "max µs",
            "p99 ratio",
            "while fetching max µs",
            "the sleeper's answer after s",
        ],
    );
    for (index, sample) in samples.iter().enumerate() {
        table.row([
            (index + 1).to_string(),
            figure(sample.undisturbed.p50_us),
            figure(sample.undisturbed.p99_us),
            figure(sample.undisturbed.max_us),
            figure(sample.disturbed.p50_us),
            figure(sample.disturbed.p99_us),
            figure(sample.disturbed.max_us),
            figure(sample.ratio()),
            figure(sample.while_fetching.as_secs_f64() * 1e6),
            figure(sample.answered_after.as_secs_f64()),
        ]);
    }
    let median_ratio = median(samples.iter().map(Sample::ratio));
    // A p99 would hide a single round trip that took all of the sleep.
    let longest = samples
        .iter()
        .map(Sample::longest)
        .max()
        .unwrap_or_default();
    let met = median_ratio < RATIO_MAX && longest < HELD_UP;
    let verdict = if met { "met" } else { "MISSED" };
    table.note(format!(
        "median p99 ratio {}; required: below {RATIO_MAX}, and no round trip of {} s or more: {verdict}",
        figure(median_ratio),
        HELD_UP.as_secs()
    ));
    table
}

impl Sample {
    fn ratio(&self) -> f64 {
        self.disturbed.p99_us / self.undisturbed.p99_us
    }

    /// The neighbour's longest wait from `go` on.
    fn longest(&self) -> Duration {
        self.while_fetching
            .max(Duration::from_secs_f64(self.disturbed.max_us / 1e6))
    }

    fn json(&self) -> Value {
        json!({
            "undisturbed": self.undisturbed.json(),
            "during": self.disturbed.json(),
            "while_fetching_max_us": self.while_fetching.as_secs_f64() * 1e6,
            "p99_ratio": self.ratio(),
            "sleeper_answered_after_s": self.answered_after.as_secs_f64(),
        })
    }
}

fn measure(server: SocketAddr, pages: &PageServer, rounds: usize) -> Result<Vec<Sample>> {
    let messages = Messages::lines(MESSAGE_BYTES);
    let mut neighbour = connect(server, 0)?;
    bursts(&mut neighbour, &messages).context("the neighbour's warm-up")?;
    (0..rounds)
        .map(|round| {
            eprintln!("pages: round {}", round + 1);
            let undisturbed = bursts(&mut neighbour, &messages).context("the neighbour, undisturbed")?;
            let mut sleeper = connect(server, round + 1)?;
            let expected = pages.served() + PAGES_EACH;
            let begin = Instant::now();
            sleeper.write_all(b"go\n").context("cannot send `go`")?;
            let while_fetching = probe_until(&mut neighbour, &messages, || pages.served() >= expected)?;
            sleeper.write_all(AFTERWARDS).context("cannot send to the sleeper")?;
            let answer = await_answer(sleeper);
            let disturbed =
                bursts(&mut neighbour, &messages).context("the neighbour, while a handler sleeps")?;
            let measured_until = begin.elapsed();
            let answered_after = answer
                .recv()
                .context("the thread that waits for the sleeper is gone")??
                .duration_since(begin);
            ensure!(
                answered_after >= SLEEP_MIN,
                "the handler did not sleep for two seconds: it had ended after {answered_after:?}"
            );
            // A p99 hides a single round trip that took all of the sleep; this does not.
            ensure!(
                measured_until < answered_after,
                "the neighbour was held up by the sleep: its round trips ended after {measured_until:?}, the sleep \
                 after {answered_after:?}, the longest took {} µs",
                figure(Latency::of(&disturbed).max_us)
            );
            Ok(Sample {
                undisturbed: Latency::of(&undisturbed),
                disturbed: Latency::of(&disturbed),
                while_fetching,
                answered_after,
            })
        })
        .collect()
}

fn connect(server: SocketAddr, index: usize) -> Result<TcpStream> {
    let stream = dial(server, index).context("cannot connect")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Round trips one after the other, in bursts with pauses between them, which are not measured.
fn bursts(stream: &mut TcpStream, messages: &Messages) -> Result<Histogram<u64>> {
    let mut latency_ns = stats::histogram();
    for burst in 0..BURSTS {
        for trip in 0..BURST_ROUND_TRIPS {
            let message = messages.get(0, (burst * BURST_ROUND_TRIPS + trip) as u64);
            let begin = Instant::now();
            exchange(stream, message)?;
            latency_ns.saturating_record(begin.elapsed().as_nanos() as u64);
        }
        std::thread::sleep(BURST_PAUSE);
    }
    Ok(latency_ns)
}

/// Single round trips until `done`, and the longest of them. Once the pages were fetched the handler has certainly
/// begun, and what the sleeper is sent afterwards is not part of `go`.
fn probe_until(
    stream: &mut TcpStream,
    messages: &Messages,
    done: impl Fn() -> bool,
) -> Result<Duration> {
    let begin = Instant::now();
    let mut longest = Duration::ZERO;
    while !done() {
        ensure!(
            begin.elapsed() < PATIENCE,
            "the guest did not fetch its {PAGES_EACH} pages"
        );
        let sent = Instant::now();
        exchange(stream, messages.get(0, 0)).context("the neighbour, while pages are fetched")?;
        longest = longest.max(sent.elapsed());
        std::thread::sleep(PROBE_PAUSE);
    }
    Ok(longest)
}

/// Reads, in a thread, until the answer to `AFTERWARDS`, around which the guest may write about its pages. When it
/// was there, or why it never was, comes through the channel.
fn await_answer(mut sleeper: TcpStream) -> Receiver<Result<Instant>> {
    const ANSWER_BYTES_MAX: usize = 64 * 1024;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut received = Vec::new();
        let mut buffer = [0; 4096];
        let result = loop {
            match sleeper.read(&mut buffer) {
                Ok(0) => break Err(anyhow!("the server closed the sleeper's connection")),
                Ok(count) => received.extend_from_slice(&buffer[..count]),
                Err(error) => break Err(no_answer(error).context("the sleeper's answer")),
            }
            // Others may follow it: what the guest writes when its pages are there.
            if received
                .windows(AFTERWARDS.len())
                .any(|part| part == AFTERWARDS)
            {
                break Ok(Instant::now());
            }
            if received.len() > ANSWER_BYTES_MAX {
                break Err(anyhow!("the sleeper writes without end"));
            }
        };
        // Nobody listens any more when the neighbour failed first.
        let _ = sender.send(result);
    });
    receiver
}
