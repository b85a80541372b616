//! Child processes and temporary folders that end with the run, however it ends; it must not know what they are for.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

/// The children that run now, for the thread that handles signals. A signal is the process's, so this is, too.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());
/// The folders to remove; likewise.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

const CHECK_INTERVAL: Duration = Duration::from_millis(2);

fn running() -> MutexGuard<'static, Vec<Pid>> {
    locked(&RUNNING)
}

/// Both lists are whole between any two statements, so that a panic elsewhere does not spoil them.
fn locked<T>(list: &'static Mutex<Vec<T>>) -> MutexGuard<'static, Vec<T>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A temporary folder, which a signal, too, removes.
pub fn temporary_folder() -> Result<TempDir> {
    let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
    locked(&FOLDERS).push(folder.path().to_owned());
    Ok(folder)
}

/// From here on, ctrl-c, SIGTERM and SIGHUP kill and reap the children, and remove the folders, before they end
/// this process.
pub fn end_with_signals() -> Result<()> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                // Held until the exit, so that no child is started meanwhile.
                let children = running();
                for &pid in children.iter() {
                    let _ = kill_process(pid, Signal::KILL);
                    let _ = waitpid(Some(pid), WaitOptions::empty());
                }
                for folder in locked(&FOLDERS).iter() {
                    let _ = std::fs::remove_dir_all(folder);
                }
                eprintln!("\ninterrupted");
                std::process::exit(128 + signal);
            }
        })
        .context("cannot start a thread")?;
    Ok(())
}

/// A child process, killed and reaped when dropped.
pub struct Reaped {
    child: Child,
    pid: Pid,
    ended: bool,
}

impl Reaped {
    /// Starts it.
    pub fn spawn(command: &mut Command) -> Result<Reaped> {
        let mut running = running();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let pid = Pid::from_child(&child);
        running.push(pid);
        Ok(Reaped {
            child,
            pid,
            ended: false,
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard output, once, when it was piped.
    pub fn take_stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let mut running = running();
        let status = self.child.try_wait().context("cannot wait for a child")?;
        if status.is_some() {
            self.ended = true;
            running.retain(|&pid| pid != self.pid);
        }
        Ok(status)
    }

    /// Asks it to end (SIGTERM) and waits; `None` when it does not within `patience`, whereupon it is killed.
    pub fn terminate(mut self, patience: Duration) -> Result<Option<ExitStatus>> {
        // It may have ended by itself, but while it is not reaped its id is no one else's.
        if let Some(status) = self.ended()? {
            return Ok(Some(status));
        }
        kill_process(self.pid, Signal::TERM).context("cannot send SIGTERM")?;
        let begin = Instant::now();
        while begin.elapsed() < patience {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            std::thread::sleep(CHECK_INTERVAL);
        }
        Ok(None)
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        if !self.ended {
            let mut running = running();
            let _ = self.child.kill();
            let _ = self.child.wait();
            running.retain(|&pid| pid != self.pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_child_is_gone() {
        let child = Reaped::spawn(Command::new("sleep").arg("60")).unwrap();
        let path = format!("/proc/{}", child.id());
        assert!(std::path::Path::new(&path).exists());
        drop(child);
        assert!(!std::path::Path::new(&path).exists());
    }

    #[test]
    fn a_terminated_child_tells_how_it_ended() {
        let child = Reaped::spawn(Command::new("sleep").arg("60")).unwrap();
        let status = child.terminate(Duration::from_secs(5)).unwrap().unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(15)
        );
    }
}
