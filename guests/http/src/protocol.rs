//! Connects a session with Wisted: its transport, its timer, and what slows either side down. Knows no HTTP.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use wisted_guest::{Address, CloseReason, Config, DelayedCall, Factory, Protocol, Transport};
use wisted_guest::{call_later, now};

use crate::session::{Session, Turn};
use crate::settings::Settings;
use crate::site::Site;

/// Above so many unsent bytes nothing more is produced for a peer, nor read from one that is echoed to: what the host
/// takes for much by default.
const UNSENT_HIGH_BYTES: u64 = 64 << 10;
/// How often a peer that is slow is looked after, should the host's watermark be so high that `drained` never comes.
const SLOW_PEER_MS: u64 = 50;

/// Builds the protocols of an instance.
pub struct HttpFactory {
    site: Rc<Site>,
}

impl Default for HttpFactory {
    fn default() -> HttpFactory {
        HttpFactory {
            site: Rc::new(Site::new(Settings::default())),
        }
    }
}

impl Factory for HttpFactory {
    type Protocol = Http;

    fn start_factory(&mut self, config: &Config) -> Result<(), String> {
        self.site = Rc::new(Site::new(Settings::read(config)?));
        Ok(())
    }

    fn build_protocol(&mut self, _peer: &Address) -> Http {
        let session = Session::new(&self.site, now_ms());
        Http {
            served: Rc::new(RefCell::new(Served {
                site: self.site.clone(),
                session,
                timer: None,
                is_reading_paused: false,
                peer_is_done: false,
            })),
        }
    }
}

/// One connection. Its timer comes back to it, so it is shared with that.
pub struct Http {
    served: Rc<RefCell<Served>>,
}

struct Served {
    site: Rc<Site>,
    session: Session,
    timer: Option<Timer>,
    is_reading_paused: bool,
    peer_is_done: bool,
}

/// The one timer of a connection. It may run out before the deadline, which moves with each request: then it is set
/// again. So a busy connection needs no timer for each request.
struct Timer {
    call: DelayedCall,
    due_ms: u64,
}

impl Protocol for Http {
    fn connection_made(&mut self, transport: &Transport) {
        step(&self.served, transport, |_, _| {});
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        step(&self.served, transport, |session, turn| {
            session.receive(data, turn);
        });
    }

    fn read_closed(&mut self, transport: &Transport) {
        // What it has asked for is still answered.
        self.served.borrow_mut().peer_is_done = true;
        step(&self.served, transport, |_, _| {});
    }

    fn drained(&mut self, transport: &Transport) {
        step(&self.served, transport, |_, _| {});
    }

    fn connection_lost(&mut self, _transport: &Transport, _reason: CloseReason) {
        self.served.borrow_mut().stop_timer();
    }
}

/// Takes one step of a session: `act`, what is to be produced, one write, and then whatever has changed for the transport
/// and the timer.
fn step(
    this: &Rc<RefCell<Served>>,
    transport: &Transport,
    act: impl FnOnce(&mut Session, &mut Turn<'_>),
) {
    let served = &mut *this.borrow_mut();
    let mut out = served.site.take_out();
    let mut turn = Turn {
        site: &served.site,
        now_ms: now_ms(),
        out: &mut out,
    };
    let now_ms = turn.now_ms;
    // Asked for before anything is written: what this handler writes counts as unsent until it returns.
    let is_fast = !served.needs_room() || transport.buffered_bytes() <= UNSENT_HIGH_BYTES;
    if is_fast && served.session.wants_to_produce() {
        served.session.produce(&mut turn);
    }
    act(&mut served.session, &mut turn);
    if !out.is_empty() {
        transport.write(&out);
    }
    served.site.give_out(out);
    if served.session.is_closed() || (served.peer_is_done && !served.session.wants_to_produce()) {
        served.stop_timer();
        return transport.lose_connection();
    }
    served.control_reading(transport, is_fast);
    let due_ms = if !served.session.wants_to_produce() && !served.is_reading_paused {
        served.session.deadline_ms()
    } else if is_fast {
        now_ms
    } else {
        now_ms + SLOW_PEER_MS
    };
    served.set_timer(this, transport, now_ms, due_ms);
}

impl Served {
    /// Whether much may be written, so that it matters how fast the peer reads.
    fn needs_room(&self) -> bool {
        self.session.wants_to_produce() || self.session.is_streaming()
    }

    fn control_reading(&mut self, transport: &Transport, is_fast: bool) {
        let pauses = self.session.wants_to_produce() || (self.session.is_streaming() && !is_fast);
        if pauses != self.is_reading_paused {
            self.is_reading_paused = pauses;
            if pauses {
                transport.pause_reading();
            } else {
                transport.resume_reading();
            }
        }
    }

    fn set_timer(
        &mut self,
        this: &Rc<RefCell<Served>>,
        transport: &Transport,
        now_ms: u64,
        due_ms: u64,
    ) {
        if self
            .timer
            .as_ref()
            .is_some_and(|timer| timer.due_ms <= due_ms)
        {
            return;
        }
        self.stop_timer();
        let (this, transport) = (this.clone(), transport.clone());
        let call = call_later(
            Duration::from_millis(due_ms.saturating_sub(now_ms)),
            move || {
                time_out(&this, &transport);
            },
        );
        self.timer = Some(Timer { call, due_ms });
    }

    fn stop_timer(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.call.cancel();
        }
    }
}

fn time_out(this: &Rc<RefCell<Served>>, transport: &Transport) {
    this.borrow_mut().timer = None;
    step(this, transport, |session, turn| {
        if session.deadline_ms() <= turn.now_ms {
            session.expire(turn);
        }
    });
}

fn now_ms() -> u64 {
    let now = now();
    now.as_secs() * 1000 + u64::from(now.subsec_millis())
}
