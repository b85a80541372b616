//! What a guest's path names: a component, its text, or a folder whose source is built first.

use std::path::{Path, PathBuf};

use super::loading::LoadFailure;
use super::{Progress, Step};
use crate::build;

/// A component's file, and what to call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentFile {
    /// The component, or its text.
    pub path: PathBuf,
    /// The name of the folder or of the file that it comes from, without its ending.
    pub name: String,
}

impl ComponentFile {
    /// Finds it, building it if need be: then this takes as long as the build does.
    ///
    /// # Errors
    /// When there is nothing, or it cannot be built.
    pub fn find(path: &Path, progress: Progress<'_>) -> Result<Self, LoadFailure> {
        let metadata = std::fs::metadata(path).map_err(|reason| LoadFailure::Missing {
            path: path.to_owned(),
            reason,
        })?;
        let name = name_of(path);
        let path = match (metadata.is_dir(), metadata.is_file()) {
            (true, _) => build::build_guest(path, &mut |step| progress(Step::Building(step)))
                .map_err(|reason| LoadFailure::Build {
                    path: path.to_owned(),
                    reason,
                })?,
            (_, true) => path.to_owned(),
            _ => return Err(LoadFailure::NoFile(path.to_owned())),
        };
        Ok(Self { path, name })
    }
}

fn name_of(path: &Path) -> String {
    let full = path.canonicalize();
    let full = full.as_deref().unwrap_or(path);
    let name = if full.is_dir() {
        full.file_name()
    } else {
        full.file_stem()
    };
    name.map_or_else(
        || "guest".into(),
        |name| name.to_string_lossy().into_owned(),
    )
}
