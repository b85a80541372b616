//! Peers of the tenants that misbehave: they ask for it, and come back when their connection is ended.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::dial::dial;

/// Connections of each offender at once.
pub const CONNECTIONS: usize = 2;

/// How long a peer waits before it looks whether it is to stop. It must not keep the load generator's core busy.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What a tenant does wrong.
#[derive(Clone, Copy, Debug)]
pub enum Offence {
    Spin,
    Bomb,
    LogFlood,
    Timers,
}

impl Offence {
    pub const ALL: [Offence; 4] = [
        Offence::Spin,
        Offence::Bomb,
        Offence::LogFlood,
        Offence::Timers,
    ];

    /// The service's name.
    pub fn name(self) -> &'static str {
        match self {
            Offence::Spin => "spin",
            Offence::Bomb => "bomb",
            Offence::LogFlood => "log-flood",
            Offence::Timers => "timers",
        }
    }

    /// What the hostile guest does when it is sent this.
    fn provocation(self) -> String {
        format!("do {}\n", self.name())
    }
}

/// They are at it.
pub struct Offenders {
    stop: Arc<AtomicBool>,
    ends: Vec<Arc<AtomicU64>>,
    threads: Vec<JoinHandle<()>>,
}

impl Offenders {
    /// Starts the peers of all offenders, whose services are at these addresses.
    pub fn start(addresses: &[SocketAddr], round: usize) -> Offenders {
        let stop = Arc::new(AtomicBool::new(false));
        let mut offenders = Offenders {
            stop,
            ends: Vec::new(),
            threads: Vec::new(),
        };
        for (offence, address) in Offence::ALL.into_iter().zip(addresses) {
            let ends = Arc::new(AtomicU64::new(0));
            offenders.ends.push(Arc::clone(&ends));
            for number in 0..CONNECTIONS {
                let (stop, ends, address) =
                    (Arc::clone(&offenders.stop), Arc::clone(&ends), *address);
                let source = round * CONNECTIONS + number;
                let thread =
                    std::thread::spawn(move || provoke(address, offence, source, &stop, &ends));
                offenders.threads.push(thread);
            }
        }
        offenders
    }

    /// Stops them. Returns how many connections each offender has lost.
    pub fn finish(self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            // A panic in it has been printed; the figures show what it did not do.
            let _ = thread.join();
        }
        let count = |ends: &Arc<AtomicU64>| ends.load(Ordering::Relaxed);
        self.ends.iter().map(count).collect()
    }
}

fn provoke(
    address: SocketAddr,
    offence: Offence,
    source: usize,
    stop: &AtomicBool,
    ends: &AtomicU64,
) {
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut stream) = dial(address, source) else {
            // Nothing is lost but some of its badness.
            std::thread::sleep(LOOK_INTERVAL);
            continue;
        };
        let provoked = stream
            .set_read_timeout(Some(LOOK_INTERVAL))
            .and_then(|()| stream.write_all(offence.provocation().as_bytes()));
        if provoked.is_ok() && wait_for_end(&mut stream, stop) {
            ends.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whether the connection was ended by the other side before this one is to stop.
fn wait_for_end(stream: &mut TcpStream, stop: &AtomicBool) -> bool {
    let mut buffer = [0; 1024];
    while !stop.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return true,
        }
    }
    false
}
