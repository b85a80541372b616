//! The table of commands, and how one is run. Each family has a file; what their commands do, only they know.

mod client;
mod connection;
mod counters;
mod expiry;
mod hashes;
mod keys;
mod lists;
mod scan;
mod server;
mod sets;
mod strings;

use crate::engine::{Client, Engine};
use crate::fault::{Fault, Outcome};
use crate::frame::Args;
use crate::number;

/// One command as its family declares it.
pub(crate) struct Spec {
    /// In lower case.
    pub(crate) name: &'static str,
    /// How many arguments, the name included; at least so many if negative.
    pub(crate) arity: i8,
    pub(crate) flags: u8,
    /// The first and the last argument that is a key, and the distance between two; 0 for none.
    pub(crate) keys: (i8, i8, i8),
    pub(crate) group: &'static str,
    pub(crate) run: fn(&mut Call<'_>) -> Outcome,
}

pub(crate) const READS: u8 = 1;
pub(crate) const WRITES: u8 = 2;
/// May need more memory, so it is refused when the budget is used.
pub(crate) const GROWS: u8 = 4;
/// Takes the same however much there is.
pub(crate) const FAST: u8 = 8;

const FAMILIES: [&[Spec]; 11] = [
    strings::COMMANDS,
    counters::COMMANDS,
    keys::COMMANDS,
    expiry::COMMANDS,
    scan::COMMANDS,
    lists::COMMANDS,
    hashes::COMMANDS,
    sets::COMMANDS,
    connection::COMMANDS,
    client::COMMANDS,
    server::COMMANDS,
];

/// One command being run.
pub(crate) struct Call<'a> {
    pub(crate) args: Args<'a>,
    pub(crate) client: &'a mut Client,
    pub(crate) engine: &'a mut Engine,
    pub(crate) spec: &'static Spec,
}

/// Runs a command and writes its reply.
#[inline]
pub(crate) fn run(args: Args<'_>, client: &mut Client, engine: &mut Engine) {
    engine.begin_command();
    let outcome = match engine.commands.find(args.get(0)) {
        Some(spec) => run_found(spec, args, client, engine),
        None => Err(Fault::unknown_command(args.get(0), args.from(1))),
    };
    let outcome = if engine.has_overflowed() {
        Err(Fault::REPLY_TOO_LONG)
    } else {
        outcome
    };
    if let Err(fault) = outcome {
        engine.reply.fail(&fault);
    }
}

#[inline]
fn run_found(
    spec: &'static Spec,
    args: Args<'_>,
    client: &mut Client,
    engine: &mut Engine,
) -> Outcome {
    let arity = usize::from(spec.arity.unsigned_abs());
    if args.len() != arity && (spec.arity > 0 || args.len() < arity) {
        return Err(Fault::arity(spec.name));
    }
    if spec.flags & GROWS != 0 && engine.keyspace.is_over_budget(args.len()) {
        // What is over anyway may make room.
        engine.keyspace.expire_some();
        if engine.keyspace.is_over_budget(args.len()) {
            return Err(Fault::OUT_OF_MEMORY);
        }
    }
    (spec.run)(&mut Call {
        args,
        client,
        engine,
        spec,
    })
}

impl<'a> Call<'a> {
    /// An argument that the command's arity promises.
    #[inline]
    pub(crate) fn arg(&self, index: usize) -> &'a [u8] {
        self.args.get(index)
    }

    /// An argument that is a whole number.
    pub(crate) fn integer(&self, index: usize) -> Result<i64, Fault> {
        number::integer(self.arg(index)).ok_or(Fault::NOT_AN_INTEGER)
    }

    /// An argument that is a count, which may not be negative.
    pub(crate) fn positive(&self, index: usize) -> Result<usize, Fault> {
        let number = number::integer(self.arg(index)).ok_or(Fault::NOT_POSITIVE)?;
        let number = u64::try_from(number).map_err(|_| Fault::NOT_POSITIVE)?;
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// The error for a command that has too many arguments or half a pair.
    pub(crate) fn wrong_arity(&self) -> Outcome {
        Err(Fault::arity(self.spec.name))
    }
}

