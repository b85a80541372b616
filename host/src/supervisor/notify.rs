//! What a service manager is told, in systemd's protocol (sd_notify(3)), where there is one that listens: ready, reloading,
//! stopping, and that all reactors are still alive.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::clock;
use crate::driver::Control;

/// Whoever started this process and wants to know how it is, or nobody.
#[derive(Debug)]
pub(super) struct Manager {
    /// It kills the process when it hears nothing for so long.
    watchdog: Option<Duration>,
}

/// How long reactors may take to say that they are alive: a guest may compute meanwhile.
const ANSWER_MAX: Duration = Duration::from_secs(2);

impl Manager {
    pub fn from_environment() -> Self {
        Self {
            watchdog: sd_notify::watchdog_enabled(),
        }
    }

    /// Tells from time to time that all is well, on a thread of its own, if that is wanted: also while something is compiled, and
    /// while the host drains. To be called once it is ready: nothing counts before that (WatchdogSec= in systemd.service(5)).
    ///
    /// # Errors
    /// When the thread cannot be had.
    pub fn keep_watch(&self, control: &Control) -> io::Result<()> {
        let Some(watchdog) = self.watchdog else {
            return Ok(());
        };
        let control = control.clone();
        let watch = move || {
            while watch(&control) {
                // Three times within what it allows.
                thread::sleep(watchdog / 3);
            }
        };
        let thread = thread::Builder::new().name("wisted-watchdog".into());
        thread.spawn(watch)?;
        Ok(())
    }

    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

/// Tells that all is well, if every reactor says so in time. False when there are none any more.
fn watch(control: &Control) -> bool {
    let (alive, told) = channel();
    control.report(move |report| {
        // Too late is as bad as never.
        let _ = alive.send(report.reactor);
    });
    let deadline = clock::now() + ANSWER_MAX;
    for _ in 0..control.reactors() {
        let left = deadline.saturating_duration_since(clock::now());
        match told.recv_timeout(left) {
            Ok(_) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => {
                tracing::error!(
                    "a reactor does not answer: the service manager is not told that all is well"
                );
                return true;
            }
        }
    }
    tell(&[NotifyState::Watchdog]);
    true
}

/// Nothing where nobody listens.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
