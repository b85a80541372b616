//! Sockets whose connection is over but that are still read for a while. Closing a socket while the peer is still sending
//! makes the operating system answer with a reset, which destroys what the peer has not read yet (RFC 1122, 4.2.2.13). So
//! the sending side is shut, and what comes is thrown away until the peer closes too, within limits.

use super::connections::ConnectionKey;
use super::{Driver, Due, Ready};
use crate::core::Wire;
use crate::limits::{LINGER_MAX, LINGER_MAX_BYTES, per_turn};
use crate::reactor::{Read, Token};

#[derive(Debug)]
pub(super) struct Lingering {
    token: Token,
    id: u64,
    discarded_bytes: usize,
}

/// Sockets that linger at once; above it they are closed straight away.
const LINGERING_MAX: usize = 1_024;

impl Driver {
    /// Lets a socket linger.
    pub(super) fn linger(&mut self, key: ConnectionKey) {
        let socket = self.reactor.socket(key.token);
        if self.lingering.len() >= LINGERING_MAX || socket.is_none() {
            return self.reactor.close(key.token);
        }
        if let Some(socket) = socket {
            socket.shutdown_write();
        }
        self.lingering.push(Lingering {
            token: key.token,
            id: key.id,
            discarded_bytes: 0,
        });
        self.deadlines
            .insert(self.now + LINGER_MAX, Due::LingerOver(key.token, key.id));
        self.ready.push_back(Ready::Lingering(key.token));
    }

    /// Throws away what has come.
    pub(super) fn serve_lingering(&mut self, token: Token) {
        let Some(index) = self.lingering.iter().position(|one| one.token == token) else {
            return;
        };
        let mut trash = [0; 4 << 10];
        for _ in 0..per_turn::READS_MAX {
            let Some(socket) = self.reactor.socket(token) else {
                break;
            };
            match socket.read(&mut trash) {
                Read::Bytes { count, .. } => {
                    self.lingering[index].discarded_bytes += count;
                    if self.lingering[index].discarded_bytes > LINGER_MAX_BYTES {
                        return self.stop_lingering(index);
                    }
                }
                Read::WouldBlock => return,
                Read::Closed | Read::Failed(_) => return self.stop_lingering(index),
            }
        }
        self.carried.push(Ready::Lingering(token));
    }

    pub(super) fn linger_is_over(&mut self, token: Token, id: u64) {
        let of_it = |one: &Lingering| one.token == token && one.id == id;
        if let Some(index) = self.lingering.iter().position(of_it) {
            self.stop_lingering(index);
        }
    }

    fn stop_lingering(&mut self, index: usize) {
        let lingering = self.lingering.swap_remove(index);
        self.reactor.close(lingering.token);
        if self.exhausted {
            self.accept_again();
        }
    }
}
