//! `wisted build`: a guest's source folder becomes a component, and where that is.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use super::BuildArgs;
use wisted::build::build_guest;
use wisted::units;

pub(super) fn build(args: &BuildArgs) -> Result<ExitCode> {
    let mut component = build_guest(&args.folder, &mut |step| eprintln!("{step}"))
        .with_context(|| format!("{} cannot be built", args.folder.display()))?;
    if let Some(output) = &args.output {
        put(&component, output)?;
        component.clone_from(output);
    }
    let length_bytes = fs::metadata(&component)
        .with_context(|| component.display().to_string())?
        .len();
    let text = format!("{} ({})\n", component.display(), units::size(length_bytes));
    // Whoever started us may have closed standard output; the component is what counts.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// Copies the component. Whoever has the output open sees the old one or the new one, never a part.
fn put(component: &Path, output: &Path) -> Result<()> {
    if output.is_dir() {
        bail!(
            "--output {}: this is a folder; name a file in it",
            output.display()
        );
    }
    let mut name = output.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = output.with_file_name(name);
    fs::copy(component, &beside)
        .and_then(|_| fs::rename(&beside, output))
        .inspect_err(|_| {
            let _ = fs::remove_file(&beside);
        })
        .with_context(|| format!("--output {} cannot be written", output.display()))
}
