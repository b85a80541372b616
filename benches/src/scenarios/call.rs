//! What a call into a guest costs by itself, and what an instance does, without sockets; it must not know the driver.

use std::path::Path;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use wisted::core::{CloseReason, DirectWire, Sent};
use wisted::guest::{
    Call, CodeCache, GuestCode, GuestHost, Instance, Origin, Outbox, PoolSize, Returned, Step,
    memory_images_suit,
};
use wisted::limits::Limits;

use crate::artifacts::Guest;
use crate::children;
use crate::lab::Lab;
use crate::report::{Outcome, Table, figure};
use crate::stats::{median, range};

const SIZES_BYTES: [usize; 3] = [64, 4 << 10, 64 << 10];
/// Calls between two looks at the clock.
const BATCH: u32 = 100;

/// A guest with what its instances need.
pub(super) struct Subject {
    host: Arc<GuestHost>,
    code: Arc<GuestCode>,
    origin: Arc<Origin>,
    limits: Arc<Limits>,
}

pub fn run(lab: &Lab) -> Result<Outcome> {
    let cache = children::temporary_folder()?;
    let mut table = Table::new(
        "call: into a guest and back, without sockets",
        2,
        &["guest", "what", "median ns", "lowest ns", "highest ns"],
    );
    table.note("echo is called plainly; pages, which may wait, on a fiber: a line that it echoes");
    let mut raw = Vec::new();
    for (guest, name) in [(Guest::Echo, "echo"), (Guest::Pages, "pages")] {
        eprintln!("call: {name}");
        let subject = Subject::load(lab, guest, cache.path())?;
        // It takes lines of 256 bytes at the most.
        let sizes = match guest {
            Guest::Echo => &SIZES_BYTES[..],
            _ => &SIZES_BYTES[..1],
        };
        for &size in sizes {
            let window = lab.settings.window(300, 30);
            let rounds = lab.settings.rounds(5, 2);
            let ns = rounds_of(rounds, || subject.time_calls(size, window))?;
            let what = format!("data-received, {size} B written back");
            raw.push(row(&mut table, name, &what, &ns));
        }
        let window = lab.settings.window(300, 30);
        let ns = rounds_of(lab.settings.rounds(5, 2), || subject.time_lives(window))?;
        raw.push(row(
            &mut table,
            name,
            "a whole instance: start to stop",
            &ns,
        ));
    }
    Ok(Outcome {
        tables: vec![table],
        raw: Value::Array(raw),
    })
}

fn rounds_of(rounds: usize, mut measure: impl FnMut() -> Result<f64>) -> Result<Vec<f64>> {
    (0..rounds).map(|_| measure()).collect()
}

fn row(table: &mut Table, guest: &str, what: &str, ns: &[f64]) -> Value {
    let (lowest, highest) = range(ns.iter().copied());
    table.row([
        guest.to_owned(),
        what.to_owned(),
        figure(median(ns.iter().copied())),
        figure(lowest),
        figure(highest),
    ]);
    json!({ "guest": guest, "what": what, "ns": ns })
}

impl Subject {
    fn load(lab: &Lab, guest: Guest, cache: &Path) -> Result<Subject> {
        Self::load_file(lab.guest(guest)?, cache, 8)
    }

    /// Loads a component, for so many instances at once.
    pub(super) fn load_file(file: &Path, cache: &Path, instances_max: u32) -> Result<Subject> {
        let limits = Limits::default();
        let pool = PoolSize {
            instances_max,
            stacks_max: instances_max,
            memory_max_bytes: limits.memory_max_bytes,
            table_max_elements: limits.table_max_elements,
            memory_images: memory_images_suit(file),
        };
        let host = GuestHost::new(&pool, 1).map_err(|error| anyhow!("{error:#}"))?;
        let cache = CodeCache::in_folder(cache.to_owned());
        let code = GuestCode::load(&host, file, Some(&cache), &mut || {})
            .with_context(|| format!("{} cannot be loaded", file.display()))?;
        let origin = Origin::new("call".into(), "call".into(), Vec::new());
        Ok(Subject {
            host,
            code,
            origin: Arc::new(origin),
            limits: Arc::new(limits),
        })
    }

