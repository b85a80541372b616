//! What all connections of an instance share: the settings, the date, and the memory that answers are put together in.

use std::cell::{Cell, RefCell};

use crate::date::Date;
use crate::settings::Settings;

/// One instance's server.
pub struct Site {
    pub settings: Settings,
    pub date: RefCell<Date>,
    spare: Cell<Vec<u8>>,
}

/// The memory for answers is kept up to this size, so that a burst does not weigh on an idle instance for ever.
const SPARE_MAX_BYTES: usize = 4 << 10;

impl Site {
    pub fn new(settings: Settings) -> Site {
        Site {
            settings,
            date: RefCell::new(Date::new()),
            spare: Cell::new(Vec::new()),
        }
    }

    /// Empty memory for answers. Give it back when they are written.
    pub fn take_out(&self) -> Vec<u8> {
        self.spare.take()
    }

    /// Takes the memory back.
    pub fn give_out(&self, mut out: Vec<u8>) {
        if out.capacity() <= SPARE_MAX_BYTES {
            out.clear();
            self.spare.set(out);
        }
    }
}
