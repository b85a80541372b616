//! `wisted new`: a project in a language, and the commands that test and serve it.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};

use super::NewArgs;
use wisted::scaffold::{self, Language};

pub(super) fn new(args: &NewArgs) -> Result<ExitCode> {
    let Some(language) = Language::find(&args.language) else {
        bail!(
            "--lang {}: there is no such language; there are: {}",
            args.language,
            languages()
        );
    };
    let project = scaffold::create(Path::new(""), &args.name, language)?;
    let text = format!(
        "{} has a guest in {} that sends back what it receives. To test it and to serve it:\n\n  cd {}\n  {}\n  wisted run .\n",
        project.display(),
        language.name,
        project.display(),
        language.test
    );
    // Whoever started us may have closed standard output; the project is what counts.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// `rust, python, …`.
pub(super) fn languages() -> String {
    let ids: Vec<_> = scaffold::LANGUAGES
        .iter()
        .map(|language| language.id)
        .collect();
    ids.join(", ")
}