    /// An instance with one connection.
    fn begin(&self) -> Result<(Instance, u32)> {
        let waker = Waker::noop().clone();
        let (host, code) = (&self.host, &self.code);
        let mut instance = Instance::new(host, code, &self.origin, &self.limits, true, waker);
        let peer = ([127, 0, 0, 1], 1).into();
        let number = instance.connection_made(1, peer, None, Weak::<Nowhere>::new());
        if self.code.exports().lifecycle {
            call(&mut instance, Call::Start)?;
        }
        call(&mut instance, Call::ConnectionMade(number))?;
        Ok((instance, number))
    }

    /// The time of one `data-received` whose bytes come back, in ns.
    pub(super) fn time_calls(&self, size_bytes: usize, window: Duration) -> Result<f64> {
        self.host.turn_begins(0);
        let (mut instance, number) = self.begin()?;
        let mut message = b"echo ".to_vec();
        message.resize(size_bytes - 1, b'x');
        message.push(b'\n');
        let mut outbox: Box<Outbox> = Box::default();
        let mut calls = 0_u32;
        let begin = Instant::now();
        while begin.elapsed() < window {
            for _ in 0..BATCH {
                let received = Call::DataReceived(number, message, size_bytes);
                let step = instance.call(received, outbox);
                let (Returned::Buffer(buffer), recorded) = finish(&mut instance, step)? else {
                    bail!("the buffer is gone");
                };
                (message, outbox) = (buffer, recorded);
                ensure!(outbox.bytes == message, "other bytes came back");
                outbox.clear();
            }
            calls += BATCH;
        }
        let elapsed = begin.elapsed();
        self.host.turn_ends(0);
        Ok(elapsed.as_nanos() as f64 / f64::from(calls))
    }

    /// So many instances that have had one message each.
    pub(super) fn served_once(&self, count: u32, size_bytes: usize) -> Result<Vec<Instance>> {
        self.host.turn_begins(0);
        let mut instances = Vec::new();
        for _ in 0..count {
            let (mut instance, number) = self.begin()?;
            let received = Call::DataReceived(number, vec![b'x'; size_bytes], size_bytes);
            call(&mut instance, received)?;
            instances.push(instance);
        }
        self.host.turn_ends(0);
        Ok(instances)
    }

    /// The time of a whole instance, in ns: made, started, told of a connection and of its loss, stopped, dropped.
    pub(super) fn time_lives(&self, window: Duration) -> Result<f64> {
        self.host.turn_begins(0);
        let mut lives = 0_u32;
        let begin = Instant::now();
        while begin.elapsed() < window {
            let (mut instance, number) = self.begin()?;
            let reason = CloseReason::Done;
            call(&mut instance, Call::ConnectionLost(number, reason))?;
            if self.code.exports().lifecycle {
                call(&mut instance, Call::Stop)?;
            }
            lives += 1;
        }
        let elapsed = begin.elapsed();
        self.host.turn_ends(0);
        Ok(elapsed.as_nanos() as f64 / f64::from(lives))
    }
}

/// There is no socket.
#[derive(Debug)]
struct Nowhere;

impl DirectWire for Nowhere {
    fn send(&self, _: &[u8]) -> Sent {
        Sent::Full
    }

    fn receive(&self, _: &mut [u8]) -> usize {
        0
    }
}

fn call(instance: &mut Instance, call: Call) -> Result<()> {
    let step = instance.call(call, Box::default());
    finish(instance, step)?;
    Ok(())
}

/// To the handler's return: on a fiber it may be interrupted by the end of a slice.
fn finish(instance: &mut Instance, mut step: Step) -> Result<(Returned, Box<Outbox>)> {
    loop {
        match step {
            Step::Returned(returned, outbox) => return Ok((returned, outbox)),
            Step::Preempted => step = instance.run(),
            other => bail!("the handler did not return: {other:?}"),
        }
    }
}
