//! Problems of a configuration on standard error, with colours where they are seen.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Style};

use wisted::config::{Paint, Problems};

/// Shows all of them, and returns the exit code of what went wrong.
pub(super) fn show(problems: &Problems) -> ExitCode {
    eprint!("{}", problems.render(&paint()));
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    eprintln!(
        "{}: {count} in {}",
        super::error_label(),
        problems.path().display()
    );
    ExitCode::FAILURE
}

/// Whether standard error takes colours.
pub(super) fn is_plain() -> bool {
    std::env::var_os("NO_COLOR").is_some() || !std::io::stderr().is_terminal()
}

fn paint() -> Paint {
    if is_plain() {
        return Paint::default();
    }
    let marks = |style: Style| (format!("{style}"), format!("{style:#}"));
    Paint {
        error: marks(AnsiColor::Red.on_default().bold()),
        frame: marks(AnsiColor::Blue.on_default().bold()),
    }
}
