//! `--otlp-endpoint`: the flag of traces, and what starts and finishes them.

use anyhow::{Context, Result};
use clap::Args;

use wisted::driver::Exit;
use wisted::side::Side;
use wisted::telemetry::{CollectorUrl, Settings, Traces};

// No text for people: it would take the place of the command's own.
#[derive(Debug, Args)]
#[command(next_help_heading = "Traces")]
pub(super) struct TraceFlags {
    /// Send traces to this collector, over OTLP and HTTP, such as http://127.0.0.1:4318: a span for each connection and each page
    /// that a guest fetches
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,
}

impl TraceFlags {
    /// Where traces go, if the flag or the environment says so.
    ///
    /// # Errors
    /// When that is no collector's URL.
    pub fn collector(&self) -> Result<Option<CollectorUrl>> {
        // OpenTelemetry's specification: an empty variable is none.
        let given = self.otlp_endpoint.as_ref().filter(|text| !text.is_empty());
        let parse = |text: &String| {
            let collector = text.parse();
            collector.with_context(|| {
                format!("--otlp-endpoint, or OTEL_EXPORTER_OTLP_ENDPOINT: {text:?}")
            })
        };
        given.map(parse).transpose()
    }
}

/// Begins to trace, if there is a collector.
pub(super) fn start(
    side: &Side,
    collector: Option<CollectorUrl>,
    sample_ratio: f64,
) -> Result<Option<Traces>> {
    let Some(collector) = collector else {
        return Ok(None);
    };
    let settings = Settings {
        collector,
        sample_ratio,
    };
    Ok(Some(Traces::start(side, &settings)?))
}

/// Sends what is left, unless whoever stops the host is in a hurry.
pub(super) fn finish(traces: Option<&Traces>, exit: &Exit) {
    if let Some(traces) = traces.filter(|_| !matches!(exit, Exit::Aborted(_))) {
        traces.finish();
    }
}
