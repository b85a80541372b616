//! The lines of a child process, and those that are log records, as they arrive.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

use crate::PATIENCE;

/// A guest that floods the log must not fill this machine's memory: further lines are kept only if they are complaints.
const RECORDS_MAX: usize = 200_000;

/// One line, and what it says if it is a record of `--log-format json`.
#[derive(Clone, Debug)]
pub struct Record {
    /// As it was written.
    pub line: String,
    value: Value,
}

impl Record {
    fn new(line: String) -> Self {
        let value = serde_json::from_str(&line).unwrap_or(Value::Null);
        Self { line, value }
    }

    /// Whether it is a record at all: what a crashing host says on stderr is none.
    #[must_use]
    pub fn is_record(&self) -> bool {
        self.value.is_object()
    }

    /// Such as `ERROR`.
    #[must_use]
    pub fn level(&self) -> &str {
        self.value["level"].as_str().unwrap_or_default()
    }

    /// Whether it is a warning or an error, or what a crashing host says.
    #[must_use]
    pub fn is_complaint(&self) -> bool {
        !self.is_record() || matches!(self.level(), "WARN" | "ERROR")
    }

    /// What happened.
    #[must_use]
    pub fn message(&self) -> &str {
        self.value["fields"]["message"].as_str().unwrap_or_default()
    }

    /// A field of the record as text, numbers too; empty if it isn't there.
    #[must_use]
    pub fn field(&self, name: &str) -> String {
        match &self.value["fields"][name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// Whether the words occur anywhere in the line, in any case.
    #[must_use]
    pub fn mentions(&self, words: &[&str]) -> bool {
        let line = self.line.to_lowercase();
        words.iter().all(|word| line.contains(&word.to_lowercase()))
    }
}

#[derive(Default)]
struct Written {
    records: Vec<Record>,
    has_ended: bool,
}

/// What a child process writes to one of its outputs.
#[derive(Clone, Default)]
pub struct Lines(Arc<(Mutex<Written>, Condvar)>);

impl Lines {
    /// Reads to the end in a thread of its own, so that the child never waits for its reader.
    #[must_use]
    pub fn collect(output: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let writer = lines.clone();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while output
                .read_until(b'\n', &mut line)
                .is_ok_and(|length_bytes| length_bytes > 0)
            {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                let record = Record::new(text);
                let mut written = writer.lock();
                if written.records.len() < RECORDS_MAX || record.is_complaint() {
                    written.records.push(record);
                    writer.0.1.notify_all();
                }
            }
            writer.lock().has_ended = true;
            writer.0.1.notify_all();
        });
        lines
    }

    /// The first line that fits, waited for; none when the process has ended or [`PATIENCE`] is over.
    #[must_use]
    pub fn wait_for(&self, fits: impl Fn(&Record) -> bool) -> Option<Record> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = 0;
        let mut written = self.lock();
        loop {
            if let Some(record) = written.records[seen..].iter().find(|record| fits(record)) {
                return Some(record.clone());
            }
            seen = written.records.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if written.has_ended || left.is_zero() {
                return None;
            }
            written = self
                .0
                .1
                .wait_timeout(written, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits for the end of the output: the process has ended, and so has everything that it started.
    #[must_use]
    pub fn wait_for_end(&self) -> bool {
        let _ = self.wait_for(|_| false);
        self.lock().has_ended
    }

    /// What was written until now.
    #[must_use]
    pub fn so_far(&self) -> Vec<Record> {
        self.lock().records.clone()
    }

    /// The last lines, to be shown when a test fails.
    #[must_use]
    pub fn tail(&self) -> String {
        let written = self.lock();
        let first = written.records.len().saturating_sub(50);
        written.records[first..]
            .iter()
            .map(|record| format!("  {}\n", record.line))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
