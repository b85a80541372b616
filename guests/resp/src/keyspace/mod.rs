//! The databases: keys, their values and times to live, and what they weigh. Knows no protocol and no connection.

mod value;

pub(crate) use value::{Hash, Kind, List, Set, Text, Value};

use crate::clock::Clock;
use crate::fault::Fault;
use crate::limits::{DATABASES, EXPIRY_ROUND_MAX_KEYS};
use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;
use indexmap::IndexMap;

/// Peers choose the keys, so hashes are seeded: nobody can choose keys that all collide.
pub(crate) type Hasher = SeedableRandomState;

/// One of several independent sets of keys.
struct Database {
    /// Scanning goes from the last to the first, and removing moves the last into the gap: so a scan misses no key that
    /// is there all the time.
    entries: IndexMap<Box<[u8]>, Entry, Hasher>,
    /// Keys with a time to live.
    volatile: usize,
    /// Where the next round of active expiry goes on, downwards.
    expiry_cursor: usize,
}

/// What a key stands for.
pub(crate) struct Entry {
    pub(crate) value: Value,
    /// When it goes, in milliseconds of the time of day; never when 0.
    expires_ms: u64,
}

/// All databases, one of which is selected.
pub(crate) struct Keyspace {
    databases: Vec<Database>,
    /// The one that every method works on; below [`DATABASES`]. To be set before each batch.
    pub(crate) selected: usize,
    pub(crate) clock: Clock,
    pub(crate) memory_max_bytes: usize,
    used_bytes: usize,
    /// Some key may have a time to live: a round of active expiry is worth while.
    may_expire: bool,
    hasher: Hasher,
    pub(crate) keys_expired: u64,
}

/// What a key takes besides its own bytes and its value's: its place in the table and two allocations.
const KEY_OVERHEAD_BYTES: usize = 96;

/// A command with no more arguments is refused only when the budget is used.
const FEW_ARGUMENTS: usize = 1_000;

/// What an element takes besides its own bytes, whatever it is in; half a key, since every second argument is a value.
const ITEM_BYTES: usize = 56;

impl Keyspace {
    pub(crate) fn new(clock: Clock, memory_max_bytes: usize, seeds: [u64; 2]) -> Keyspace {
        // It lives as long as the instance, and there is one.
        let shared: &'static SharedSeed = Box::leak(Box::new(SharedSeed::from_u64(seeds[0])));
        let hasher = Hasher::with_seed(seeds[1], shared);
        let database = || Database {
            entries: IndexMap::with_hasher(hasher.clone()),
            volatile: 0,
            expiry_cursor: 0,
        };
        Keyspace {
            databases: std::iter::repeat_with(database).take(DATABASES).collect(),
            selected: 0,
            clock,
            memory_max_bytes,
            used_bytes: 0,
            may_expire: false,
            hasher,
            keys_expired: 0,
        }
    }

    pub(crate) fn hasher(&self) -> Hasher {
        self.hasher.clone()
    }

    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Whether a command with so many arguments that are elements must be refused. A few do not matter; what many would
    /// take besides their bytes must fit.
    #[inline]
    pub(crate) fn is_over_budget(&self, arguments: usize) -> bool {
        let more = if arguments > FEW_ARGUMENTS {
            arguments * ITEM_BYTES
        } else {
            0
        };
        self.used_bytes + more > self.memory_max_bytes
    }

