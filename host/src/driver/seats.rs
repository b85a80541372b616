//! Where a service's instances live, and which of them a new peer gets. An instance that serves everybody has a seat: at one
//! driver, for good; it is filled again after a fault. Knows neither sockets nor guests.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::Driver;
use super::crew::Mail;
use super::report::Condition;
use crate::service::{Choice, Isolation, Service};

/// One seat, as every driver knows it. A service without shared instances has one all the same, of which only the place counts.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    /// All seats of that service, by their places in the drivers' tables. The first stands for the service where it is about
    /// all of them: its listeners, its limits.
    pub all: Range<usize>,
    /// The driver at which its instance lives.
    pub home: usize,
    /// Whether an instance is ready there. Written at home, read where peers are accepted.
    state: Arc<AtomicU8>,
}

/// Its instance is being started for the first time.
const STARTING: u8 = 0;
/// Its instance may take connections.
const OPEN: u8 = 1;
/// Its instance has failed, and is to be started again.
const RESTARTING: u8 = 2;
/// Its instance has failed so often that it is not started for some time, and peers are turned away.
const BROKEN: u8 = 3;

/// Whether a service's instances live wherever their connections do.
pub(super) fn is_spread(service: &Service) -> bool {
    service.serves_connections() && service.isolation == Isolation::Connection
}

/// How many instances are shared by all connections of a service.
pub(super) fn shared_instances(service: &Service) -> usize {
    match service.serves_connections() && service.isolation == Isolation::Service {
        true => usize::from(service.instances.get()),
        false => 1,
    }
}

impl Seat {
    /// A service's seats, at these places in the drivers' tables, dealt out over so many drivers from one on.
    pub fn row(
        places: &Range<usize>,
        first_home: usize,
        drivers: usize,
    ) -> impl Iterator<Item = Self> {
        (0..places.len()).map(move |number| Self {
            all: places.clone(),
            home: (first_home + number) % drivers,
            state: Arc::new(AtomicU8::new(STARTING)),
        })
    }

    /// Whether its instance may take connections.
    pub fn is_open(&self) -> bool {
        self.state.load(Ordering::SeqCst) == OPEN
    }

    pub fn condition(&self) -> Condition {
        match self.state.load(Ordering::SeqCst) {
            STARTING => Condition::Starting,
            OPEN => Condition::Up,
            BROKEN => Condition::Broken,
            _ => Condition::Restarting,
        }
    }

    /// Whether its first instance is not there yet, and has not failed.
    pub fn is_starting(&self) -> bool {
        self.state.load(Ordering::SeqCst) == STARTING
    }
}

impl Driver {
    /// Whether a seat's instance may live here.
    pub(super) fn houses(&self, seat: usize) -> bool {
        let served = &self.services[seat];
        served.seat.home == self.place.index || is_spread(&served.service)
    }

    /// The instance of a seat is ready for connections, or is no more.
    pub(super) fn set_condition(&mut self, seat: usize, condition: Condition) {
        let served = &mut self.services[seat];
        served.up = condition == Condition::Up;
        let state = match condition {
            Condition::Starting | Condition::Draining => STARTING,
            Condition::Up => OPEN,
            Condition::Restarting => RESTARTING,
            Condition::Broken => BROKEN,
        };
        served.seat.state.store(state, Ordering::SeqCst);
        // One that has failed may have been the last one that peers waited for.
        if self.place.is_first() {
            self.service_may_accept_again(seat);
        } else {
            self.place.mailboxes[0].send(Mail::AcceptAgain(seat));
        }
    }

    /// The seat of a new peer of a service with shared instances. Where the one whose turn it is, or that peers of this address
    /// get, has no instance at the moment, the next one that has.
    pub(super) fn seat_of(&mut self, service: usize, peer: &SocketAddr) -> usize {
        let served = &mut self.services[service];
        let all = served.seat.all.clone();
        let wanted = match served.service.choice {
            Choice::RoundRobin => served.next_home,
            Choice::Peer => place_of(peer.ip(), all.len()),
        };
        let seat = self.open_seat(&all, wanted).unwrap_or(all.start);
        self.services[service].next_home = (seat - all.start + 1) % all.len();
        seat
    }

    /// Whether none of a service's instances will be started for some time.
    pub(super) fn is_broken(&self, service: usize) -> bool {
        let all = &self.services[service].seat.all;
        let mut seats = self.services[all.clone()].iter();
        seats.all(|served| served.seat.condition() == Condition::Broken)
    }

    /// The first open seat from the one that is wanted on.
    pub(super) fn open_seat(&self, all: &Range<usize>, wanted: usize) -> Option<usize> {
        let count = all.len();
        let from_wanted = (0..count).map(|step| all.start + (wanted + step) % count);
        let mut seats = from_wanted;
        seats.find(|&seat| self.services[seat].seat.is_open())
    }
}

/// The same place for the same address, at every start of the same build.
fn place_of(address: IpAddr, count: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    address.to_canonical().hash(&mut hasher);
    (hasher.finish() % count as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_dealt_out_over_the_drivers() {
        let homes: Vec<_> = Seat::row(&(3..8), 1, 2).map(|seat| seat.home).collect();
        assert_eq!(homes, [1, 0, 1, 0, 1]);
        assert!(Seat::row(&(3..8), 0, 2).all(|seat| seat.all == (3..8) && seat.is_starting()));
    }

    #[test]
    fn an_address_keeps_its_place_however_it_is_written() {
        let places = |last| {
            let plain: IpAddr = format!("10.0.0.{last}").parse().unwrap();
            let mapped: IpAddr = format!("::ffff:10.0.0.{last}").parse().unwrap();
            assert_eq!(place_of(plain, 4), place_of(mapped, 4));
            place_of(plain, 4)
        };
        let taken: std::collections::BTreeSet<_> = (0..64).map(places).collect();
        assert_eq!(taken.len(), 4);
    }
}
