//! How log records are written: text for people, JSON for machines, always to standard error and never by a thread that
//! serves, since standard error may be a pipe that nobody reads.

use std::io::{self, IsTerminal};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

/// The shape of log records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people, with colours on a terminal.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Records that wait to be written. When standard error is not read, later ones are dropped.
const QUEUED_RECORDS_MAX: usize = 16_384;

/// Starts logging. Keep what it returns until the process ends: dropping it writes what is still queued.
///
/// # Errors
/// When `filter` is not in the syntax of [`EnvFilter`], such as `info` or `info,guest=debug`.
pub fn start(format: LogFormat, filter: &str) -> Result<WorkerGuard, String> {
    let filter = parse(filter)?;
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(QUEUED_RECORDS_MAX)
        .thread_name("wisted-log")
        .finish(io::stderr());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_timer(SystemTime)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(guard)
}

/// Whether [`start`] would understand this filter.
///
/// # Errors
/// Why it would not.
pub fn check_filter(filter: &str) -> Result<(), String> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(filter).map_err(|error| error.to_string())
}
