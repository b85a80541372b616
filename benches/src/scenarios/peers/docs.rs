//! The comparison as a page and a plot for the repository's docs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::requests::{Sample, typical};
use super::{Cell, Field};
use crate::lab::Lab;
use crate::peers::Contender;
use crate::plot::{Bar, Panel, Tone, svg};
use crate::report::Table;

const PLOT: &str = "peers.svg";

pub fn write(
    folder: &Path,
    lab: &Lab,
    field: &Field,
    samples: &[(Cell, Vec<Sample>)],
    tables: &[Table],
) -> Result<()> {
    fs::create_dir_all(folder)?;
    let panels: Vec<Panel> = samples
        .iter()
        .map(|(cell, samples)| panel(*cell, field, samples))
        .collect();
    let plot = svg(
        "Server CPU per request, in µs (medians; shorter is better)",
        &panels,
    );
    fs::write(folder.join(PLOT), plot)?;
    fs::write(folder.join("peers.md"), page(lab, field, tables))?;
    Ok(())
}

fn panel(cell: Cell, field: &Field, samples: &[Sample]) -> Panel {
    let bars = field.present.iter().map(|&(contender, _)| Bar {
        label: contender.to_string(),
        value: typical(samples, contender, |windows| windows.cpu_us),
        tone: match contender {
            Contender::Native => Tone::Baseline,
            _ if contender.wisted().is_some() => Tone::Ours,
            _ => Tone::Other,
        },
    });
    Panel {
        title: cell.to_string(),
        bars: bars.collect(),
    }
}

fn page(lab: &Lab, field: &Field, tables: &[Table]) -> String {
    let mut page = String::from(
        "# Wisted and other servers\n\n\
         Written by `cargo bench -p wisted-bench -- peers`; [benches/README.md](../benches/README.md) says how it is \
         measured and what the figures do not say. Take the ratios, not the figures: those are one machine's.\n\n",
    );
    let _ = writeln!(page, "![Server CPU per request]({PLOT})\n");
    let settings = &lab.settings;
    let _ = writeln!(
        page,
        "Each server on one core, the load generator on another. {} rounds of {:.2} s windows. *echo*: the same bytes come \
         back. *line*: each line comes back in upper case. CPU: all threads and child processes of the server, in a closed \
         loop. *ratio*: to native mio in the same round. Latencies: an open loop of {} requests/s, from when a request was \
         to be sent.",
        settings.rounds(3, 1),
        settings.window(700, 250).as_secs_f64(),
        settings.peers.rate_per_second,
    );
    for table in tables {
        page.push_str(&table.markdown());
    }
    page.push_str("\n## Versions\n\n");
    for version in field.versions() {
        let _ = writeln!(page, "- {version}");
    }
    for (what, text) in lab.machine() {
        let _ = writeln!(page, "- {what}: {text}");
    }
    page
}
