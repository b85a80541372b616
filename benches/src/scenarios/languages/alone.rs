//! What each language's echo costs by itself: its size, its compilation, an instance, a call, memory. It must not know how it is
//! built, nor of sockets.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Guest;
use crate::lab::Lab;
use crate::report::{Table, figure};
use crate::scenarios::call::Subject;
use crate::stats::median;
use crate::{children, proc};

/// Instances that are alive while memory is looked at.
const ALIVE: u32 = 32;
/// The pool's places: it counts on four core modules an instance, and Go's and Python's have more.
const POOL: u32 = 8 * ALIVE;

const SIZE_BYTES: usize = 64;

/// Measures all guests, and returns the table and its raw figures.
pub fn run(lab: &Lab, guests: &[Guest]) -> Result<(Table, Value)> {
    let mut table = Table::new(
        "By itself, without sockets",
        1,
        &[
            "language",
            "component KiB",
            "compile ms",
            "load ms",
            "instance µs",
            "call ns",
            "instance KiB",
        ],
    );
    table.note("compile: for the first time, on one core; load: from the cache");
    table.note("instance µs: a whole one, from its start over one connection to its stop");
    table.note("instance KiB: resident, of one that has served a message");
    table.note("call: data-received of 64 B and the write of them");
    let mut raw = Vec::new();
    for guest in guests {
        eprintln!("languages: {} by itself", guest.language);
        let figures = measure(lab, &guest.component)
            .with_context(|| format!("the echo in {}", guest.language))?;
        let name = std::iter::once(guest.language.to_owned());
        table.row(name.chain(figures.iter().map(|value| figure(*value))));
        raw.push(json!({ "language": guest.language, "figures": figures }));
    }
    Ok((table, Value::Array(raw)))
}

/// In the order of the table's columns.
fn measure(lab: &Lab, component: &Path) -> Result<[f64; 6]> {
    let cache = children::temporary_folder()?;
    let size = fs::metadata(component)?.len();
    let timed_load = || -> Result<(f64, Subject)> {
        let begin = Instant::now();
        let subject = Subject::load_file(component, cache.path(), POOL)?;
        Ok((begin.elapsed().as_secs_f64() * 1e3, subject))
    };
    let (compile_ms, _) = timed_load()?;
    let (load_ms, subject) = timed_load()?;
    let (rounds, window) = (lab.settings.rounds(5, 2), lab.settings.window(300, 30));
    let median_of = |measure: &dyn Fn() -> Result<f64>| -> Result<f64> {
        let figures = (0..rounds).map(|_| measure()).collect::<Result<Vec<_>>>()?;
        Ok(median(figures))
    };
    let life_ns = median_of(&|| subject.time_lives(window))?;
    let call_ns = median_of(&|| subject.time_calls(SIZE_BYTES, window))?;
    let own = std::process::id();
    let before = proc::memory(own)?.rss_kib;
    let alive = subject.served_once(ALIVE, SIZE_BYTES)?;
    let grown = proc::memory(own)?.rss_kib.saturating_sub(before);
    drop(alive);
    Ok([
        size as f64 / 1024.0,
        compile_ms,
        load_ms,
        life_ns / 1e3,
        call_ns,
        grown as f64 / f64::from(ALIVE),
    ])
}
