//! What the same request costs in other servers: orders the measurements and gathers what they found; it must not know how
//! a server is started or a request sent.

mod docs;
mod idle;
mod requests;

use std::fmt::{self, Display};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::artifacts::workspace;
use crate::lab::Lab;
use crate::peers::tools::{FOLDER as PEERS, Tool, Tools};
use crate::peers::{Contender, Protocol};
use crate::report::{Outcome, size};

/// Connections × message bytes.
const CELLS: [(usize, usize); 3] = [(50, 64), (50, 4096), (1000, 64)];
const CELLS_QUICK: [(usize, usize); 1] = [(50, 64)];

/// One table's worth of comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Cell {
    protocol: Protocol,
    connections: usize,
    size_bytes: usize,
}

impl Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cell {
            protocol,
            connections,
            size_bytes,
        } = self;
        write!(
            formatter,
            "{protocol}, {connections} × {}",
            size(*size_bytes)
        )
    }
}

/// The servers that can be had, and lines about those that can't or that failed.
struct Field {
    tools: Tools,
    present: Vec<(Contender, Tool)>,
    missing: Vec<String>,
}

pub fn run(lab: &Lab) -> Result<Outcome> {
    let mut field = Field::gather(lab)?;
    let wanted = &lab.settings.peers;
    let cells = match &wanted.cells {
        Some(cells) => cells.clone(),
        None if lab.settings.quick => CELLS_QUICK.to_vec(),
        None => CELLS.to_vec(),
    };
    let mut samples = Vec::new();
    for &protocol in &wanted.protocols {
        for &(connections, size_bytes) in &cells {
            let cell = Cell {
                protocol,
                connections,
                size_bytes,
            };
            samples.push((cell, requests::measure(lab, &mut field, cell)?));
        }
    }
    let idle = idle::measure(lab, &mut field)?;
    let mut tables: Vec<_> = samples
        .iter()
        .map(|(cell, samples)| requests::table(lab, *cell, &field, samples))
        .collect();
    tables.push(idle::table(&idle));
    if let Some(last) = tables.last_mut() {
        field.missing.iter().for_each(|line| last.note(line));
    }
    let folder = docs_folder(lab);
    docs::write(&folder, lab, &field, &samples, &tables)
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    eprintln!("peers: wrote {}/peers.md and peers.svg", folder.display());
    let raw = json!({
        "versions": field.versions(),
        "missing": field.missing,
        "requests": samples
            .iter()
            .flat_map(|(cell, samples)| samples.iter().map(|sample| sample.json(*cell)))
            .collect::<Vec<_>>(),
        "idle": idle.iter().map(idle::Sample::json).collect::<Vec<_>>(),
    });
    Ok(Outcome { tables, raw })
}

impl Field {
    fn gather(lab: &Lab) -> Result<Field> {
        let mut field = Field {
            tools: Tools::of_target(lab.target()),
            present: Vec::new(),
            missing: Vec::new(),
        };
        for &contender in &lab.settings.peers.contenders {
            match field.tools.prepare(contender) {
                Ok(tool) => field.present.push((contender, tool)),
                Err(error) => field.miss(format!("left out: {contender}: {error:#}")),
            }
        }
        ensure!(!field.present.is_empty(), "there is no server to measure");
        Ok(field)
    }

    /// Goes on without a server's figure, but not silently; the failure of one of ours ends the comparison.
    fn forgive<T>(
        &mut self,
        contender: Contender,
        place: &dyn Display,
        result: Result<T>,
    ) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if contender.is_ours() => {
                Err(error.context(format!("{contender}, {place}")))
            }
            Err(error) => {
                let text = format!("{error:#}");
                let first = text.lines().next().unwrap_or_default();
                self.miss(format!("no figure: {contender}, {place}: {first}"));
                Ok(None)
            }
        }
    }

    fn miss(&mut self, line: String) {
        eprintln!("peers: {line}");
        if !self.missing.contains(&line) {
            self.missing.push(line);
        }
    }

    fn versions(&self) -> Vec<String> {
        self.present
            .iter()
            .filter(|(_, tool)| !tool.version.is_empty())
            .map(|(contender, tool)| format!("{contender}: {}", tool.version))
            .collect()
    }
}

/// A quick run's figures are rough: they do not replace those in the repository.
fn docs_folder(lab: &Lab) -> PathBuf {
    match &lab.settings.peers.docs {
        Some(folder) => folder.clone(),
        None if lab.settings.quick => lab.target().join(PEERS),
        None => workspace().join("docs"),
    }
}
