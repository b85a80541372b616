//! What one server's two windows say, a closed loop for its cost and an open one for its latency; it must not know which server it
//! is.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::lab::Lab;
use crate::load::Load;
use crate::messages::Messages;
use crate::server::Server;
use crate::stats::Latency;

const WARMUP: Duration = Duration::from_millis(250);
const WARMUP_QUICK: Duration = Duration::from_millis(100);

/// The figures of two windows.
pub struct Windows {
    pub cpu_us: f64,
    pub per_second: f64,
    pub server_busy: f64,
    pub load_busy: f64,
    pub closed: Latency,
    pub open: Latency,
    open_cpu_us: f64,
}

impl Windows {
    /// Measures `server` with so many connections and a window of this length each.
    pub fn measure(
        lab: &Lab,
        server: &Server,
        connections: usize,
        messages: Messages,
        length: Duration,
    ) -> Result<Windows> {
        let mut load = Load::connect(server.address, connections, messages)?;
        let quick = lab.settings.quick;
        load.run(if quick { WARMUP_QUICK } else { WARMUP }, || false)?;
        let server_before = server.cpu_ns()?;
        let closed = load.run(length, || false)?;
        let server_after = server.cpu_ns()?;
        load.finish()?;
        let open_before = server.cpu_ns()?;
        let open = load.run_at(lab.settings.peers.rate_per_second, length)?;
        let open_after = server.cpu_ns()?;
        let elapsed_ns = closed.elapsed.as_nanos() as f64;
        let cpu_ns = server_after.saturating_sub(server_before) as f64;
        Ok(Windows {
            cpu_us: cpu_ns / 1e3 / closed.requests as f64,
            per_second: closed.requests as f64 / closed.elapsed.as_secs_f64(),
            server_busy: cpu_ns / elapsed_ns,
            load_busy: closed.busy(),
            closed: Latency::of(&closed.latency_ns),
            open: Latency::of(&open.latency_ns),
            open_cpu_us: open_after.saturating_sub(open_before) as f64 / 1e3 / open.requests as f64,
        })
    }

    /// For the raw figures, with `rest` of what is known about them.
    pub fn json(&self, mut rest: Value) -> Value {
        let figures = json!({
            "server_cpu_us_per_request": self.cpu_us,
            "requests_per_second": self.per_second,
            "closed_loop_latency": self.closed.json(),
            "open_loop_latency": self.open.json(),
            "open_loop_server_cpu_us_per_request": self.open_cpu_us,
            "server_busy": self.server_busy,
            "load_busy": self.load_busy,
        });
        if let (Value::Object(rest), Value::Object(figures)) = (&mut rest, figures) {
            rest.extend(figures);
        }
        rest
    }
}
