//! `wisted run --watch`: when the guest's source changes it is built again, and new connections get the new build. On a thread
//! of its own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};

use wisted::build::{Snapshot, build_guest};
use wisted::driver::{ListenerId, Placed, Roster};
use wisted::guest::{CodeCache, GuestCode, GuestHost};
use wisted::service::Service;
use wisted::supervisor::{LOOK_INTERVAL, snapshot};

/// What is watched, and what is needed to load it again.
pub(super) struct Watch {
    /// As it was typed: a folder with source, or a component's file.
    pub guest: PathBuf,
    pub host: Arc<GuestHost>,
    pub cache: Option<CodeCache>,
    pub roster: Roster,
    pub placed: Placed,
    pub listeners: Vec<ListenerId>,
}

impl Watch {
    /// Begins to watch, until the process ends.
    ///
    /// # Errors
    ///
    /// When there are too many files, or no thread.
    pub fn start(watch: &Arc<Mutex<Self>>) -> Result<()> {
        let guest = lock(watch).guest.clone();
        let first = snapshot(&guest)?;
        let thread = thread::Builder::new().name("wisted-watch".into());
        let watch = Arc::clone(watch);
        thread
            .spawn(move || look(&watch, &guest, first))
            .context("the thread that watches cannot be started")?;
        Ok(())
    }

    /// Builds and loads it again: new connections get the new build.
    ///
    /// # Errors
    ///
    /// When that cannot be done: the old build goes on.
    pub fn rebuild(&mut self) -> Result<()> {
        let component = if self.guest.is_dir() {
            build_guest(&self.guest, &mut |step| eprintln!("{step}"))?
        } else {
            self.guest.clone()
        };
        let code = GuestCode::load(&self.host, &component, self.cache.as_ref(), &mut || {});
        let code = code
            .map_err(|error| anyhow!(error))
            .with_context(|| format!("{} cannot be served", component.display()))?;
        if !code.exports().connection {
            bail!("the new build has no `data-received` to serve connections with");
        }
        let service = Service {
            code,
            // If it cannot start, the old one goes on.
            is_sole: false,
            ..Service::clone(self.placed.service())
        };
        self.roster
            .succeed(&mut self.placed, service, &self.listeners)
            .map_err(|error| anyhow!("the new build cannot start: {error}"))?;
        self.roster.settle();
        Ok(())
    }
}

/// Looks at the guest from time to time, for ever.
fn look(watch: &Mutex<Watch>, guest: &Path, mut built: Snapshot) {
    loop {
        thread::sleep(LOOK_INTERVAL);
        // A file that is just being replaced may be missing for a moment: so it is looked at again.
        let Ok(now) = snapshot(guest) else {
            continue;
        };
        if now == built {
            continue;
        }
        // Whoever saves one file often saves another: build when there is quiet.
        thread::sleep(LOOK_INTERVAL);
        if snapshot(guest).ok() != Some(now) {
            continue;
        }
        // What changes while it is being built is another change.
        built = now;
        match lock(watch).rebuild() {
            Ok(()) => eprintln!("new connections get the new build"),
            Err(error) => eprintln!("{}: {error:#}\nthe old build goes on", super::error_label()),
        }
    }
}

/// A panic elsewhere while it was held is reported there; it is as it was.
pub(super) fn lock(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}
