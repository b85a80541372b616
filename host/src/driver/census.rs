//! What all drivers know of a service: how much of it there is. Written when a connection begins or ends, and when a handler
//! suspends or has done so; never for a message.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The count of one build of a service.
#[derive(Debug)]
pub(super) struct Census {
    connections: AtomicU32,
    suspended: AtomicU32,
    instances: AtomicU32,
    /// Drivers that know that it takes no more connections.
    retired: AtomicUsize,
    peers: Arc<Peers>,
}

/// Who is connected to a service, whichever build serves them: a limit on connections is no higher during a reload.
#[derive(Debug)]
struct Peers {
    connections: AtomicU32,
    /// Connections by their peers' addresses.
    by_address: Mutex<HashMap<IpAddr, u32>>,
    /// Somebody waits for a connection to end.
    awaited: AtomicBool,
    /// The first seat of the build that takes new ones.
    door: AtomicUsize,
}

impl Census {
    /// Of a service whose first seat this is.
    pub fn new(door: usize) -> Self {
        Self::of(Arc::new(Peers {
            connections: AtomicU32::new(0),
            by_address: Mutex::default(),
            awaited: AtomicBool::new(false),
            door: AtomicUsize::new(door),
        }))
    }

    /// Of a build that is to take this one's place: the peers of both count together.
    pub fn of_successor(&self) -> Self {
        Self::of(Arc::clone(&self.peers))
    }

    fn of(peers: Arc<Peers>) -> Self {
        Self {
            connections: AtomicU32::new(0),
            suspended: AtomicU32::new(0),
            instances: AtomicU32::new(0),
            retired: AtomicUsize::new(0),
            peers,
        }
    }

    /// New peers are for the build at this seat from here on.
    pub fn set_door(&self, seat: usize) {
        self.peers.door.store(seat, Ordering::SeqCst);
    }

    /// Where the service takes new peers, perhaps not at this build any more.
    pub fn door(&self) -> usize {
        self.peers.door.load(Ordering::SeqCst)
    }

    /// Connections of this build.
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Connections of this build and of those before it.
    pub fn connections_of_all(&self) -> u32 {
        self.peers.connections.load(Ordering::SeqCst)
    }

    /// Whether there are as many connections as may be. If so, whoever ends one is to tell.
    pub fn is_full(&self, connections_max: u32) -> bool {
        if self.connections_of_all() < connections_max {
            return false;
        }
        self.peers.awaited.store(true, Ordering::SeqCst);
        // One may have ended before that was seen.
        self.connections_of_all() >= connections_max
    }

    pub fn instance_is_made(&self) {
        self.instances.fetch_add(1, Ordering::SeqCst);
    }

    pub fn instance_has_gone(&self) {
        self.instances.fetch_sub(1, Ordering::SeqCst);
    }

    /// A driver knows that it takes no more connections.
    pub fn retired_here(&self) {
        self.retired.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether nothing is left of a build that was closed, at any of so many drivers.
    pub fn is_over(&self, drivers: usize) -> bool {
        self.retired.load(Ordering::SeqCst) >= drivers
            && self.connections() == 0
            && self.instances.load(Ordering::SeqCst) == 0
    }

    /// A handler is suspended. Returns how many are.
    pub fn suspend(&self) -> u32 {
        self.suspended.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// A handler is no longer suspended.
    pub fn resume(&self) {
        self.suspended.fetch_sub(1, Ordering::SeqCst);
    }

    /// A connection more, unless its address has as many as may be.
    pub fn add(&self, peer: IpAddr, per_peer_max: Option<NonZero<u32>>) -> bool {
        let by_address = &self.peers.by_address;
        let mut by_address = by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = by_address.entry(peer).or_default();
        if per_peer_max.is_some_and(|max| *of_peer >= max.get()) {
            return false;
        }
        *of_peer += 1;
        self.peers.connections.fetch_add(1, Ordering::SeqCst);
        self.connections.fetch_add(1, Ordering::SeqCst);
        true
    }

    /// A connection less. Returns whether somebody waits for it.
    pub fn remove(&self, peer: IpAddr) -> bool {
        let by_address = &self.peers.by_address;
        let mut by_address = by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut of_peer) = by_address.entry(peer) {
            *of_peer.get_mut() -= 1;
            if *of_peer.get() == 0 {
                of_peer.remove();
            }
        }
        drop(by_address);
        self.connections.fetch_sub(1, Ordering::SeqCst);
        self.peers.connections.fetch_sub(1, Ordering::SeqCst);
        self.peers.awaited.swap(false, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn whoever_ends_a_connection_of_a_full_service_is_told_to_tell() {
        let census = Census::new(0);
        assert!(census.add(PEER, None));
        assert!(!census.is_full(2));
        assert!(census.add(PEER, None));
        assert!(census.is_full(2));
        assert!(census.remove(PEER));
        assert!(!census.remove(PEER));
        assert_eq!(census.connections(), 0);
    }

    #[test]
    fn one_address_has_so_many_and_no_more_and_leaves_nothing_behind() {
        let (census, two) = (Census::new(0), NonZero::new(2));
        let other = IpAddr::from([10, 0, 0, 1]);
        assert!(census.add(PEER, two) && census.add(PEER, two));
        assert!(!census.add(PEER, two));
        assert!(census.add(other, two));
        census.remove(PEER);
        assert!(census.add(PEER, two));
        for peer in [PEER, PEER, other] {
            census.remove(peer);
        }
        assert!(census.peers.by_address.lock().unwrap().is_empty());
    }

    #[test]
    fn peers_of_an_older_build_count_for_its_successor() {
        let (old, two) = (Census::new(3), NonZero::new(2));
        assert!(old.add(PEER, two));
        let new = old.of_successor();
        new.set_door(7);
        assert!(new.add(PEER, two));
        assert!(new.is_full(2));
        assert!(!new.add(PEER, two) && !old.add(PEER, two));
        assert_eq!((old.connections(), new.connections()), (1, 1));
        assert!(old.remove(PEER), "whoever is full is the same for both");
        assert_eq!(old.door(), 7);
        old.retired_here();
        assert!(old.is_over(1), "the new one's are none of its own");
        assert!(!new.is_full(2));
    }
}