/// Whether an argument is this word, which is given in lower case.
pub(crate) fn is_word(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// `start` and `end` as redis-server counts them, from the end if negative and both included, in a sequence of so many.
pub(crate) fn span(start: i64, end: i64, length: usize) -> std::ops::Range<usize> {
    let length = length as i64;
    let from_end = |index: i64| {
        if index < 0 {
            index.saturating_add(length)
        } else {
            index
        }
    };
    let start = from_end(start).max(0);
    let end = from_end(end).min(length - 1);
    if start > end {
        return 0..0;
    }
    start as usize..end as usize + 1
}

/// An index, from the end if negative, as a place; where there is none, one that is too large.
pub(crate) fn place(index: i64, length: usize) -> usize {
    let index = if index < 0 {
        index.saturating_add(length as i64)
    } else {
        index
    };
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// Finds commands by name: an open-addressed table of names that fit two words.
pub(crate) struct Table {
    slots: Vec<Option<(Name, &'static Spec)>>,
    len: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Name {
    words: [u64; 2],
    bytes: u32,
}

const SLOTS: usize = 512;
const NAME_MAX_BYTES: usize = 16;

impl Name {
    /// In upper case. Exact for letters; other bytes may come to stand for them only in names that no command has.
    #[inline]
    fn of(name: &[u8]) -> Option<Name> {
        if name.len() > NAME_MAX_BYTES {
            return None;
        }
        let mut words = [0; 2];
        for (at, byte) in name.iter().enumerate() {
            let word = &mut words[at / 8];
            *word = *word << 8 | u64::from(byte & !0x20);
        }
        Some(Name {
            words,
            bytes: name.len() as u32,
        })
    }

    #[inline]
    fn slot(&self) -> usize {
        let mixed =
            (self.words[0] ^ self.words[1].rotate_left(23)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 55) as usize % SLOTS
    }
}

impl Table {
    pub(crate) fn new() -> Table {
        let mut table = Table {
            slots: vec![None; SLOTS],
            len: 0,
        };
        for spec in FAMILIES.iter().flat_map(|family| family.iter()) {
            if let Some(name) = Name::of(spec.name.as_bytes()) {
                let mut slot = name.slot();
                while table.slots[slot].is_some() {
                    slot = (slot + 1) % SLOTS;
                }
                table.slots[slot] = Some((name, spec));
                table.len += 1;
            }
        }
        table
    }

    #[inline]
    pub(crate) fn find(&self, name: &[u8]) -> Option<&'static Spec> {
        let name = Name::of(name)?;
        let mut slot = name.slot();
        // There are more slots than names, so this ends.
        while let Some((other, spec)) = &self.slots[slot] {
            if *other == name {
                return Some(spec);
            }
            slot = (slot + 1) % SLOTS;
        }
        None
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// In the order of their families.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static Spec> {
        FAMILIES.iter().flat_map(|family| family.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_in_any_case_and_no_other() {
        let table = Table::new();
        assert!(table.len() < SLOTS / 2);
        for spec in table.iter() {
            for name in [spec.name.to_owned(), spec.name.to_uppercase()] {
                let found = table.find(name.as_bytes()).expect("known");
                assert_eq!(found.name, spec.name);
            }
            let padded = [spec.name.as_bytes(), b"\0"].concat();
            assert!(table.find(&padded).is_none());
            assert!(spec.name.bytes().all(|byte| byte.is_ascii_lowercase()));
        }
        assert!(table.find(b"").is_none() && table.find(b"nosuchcommandatall").is_none());
    }

    #[test]
    fn spans_and_places() {
        assert_eq!(span(0, -1, 3), 0..3);
        assert_eq!(span(-2, -1, 3), 1..3);
        assert_eq!(span(1, 100, 3), 1..3);
        assert_eq!(span(-100, 0, 3), 0..1);
        for (start, end, length) in [
            (2, 1, 3),
            (3, 5, 3),
            (0, -1, 0),
            (0, i64::MIN, 3),
            (0, -4, 3),
        ] {
            assert!(span(start, end, length).is_empty(), "{start} {end}");
        }
        assert_eq!(place(-1, 3), 2);
        assert_eq!(place(-4, 3), usize::MAX);
    }
}
