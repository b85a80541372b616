//! Neighbours: connections to the same host that go on echoing while a guest misbehaves, and must notice nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::{Client, Host};

/// Peers that send and compare in a thread of their own until they are asked to finish.
pub struct Neighbours {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    thread: JoinHandle<Vec<Client>>,
}

#[expect(clippy::missing_panics_doc, reason = "that is how tests fail")]
impl Neighbours {
    /// Connects this many, and waits until each has been served once.
    #[must_use]
    #[track_caller]
    pub fn start(host: &Host, count: usize) -> Self {
        Self::start_at(host.address(), count)
    }

    /// The same at an address: a host may have several services.
    #[must_use]
    #[track_caller]
    pub fn start_at(address: SocketAddr, count: usize) -> Self {
        let mut clients: Vec<Client> = (0..count).map(|_| Client::connect(address)).collect();
        round(&mut clients, 0);
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(AtomicU64::new(0));
        let thread = std::thread::spawn({
            let (stop, rounds) = (stop.clone(), rounds.clone());
            move || {
                while !stop.load(Ordering::Acquire) {
                    let number = rounds.fetch_add(1, Ordering::AcqRel);
                    round(&mut clients, number);
                }
                clients
            }
        });
        Self {
            address,
            stop,
            rounds,
            thread,
        }
    }

    /// How often all of them have been served.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Acquire)
    }

    /// One round more for each that was there all the time, and a newcomer.
    #[track_caller]
    pub fn finish(self) {
        self.stop.store(true, Ordering::Release);
        let mut clients = self.thread.join().expect("a neighbour was disturbed");
        round(&mut clients, u64::MAX);
        Client::connect(self.address).check_echo("a newcomer\n");
    }
}

/// All send before the first one reads: the host has to serve them side by side.
#[track_caller]
fn round(clients: &mut [Client], number: u64) {
    let text = |index: usize| format!("neighbour {index} round {number}\n");
    for (index, client) in clients.iter_mut().enumerate() {
        client.send(text(index));
    }
    for (index, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.line(), text(index).trim_end());
    }
}
