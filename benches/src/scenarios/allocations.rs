//! What the host allocates for a message once it is warm; it must not know how that is counted.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::artifacts::Guest;
use crate::children;
use crate::lab::Lab;
use crate::report::{Outcome, Table, figure};

const CONNECTIONS: usize = 50;
const MESSAGE_BYTES: usize = 64;
/// Growing a buffer now and then is not a cost of every message.
const PER_MESSAGE_MAX: f64 = 0.001;

pub fn run(lab: &Lab) -> Result<Outcome> {
    let mut table = Table::new(
        format!(
            "allocations: echo, {CONNECTIONS} × {MESSAGE_BYTES} B, the host inside a process that counts, after warm-up"
        ),
        1,
        &[
            "isolation",
            "messages",
            "reactor thread",
            "per message",
            "bytes per message",
            "other threads",
        ],
    );
    let mut raw = Vec::new();
    let cache = children::temporary_folder()?;
    for isolation in ["connection", "service"] {
        eprintln!("allocations: isolation {isolation}");
        let mut command = std::process::Command::new(&lab.binaries().allocations);
        command
            .arg(lab.guest(Guest::Echo)?)
            .arg("--cache")
            .arg(cache.path())
            .args(["--isolation", isolation])
            .args(["--connections", &CONNECTIONS.to_string()])
            .args(["--bytes", &MESSAGE_BYTES.to_string()])
            .args([
                "--milliseconds",
                &lab.settings.window(1000, 200).as_millis().to_string(),
            ]);
        let output = command.output().context("cannot run allocations")?;
        ensure!(
            output.status.success(),
            "allocations failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let counted: Value =
            serde_json::from_slice(&output.stdout).context("allocations prints no JSON")?;
        let number = |name: &str| counted[name].as_f64().unwrap_or(f64::NAN);
        table.row([
            isolation.to_owned(),
            number("messages").to_string(),
            number("reactor").to_string(),
            figure(number("reactor_per_message")),
            figure(number("reactor_bytes_per_message")),
            number("other_threads").to_string(),
        ]);
        let verdict = if number("reactor_per_message") <= PER_MESSAGE_MAX {
            "met"
        } else {
            "MISSED"
        };
        table.note(format!(
            "{verdict}: isolation {isolation} allocates nothing for a message (at most {PER_MESSAGE_MAX} each)"
        ));
        raw.push(json!({ "isolation": isolation, "counted": counted }));
    }
    Ok(Outcome {
        tables: vec![table],
        raw: raw.into(),
    })
}
