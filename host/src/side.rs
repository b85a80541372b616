//! The side thread: a tokio runtime for what is slow or brings its own I/O; knows neither the reactor nor any guest.

use std::io;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// One thread that runs a tokio runtime until this value is dropped.
///
/// The reactor thread hands work to it through [`Side::handle`] and is never one of its workers. Tasks must not block:
/// there is one thread for all of them. What must block goes through tokio's `spawn_blocking`.
#[derive(Debug)]
pub struct Side {
    handle: Handle,
    /// Dropping it is the signal to stop. An `Option`, so that `drop` can do so before it joins.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Side {
    /// Starts the thread. Call it once, at start-up; it takes well under a millisecond.
    ///
    /// # Errors
    ///
    /// When the operating system refuses the thread or the descriptors that the runtime needs.
    pub fn start() -> io::Result<Side> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name("wisted-side-blocking")
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name("wisted-side".to_owned())
            .spawn(move || {
                // It ends with an error, when the sender is dropped: nothing is ever sent.
                let _ = runtime.block_on(stopped);
                // A blocking call under way (name resolution can take half a minute) must not hold up the exit.
                runtime.shutdown_background();
            })?;
        Ok(Side {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// What to spawn tasks with, or to enter the runtime's context with. Tasks spawned after the `Side` is gone are
    /// dropped without having run.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Side {
    /// Drops every task at its next suspension and waits for that, but not for blocking calls under way.
    fn drop(&mut self) {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A task may own the last `Side`; a thread that joins itself would wait for ever.
        if thread.thread().id() != thread::current().id() {
            // A panic has been reported by the thread itself, and there is nothing left to stop.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn runs_tasks_on_its_own_thread() {
        let side = Side::start().expect("a side thread");
        let (tell, told) = mpsc::channel();
        side.handle().spawn(async move {
            let _ = tell.send(thread::current().name().map(str::to_owned));
        });
        let name = told.recv_timeout(PATIENCE).expect("the task runs");
        assert_eq!(name.as_deref(), Some("wisted-side"));
    }

    #[test]
    fn dropping_it_drops_its_tasks() {
        let side = Side::start().expect("a side thread");
        let (tell, told) = mpsc::channel::<()>();
        side.handle().spawn(async move {
            std::future::pending::<()>().await;
            drop(tell);
        });
        drop(side);
        assert_eq!(
            told.recv_timeout(PATIENCE),
            Err(mpsc::RecvTimeoutError::Disconnected)
        );
    }

    #[test]
    fn dropping_it_does_not_wait_for_blocking_calls() {
        let side = Side::start().expect("a side thread");
        let (release, released) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        side.handle().spawn_blocking(move || {
            let _ = tell.send(());
            let _ = released.recv();
        });
        told.recv_timeout(PATIENCE).expect("the call begins");
        drop(side);
        // Only now may the call end. Had `drop` waited for it, this test would hang.
        drop(release);
    }

    #[test]
    fn a_task_may_own_the_last_one() {
        let side = Side::start().expect("a side thread");
        let handle = side.handle().clone();
        let (tell, told) = mpsc::channel();
        handle.spawn(async move {
            drop(side);
            let _ = tell.send(());
        });
        told.recv_timeout(PATIENCE)
            .expect("dropping it in a task returns");
    }
}
