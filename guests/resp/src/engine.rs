//! What all connections share: the keys, the reply buffer, who is connected, and what a handler call may still take.
//! Knows no transport's state and no timer.

use crate::clock::Clock;
use crate::command::Table;
use crate::fault::Fault;
use crate::keyspace::Keyspace;
use crate::limits::{
    CALL_WORK_MAX_STEPS, COMMAND_WORK_MAX_STEPS, MEMORY_MAX_BYTES, REPLIES_MAX_BYTES,
    REPLY_MAX_BYTES,
};
use crate::reply::{Protocol, Reply};
use std::collections::BTreeMap;
use wisted_guest::Transport;

/// One instance's state.
pub(crate) struct Engine {
    pub(crate) keyspace: Keyspace,
    pub(crate) reply: Reply,
    pub(crate) commands: Table,
    /// Who is connected, by number.
    pub(crate) clients: BTreeMap<u32, Profile>,
    pub(crate) random: Random,
    pub(crate) started_ms: u64,
    pub(crate) connections_received: u64,
    pub(crate) commands_processed: u64,
    /// What all connections keep of commands that are not run yet.
    pub(crate) kept_bytes: usize,
    pub(crate) budget: Budget,
}

/// What the running handler call and the running command have taken.
#[derive(Default)]
pub(crate) struct Budget {
    /// Elements looked at.
    call_steps: usize,
    /// Bytes handed to the host.
    call_bytes: usize,
    command_steps: usize,
}

/// What `CLIENT LIST` says of a connection.
pub(crate) struct Profile {
    pub(crate) transport: Transport,
    pub(crate) since_ms: u64,
    pub(crate) name: Vec<u8>,
    pub(crate) library: Vec<u8>,
    pub(crate) library_version: Vec<u8>,
    pub(crate) database: usize,
    pub(crate) protocol: Protocol,
}

/// What commands know of the connection that they run for.
pub(crate) struct Client {
    /// The connection's number.
    pub(crate) id: u32,
    pub(crate) protocol: Protocol,
    pub(crate) database: usize,
    /// It ends when the replies written so far are sent; nothing is run any more.
    pub(crate) is_closing: bool,
}

impl Engine {
    /// With the memory budget that the operator configured, if any.
    pub(crate) fn new(memory_max_bytes: Option<usize>) -> Engine {
        let mut random = Random::new();
        let seeds = [random.next(), random.next()];
        let clock = Clock::new();
        let started_ms = clock.unix_ms();
        Engine {
            keyspace: Keyspace::new(clock, memory_max_bytes.unwrap_or(MEMORY_MAX_BYTES), seeds),
            reply: Reply::default(),
            commands: Table::new(),
            clients: BTreeMap::new(),
            random,
            started_ms,
            connections_received: 0,
            commands_processed: 0,
            kept_bytes: 0,
            budget: Budget::default(),
        }
    }

    /// To be called when a handler of the host begins.
    #[inline]
    pub(crate) fn begin_call(&mut self) {
        self.keyspace.clock.forget();
        self.budget.call_steps = 0;
        self.budget.call_bytes = 0;
    }

    /// To be called before the commands of a connection.
    #[inline]
    pub(crate) fn serve(&mut self, client: &Client) {
        self.keyspace.selected = client.database;
        self.reply.protocol = client.protocol;
    }

    /// To be called before each command.
    #[inline]
    pub(crate) fn begin_command(&mut self) {
        self.reply.begin();
        self.budget.command_steps = 0;
        self.commands_processed += 1;
    }

    /// To be called after each command: whether its reply became too long. What was written for nothing counts as work.
    #[inline]
    pub(crate) fn has_overflowed(&mut self) -> bool {
        let overflowed = self.reply.has_overflowed();
        if overflowed {
            self.budget.call_steps += REPLY_MAX_BYTES / 16;
        }
        overflowed
    }

    /// Whether the remaining commands have to wait.
    #[inline]
    pub(crate) fn is_exhausted(&self) -> bool {
        self.budget.call_steps > CALL_WORK_MAX_STEPS
            || self.budget.call_bytes + self.reply.len() > REPLIES_MAX_BYTES
    }

    /// To be called after the commands of a connection: sends their replies in one write.
    #[inline]
    pub(crate) fn send_replies(&mut self, transport: &Transport) {
        if self.reply.len() > 0 {
            transport.write(self.reply.as_bytes());
            self.budget.call_bytes += self.reply.len();
            self.reply.clear();
        }
    }
}

impl Budget {
    /// To be called by each command for the elements that it looks at, where they may be many, before it does so.
    pub(crate) fn work(&mut self, steps: usize) -> Result<(), Fault> {
        self.command_steps = self.command_steps.saturating_add(steps);
        if self.command_steps > COMMAND_WORK_MAX_STEPS {
            return Err(Fault::TOO_MUCH_WORK);
        }
        self.call_steps += steps;
        Ok(())
    }
}

/// Numbers that need not be fit for keys: which member of a set is taken.
pub(crate) struct Random {
    state: u64,
}

impl Random {
    fn new() -> Random {
        let seed = wisted_guest::random_bytes(8);
        let seed = seed
            .iter()
            .fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        Random { state: seed }
    }

    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}
