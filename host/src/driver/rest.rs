//! Instances that rest: looks from time to time which have run no handler for a while, and has their memory packed. A call costs
//! nothing more for it, since calls are counted anyway; nor does it matter when exactly it looks, so that it has no deadline among
//! the others, for which each turn would have to read the clock once more.

use std::time::{Duration, Instant};

use super::Driver;
use super::instances::Instance;
use crate::core::{Idle, Looked};
use crate::limits::per_turn::{LOOKS_MAX, PACKED_BYTES};

/// Between two rounds in which all are looked at.
const ROUND_PAUSE: Duration = Duration::from_secs(1);
/// Within a round, so that the others have most of the time.
const STEP_PAUSE: Duration = Duration::from_millis(5);

/// To ask the operating system of an instance's memory takes as long as to pack so much of it.
const LOOK_BYTES: usize = 1 << 10;

/// What is known of one instance.
#[derive(Debug)]
pub(super) struct Rest {
    idle: Idle,
    /// It has been looked at since its last call, and nothing is left to do until the next.
    is_over: bool,
}

/// How far a driver is with its round.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// When it goes on, and how long before that it was decided. Without it all rest that can, until the next call.
    next: Option<(Instant, Duration)>,
    /// The place in the table of instances at which to go on.
    place: usize,
    /// Some that were passed may rest later.
    some_do_not_rest: bool,
}

impl Rest {
    pub fn new(now: Instant) -> Self {
        Self {
            idle: Idle::new(now),
            is_over: false,
        }
    }
}

impl Driver {
    /// A guest has run, and may rest some time.
    pub(super) fn guest_may_rest(&mut self) {
        if self.round.next.is_none() {
            self.go_on_in(ROUND_PAUSE);
        }
    }

    fn go_on_in(&mut self, pause: Duration) {
        self.round.next = Some((self.now + pause, pause));
    }

    /// How long a turn may wait for events for the sake of who rests: it goes on late by so much at the most.
    pub(super) fn rest_can_wait(&self) -> Option<Duration> {
        self.round.next.map(|(_, pause)| pause)
    }

    /// Looks at some instances if it is time, and packs the memory of those that rest.
    pub(super) fn look_who_rests(&mut self) {
        if self.round.next.is_none_or(|(at, _)| at > self.now) {
            return;
        }
        let places = self.instances.capacity();
        let mut bytes_left = PACKED_BYTES;
        for _ in 0..LOOKS_MAX {
            if self.round.place >= places || bytes_left == 0 {
                break;
            }
            let (bytes, is_done) = self.look_at(self.round.place, bytes_left);
            bytes_left = bytes_left.saturating_sub(bytes);
            self.round.place += usize::from(is_done);
        }
        if self.round.place < places {
            return self.go_on_in(STEP_PAUSE);
        }
        let round = std::mem::take(&mut self.round);
        if round.some_do_not_rest {
            self.go_on_in(ROUND_PAUSE);
        }
    }

    /// Looks at the instance in one place, and packs so much of its memory if it rests. Returns how much it was, and whether
    /// nothing is left to do there.
    fn look_at(&mut self, place: usize, bytes_max: usize) -> (usize, bool) {
        let Some(instance) = self.instances.get_mut(place) else {
            return (0, true);
        };
        let limits = &self.services[instance.service].service.limits;
        let Some(after) = limits.pack_memory_after else {
            return (0, true);
        };
        let Instance {
            rest, guest, work, ..
        } = instance;
        if guest.is_busy() {
            self.round.some_do_not_rest = true;
            return (0, true);
        }
        match rest.idle.look(work.calls, after, self.now) {
            Looked::Again(_) => {
                rest.is_over = false;
                self.round.some_do_not_rest = true;
                (0, true)
            }
            Looked::TooLong if rest.is_over => (0, true),
            Looked::TooLong => {
                let resting = guest.rest(&self.host, bytes_max);
                rest.is_over = resting.is_over;
                (LOOK_BYTES + resting.bytes, resting.is_over)
            }
        }
    }
}