    /// How many keys each database has, and how many of them have a time to live.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (usize, usize)> {
        self.databases
            .iter()
            .map(|database| (database.entries.len(), database.volatile))
    }

    /// Whether to ask for a round of [`expire_some`](Keyspace::expire_some).
    #[inline]
    pub(crate) fn may_expire(&self) -> bool {
        self.may_expire
    }

    pub(crate) fn len(&self) -> usize {
        self.database().entries.len()
    }

    /// A key's value, unless its time is over: then it is removed.
    #[inline]
    pub(crate) fn find(&mut self, key: &[u8]) -> Option<&mut Entry> {
        let index = self.index_of(key)?;
        Some(&mut self.databases[self.selected].entries[index])
    }

    /// As a value of one kind, to be looked at.
    #[inline]
    pub(crate) fn read<K: Kind>(&mut self, key: &[u8]) -> Result<Option<&K>, Fault> {
        match self.find(key) {
            None => Ok(None),
            Some(entry) => K::of(&entry.value).map(Some).ok_or(Fault::WRONG_TYPE),
        }
    }

    /// As [`read`](Keyspace::read), for several keys at once: one whose time is over is passed over.
    pub(crate) fn peek<K: Kind>(&self, key: &[u8]) -> Result<Option<&K>, Fault> {
        match self
            .database()
            .entries
            .get(key)
            .filter(|entry| !self.is_over(entry))
        {
            None => Ok(None),
            Some(entry) => K::of(&entry.value).map(Some).ok_or(Fault::WRONG_TYPE),
        }
    }

    /// Has `change` work on a value of one kind, if there is one. A value that is empty afterwards goes with its key.
    #[inline]
    pub(crate) fn change<K: Kind, R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut K) -> R,
    ) -> Result<Option<R>, Fault> {
        let Some(index) = self.index_of(key) else {
            return Ok(None);
        };
        let entry = &mut self.databases[self.selected].entries[index];
        let value = K::of_mut(&mut entry.value).ok_or(Fault::WRONG_TYPE)?;
        let before = value.bytes();
        let result = change(value);
        let (after, is_over) = (value.bytes(), K::GOES_WHEN_EMPTY && value.is_empty());
        self.used_bytes = (self.used_bytes + after).saturating_sub(before);
        if is_over {
            self.remove_index(index);
        }
        Ok(Some(result))
    }

    /// As [`change`](Keyspace::change), on a new value where there is none.
    pub(crate) fn change_or_create<K: Kind, R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut K) -> R,
    ) -> Result<R, Fault> {
        if self.index_of(key).is_none() {
            let mut value = K::new(self.hasher.clone());
            let result = change(&mut value);
            if !(K::GOES_WHEN_EMPTY && value.is_empty()) {
                self.insert(key, value.into_value(), 0)?;
            }
            return Ok(result);
        }
        self.change(key, change)
            .map(|result| result.expect("it was there a moment ago"))
    }

    /// Makes `text` a key's value, whatever it was, for ever. The memory of a string there is used again.
    #[inline]
    pub(crate) fn set(&mut self, key: &[u8], text: &[u8]) -> Result<(), Fault> {
        self.set_until(key, text, Some(0))
    }

    /// As [`set`](Keyspace::set), until a time, or with the time that the key has.
    #[inline]
    pub(crate) fn set_until(
        &mut self,
        key: &[u8],
        text: &[u8],
        expires_ms: Option<u64>,
    ) -> Result<(), Fault> {
        if expires_ms.is_none() {
            // A time that is over is not kept.
            self.index_of(key);
        }
        let database = &mut self.databases[self.selected];
        if let Some(entry) = database.entries.get_mut(key)
            && let Value::Text(old) = &mut entry.value
        {
            let before = old.bytes();
            let result = old.set(text);
            self.used_bytes = (self.used_bytes + old.bytes()).saturating_sub(before);
            result?;
            if let Some(expires_ms) = expires_ms
                && expires_ms != entry.expires_ms
            {
                database.volatile += usize::from(expires_ms != 0);
                database.volatile -= usize::from(entry.expires_ms != 0);
                entry.expires_ms = expires_ms;
                self.may_expire |= expires_ms != 0;
            }
            return Ok(());
        }
        let expires_ms = match expires_ms {
            Some(expires_ms) => expires_ms,
            None => self.find(key).map_or(0, |entry| entry.expires_ms),
        };
        self.insert(key, Value::Text(Text::of(text)?), expires_ms)
    }

    /// Makes `value` the key's, whatever it was.
    pub(crate) fn insert(
        &mut self,
        key: &[u8],
        value: Value,
        expires_ms: u64,
    ) -> Result<(), Fault> {
        let database = &mut self.databases[self.selected];
        let entry = Entry { value, expires_ms };
        self.used_bytes += entry.value.bytes();
        database.volatile += usize::from(expires_ms != 0);
        self.may_expire |= expires_ms != 0;
        if let Some(old) = database.entries.get_mut(key) {
            let old = std::mem::replace(old, entry);
            self.used_bytes = self.used_bytes.saturating_sub(old.value.bytes());
            database.volatile -= usize::from(old.expires_ms != 0);
            return Ok(());
        }
        if database.entries.len() == database.entries.capacity() {
            // Doubling would take more than there is long before the budget is used.
            let more = (database.entries.len() / 4).max(16);
            database
                .entries
                .try_reserve_exact(more)
                .map_err(|_| Fault::OUT_OF_MEMORY)?;
        }
        self.used_bytes += KEY_OVERHEAD_BYTES + key.len();
        database.entries.insert(key.into(), entry);
        Ok(())
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let index = self.index_of(key)?;
        self.remove_index(index)
    }

    /// Sets a time to live for a key that is there, or with 0 takes it away. One that is over removes the key.
    pub(crate) fn set_expiry(&mut self, key: &[u8], expires_ms: u64) {
        let Some(index) = self.index_of(key) else {
            return;
        };
        if expires_ms != 0 && expires_ms <= self.clock.unix_ms() {
            self.remove_index(index);
            return;
        }
        let database = &mut self.databases[self.selected];
        let entry = &mut database.entries[index];
        database.volatile += usize::from(expires_ms != 0);
        database.volatile -= usize::from(entry.expires_ms != 0);
        entry.expires_ms = expires_ms;
        self.may_expire |= expires_ms != 0;
    }

    /// Removes all keys of the selected database.
    pub(crate) fn flush(&mut self) {
        let database = &mut self.databases[self.selected];
        database.volatile = 0;
        database.expiry_cursor = 0;
        let entries = std::mem::replace(
            &mut database.entries,
            IndexMap::with_hasher(self.hasher.clone()),
        );
        let bytes: usize = entries.iter().map(|(key, entry)| weight(key, entry)).sum();
        self.used_bytes = self.used_bytes.saturating_sub(bytes);
    }

    pub(crate) fn flush_all(&mut self) {
        let selected = self.selected;
        for database in 0..DATABASES {
            self.selected = database;
            self.flush();
        }
        self.selected = selected;
    }

    /// The keys in the order of a scan, from place `cursor` downwards; those whose time is over are left out. Each with
    /// its place, from which a scan goes on behind it.
    pub(crate) fn scan(&self, cursor: usize) -> impl Iterator<Item = (usize, &[u8], &Entry)> {
        let entries = &self.database().entries;
        let slice = entries
            .get_range(..cursor.min(entries.len()))
            .unwrap_or_default();
        let places = slice.iter().enumerate().rev();
        places
            .filter(|(_, (_, entry))| !self.is_over(entry))
            .map(|(place, (key, entry))| (place, &**key, entry))
    }

    /// The key at a place below [`len`](Keyspace::len), unless its time is over.
    pub(crate) fn key_at(&self, place: usize) -> Option<&[u8]> {
        let (key, entry) = self.database().entries.get_index(place)?;
        (!self.is_over(entry)).then_some(key)
    }

    /// Removes keys whose time is over, in one bounded round through the databases that have any with a time.
    pub(crate) fn expire_some(&mut self) {
        let selected = self.selected;
        let mut left = EXPIRY_ROUND_MAX_KEYS;
        for database in 0..DATABASES {
            self.selected = database;
            left = self.expire_some_of_selected(left);
        }
        self.selected = selected;
        self.may_expire = self.databases.iter().any(|database| database.volatile > 0);
    }

    fn expire_some_of_selected(&mut self, keys_max: usize) -> usize {
        let database = &self.databases[self.selected];
        if database.volatile == 0 {
            return keys_max;
        }
        let looked_at = keys_max.min(database.entries.len());
        let mut cursor = database.expiry_cursor;
        for _ in 0..looked_at {
            let database = &self.databases[self.selected];
            if cursor == 0 || cursor > database.entries.len() {
                cursor = database.entries.len();
            }
            if cursor == 0 {
                break;
            }
            cursor -= 1;
            if self.is_over(&database.entries[cursor]) {
                self.remove_index(cursor);
                self.keys_expired += 1;
            }
        }
        self.databases[self.selected].expiry_cursor = cursor;
        keys_max - looked_at
    }

    #[inline]
    fn database(&self) -> &Database {
        &self.databases[self.selected]
    }

    /// A live key's place. One whose time is over is removed.
    #[inline]
    fn index_of(&mut self, key: &[u8]) -> Option<usize> {
        let entries = &self.databases[self.selected].entries;
        let index = entries.get_index_of(key)?;
        if self.is_over(&entries[index]) {
            self.remove_index(index);
            self.keys_expired += 1;
            return None;
        }
        Some(index)
    }

    #[inline]
    fn is_over(&self, entry: &Entry) -> bool {
        entry.expires_ms != 0 && entry.expires_ms <= self.clock.unix_ms()
    }

    fn remove_index(&mut self, index: usize) -> Option<Entry> {
        let database = &mut self.databases[self.selected];
        let (key, entry) = database.entries.swap_remove_index(index)?;
        database.volatile -= usize::from(entry.expires_ms != 0);
        self.used_bytes = self.used_bytes.saturating_sub(weight(&key, &entry));
        Some(entry)
    }
}

impl Entry {
    /// When it goes, if it does.
    pub(crate) fn expires_ms(&self) -> Option<u64> {
        (self.expires_ms != 0).then_some(self.expires_ms)
    }
}

fn weight(key: &[u8], entry: &Entry) -> usize {
    KEY_OVERHEAD_BYTES + key.len() + entry.value.bytes()
}
