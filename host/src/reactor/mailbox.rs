//! How other threads reach the reactor's: a queue and a wake. Knows nothing of what is sent.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use mio::{Registry, Token, Waker};

/// The sending end; cheap to clone. What may be sent is bounded by its senders: each has a limit on what it has under way.
#[derive(Debug)]
pub struct Mailbox<M> {
    sender: Sender<M>,
    waker: Arc<Waker>,
}

impl<M> Clone for Mailbox<M> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            waker: Arc::clone(&self.waker),
        }
    }
}

impl<M> Mailbox<M> {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<(Self, Receiver<M>)> {
        let waker = Arc::new(Waker::new(registry, token)?);
        let (sender, receiver) = channel();
        Ok((Self { sender, waker }, receiver))
    }

    /// Sends and wakes the reactor. If the reactor is gone, the mail is too.
    pub fn send(&self, mail: M) {
        if self.sender.send(mail).is_ok()
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "the reactor could not be woken");
        }
    }
}
