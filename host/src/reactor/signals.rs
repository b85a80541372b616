//! SIGINT and SIGTERM as events of the reactor, SIGHUP for whoever wants it. Does not know what they lead to.

use std::io;

use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// A signal that asks the host to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: a supervisor.
    Terminate,
}

impl Signal {
    /// The exit code of a process that this signal ended, by the shells' convention: 128 and the signal's number.
    pub fn exit_code(self) -> u8 {
        let number = match self {
            Self::Interrupt => SIGINT,
            Self::Terminate => SIGTERM,
        };
        128 + u8::try_from(number).unwrap_or(0)
    }
}

/// SIGHUP, which would end the process: from here on it is kept for whoever asks for it.
#[derive(Debug)]
pub struct Hangups(signal_hook::iterator::Signals);

impl Hangups {
    /// Call it once in a process, before anything that takes long.
    ///
    /// # Errors
    /// When the handler cannot be installed.
    pub fn keep() -> io::Result<Self> {
        signal_hook::iterator::Signals::new([SIGHUP]).map(Self)
    }

    /// Calls `act` for each one, those that have come already included, on a thread that waits for nothing else: what it asks for
    /// is no reactor's affair.
    ///
    /// # Errors
    /// When the thread cannot be had.
    pub fn on_each(mut self, act: impl Fn() + Send + 'static) -> io::Result<()> {
        std::thread::Builder::new()
            .name("wisted-hangup".into())
            .spawn(move || self.0.forever().for_each(|_| act()))?;
        Ok(())
    }
}

/// The signals that have arrived.
pub struct Signals(signal_hook_mio::v1_0::Signals);

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}

impl Signals {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let mut signals = signal_hook_mio::v1_0::Signals::new([SIGINT, SIGTERM])?;
        registry.register(&mut signals, token, Interest::READABLE)?;
        Ok(Self(signals))
    }

    /// The signals since the last call. Call it for each [`Event::Signal`](super::Event::Signal).
    pub fn arrived(&mut self) -> impl Iterator<Item = Signal> + '_ {
        self.0.pending().filter_map(|number| match number {
            SIGINT => Some(Signal::Interrupt),
            SIGTERM => Some(Signal::Terminate),
            _ => None,
        })
    }
}
