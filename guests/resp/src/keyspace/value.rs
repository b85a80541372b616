//! What a key can stand for, and what it weighs. Knows no keys.

use super::Hasher;
use crate::fault::Fault;
use crate::limits::{KEPT_BYTES_MAX, ORDERED_MAX_ELEMENTS};
use indexmap::{IndexMap, IndexSet};
use std::collections::VecDeque;

/// One value. The larger kinds are boxed, so that a string takes little.
pub(crate) enum Value {
    Text(Text),
    List(Box<List>),
    Hash(Box<Hash>),
    Set(Box<Set>),
}

/// A kind of value: commands work on one of them.
pub(crate) trait Kind: Sized {
    /// Whether a key goes when its value is empty.
    const GOES_WHEN_EMPTY: bool;
    fn new(hasher: Hasher) -> Self;
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn into_value(self) -> Value;
    fn is_empty(&self) -> bool;
    /// What it takes of the memory budget.
    fn bytes(&self) -> usize;
}

impl Value {
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Value::Text(_) => "string",
            Value::List(_) => "list",
            Value::Hash(_) => "hash",
            Value::Set(_) => "set",
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Value::Text(text) => text.bytes(),
            Value::List(list) => list.bytes(),
            Value::Hash(hash) => hash.bytes(),
            Value::Set(set) => set.bytes(),
        }
    }
}

/// A string: any bytes.
#[derive(Default)]
pub(crate) struct Text(Vec<u8>);

impl Text {
    pub(crate) fn of(text: &[u8]) -> Result<Text, Fault> {
        let mut new = Text::default();
        new.set(text)?;
        Ok(new)
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(crate) fn set(&mut self, text: &[u8]) -> Result<(), Fault> {
        let capacity = self.0.capacity();
        if capacity < text.len() || capacity > 2 * text.len() + KEPT_BYTES_MAX {
            self.0 = Vec::new();
            self.0
                .try_reserve_exact(text.len())
                .map_err(|_| Fault::OUT_OF_MEMORY)?;
        }
        self.0.clear();
        self.0.extend_from_slice(text);
        Ok(())
    }

    pub(crate) fn append(&mut self, more: &[u8]) -> Result<(), Fault> {
        self.0
            .try_reserve(more.len())
            .map_err(|_| Fault::OUT_OF_MEMORY)?;
        self.0.extend_from_slice(more);
        Ok(())
    }

    /// Overwrites from `offset` on, filling a gap before it with zeros.
    pub(crate) fn overwrite(&mut self, offset: usize, with: &[u8]) -> Result<(), Fault> {
        let end = offset + with.len();
        if end > self.0.len() {
            self.0
                .try_reserve(end - self.0.len())
                .map_err(|_| Fault::OUT_OF_MEMORY)?;
            self.0.resize(end, 0);
        }
        self.0[offset..end].copy_from_slice(with);
        Ok(())
    }
}

impl Kind for Text {
    const GOES_WHEN_EMPTY: bool = false;
    fn new(_hasher: Hasher) -> Text {
        Text::default()
    }
    #[inline]
    fn of(value: &Value) -> Option<&Text> {
        if let Value::Text(text) = value {
            Some(text)
        } else {
            None
        }
    }
    #[inline]
    fn of_mut(value: &mut Value) -> Option<&mut Text> {
        if let Value::Text(text) = value {
            Some(text)
        } else {
            None
        }
    }
    fn into_value(self) -> Value {
        Value::Text(self)
    }
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    #[inline]
    fn bytes(&self) -> usize {
        self.0.capacity()
    }
}

type Bytes = Box<[u8]>;

/// A list: quick at both ends and by index.
#[derive(Default)]
pub(crate) struct List {
    items: VecDeque<Bytes>,
    item_bytes: usize,
}

/// What an element of a list takes besides its bytes: its place, with what growing leaves free, and an allocation.
const ITEM_OVERHEAD_BYTES: usize = 32;

impl List {
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn push_front(&mut self, item: &[u8]) {
        self.item_bytes += item.len();
        self.items.push_front(item.into());
    }

    pub(crate) fn push_back(&mut self, item: &[u8]) {
        self.item_bytes += item.len();
        self.items.push_back(item.into());
    }

    pub(crate) fn pop_front(&mut self) -> Option<Bytes> {
        let item = self.items.pop_front()?;
        self.item_bytes -= item.len();
        Some(item)
    }

    pub(crate) fn pop_back(&mut self) -> Option<Bytes> {
        let item = self.items.pop_back()?;
        self.item_bytes -= item.len();
        Some(item)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        self.items.get(index).map(|item| &**item)
    }

    /// False when there is no such index.
    pub(crate) fn set(&mut self, index: usize, item: &[u8]) -> bool {
        let Some(place) = self.items.get_mut(index) else {
            return false;
        };
        self.item_bytes = self.item_bytes + item.len() - place.len();
        *place = item.into();
        true
    }

    pub(crate) fn range(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = &[u8]> {
        self.items.range(range).map(|item| &**item)
    }

    /// Leaves only this range.
    pub(crate) fn trim(&mut self, range: std::ops::Range<usize>) {
        self.items.truncate(range.end);
        self.items.drain(..range.start.min(range.end));
        self.item_bytes = self.items.iter().map(|item| item.len()).sum();
    }

    /// Removes the first so many elements that equal `item`, or with a negative count the last ones, or with 0 all.
    /// Returns how many.
    pub(crate) fn remove(&mut self, count: i64, item: &[u8]) -> usize {
        let equal = self.items.iter().filter(|other| ***other == *item).count();
        let most = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        let removed = if count == 0 { equal } else { equal.min(most) };
        let kept_first = if count < 0 { equal - removed } else { 0 };
        let mut seen = 0;
        self.items.retain(|other| {
            if **other != *item {
                return true;
            }
            seen += 1;
            seen <= kept_first || seen > kept_first + removed
        });
        self.item_bytes -= removed * item.len();
        removed
    }
}

impl Kind for List {
    const GOES_WHEN_EMPTY: bool = true;
    fn new(_hasher: Hasher) -> List {
        List::default()
    }
    fn of(value: &Value) -> Option<&List> {
        if let Value::List(list) = value {
            Some(list)
        } else {
            None
        }
    }
    fn of_mut(value: &mut Value) -> Option<&mut List> {
        if let Value::List(list) = value {
            Some(list)
        } else {
            None
        }
    }
    fn into_value(self) -> Value {
        Value::List(Box::new(self))
    }
    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
    fn bytes(&self) -> usize {
        self.items.len() * ITEM_OVERHEAD_BYTES + self.item_bytes
    }
}

/// A hash, whose fields keep the order in which they were set.
pub(crate) struct Hash {
    fields: IndexMap<Bytes, Bytes, Hasher>,
    field_bytes: usize,
}

/// What a field takes besides its bytes and its value's: its place in the table, twice for growing, and two allocations.
const FIELD_OVERHEAD_BYTES: usize = 80;

impl Hash {
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    pub(crate) fn get(&self, field: &[u8]) -> Option<&[u8]> {
        self.fields.get(field).map(|value| &**value)
    }

    /// Whether the field is new.
    pub(crate) fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        self.field_bytes += value.len();
        if let Some(old) = self.fields.get_mut(field) {
            self.field_bytes -= old.len();
            *old = value.into();
            return false;
        }
        self.field_bytes += field.len();
        self.fields.insert(field.into(), value.into());
        true
    }

    pub(crate) fn remove(&mut self, field: &[u8]) -> bool {
        let removed = if self.fields.len() <= ORDERED_MAX_ELEMENTS {
            self.fields.shift_remove_entry(field)
        } else {
            self.fields.swap_remove_entry(field)
        };
        if let Some((field, value)) = &removed {
            self.field_bytes -= field.len() + value.len();
        }
        removed.is_some()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .map(|(field, value)| (&**field, &**value))
    }
}

impl Kind for Hash {
    const GOES_WHEN_EMPTY: bool = true;
    fn new(hasher: Hasher) -> Hash {
        Hash {
            fields: IndexMap::with_hasher(hasher),
            field_bytes: 0,
        }
    }
    fn of(value: &Value) -> Option<&Hash> {
        if let Value::Hash(hash) = value {
            Some(hash)
        } else {
            None
        }
    }
    fn of_mut(value: &mut Value) -> Option<&mut Hash> {
        if let Value::Hash(hash) = value {
            Some(hash)
        } else {
            None
        }
    }
    fn into_value(self) -> Value {
        Value::Hash(Box::new(self))
    }
    fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
    fn bytes(&self) -> usize {
        self.fields.len() * FIELD_OVERHEAD_BYTES + self.field_bytes
    }
}

/// A set.
pub(crate) struct Set {
    members: IndexSet<Bytes, Hasher>,
    member_bytes: usize,
}

/// What a member takes besides its bytes: its place in the table, twice for growing, and an allocation.
const MEMBER_OVERHEAD_BYTES: usize = 56;

impl Set {
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn contains(&self, member: &[u8]) -> bool {
        self.members.contains(member)
    }

    /// Whether the member is new.
    pub(crate) fn add(&mut self, member: &[u8]) -> bool {
        if self.members.contains(member) {
            return false;
        }
        self.member_bytes += member.len();
        self.members.insert(member.into())
    }

    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        let removed = if self.members.len() <= ORDERED_MAX_ELEMENTS {
            self.members.shift_remove(member)
        } else {
            self.members.swap_remove(member)
        };
        self.member_bytes -= if removed { member.len() } else { 0 };
        removed
    }

    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        self.members.get_index(index).map(|member| &**member)
    }

    pub(crate) fn take(&mut self, index: usize) -> Option<Bytes> {
        let member = self.members.swap_remove_index(index)?;
        self.member_bytes -= member.len();
        Some(member)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.members.iter().map(|member| &**member)
    }
}

impl Kind for Set {
    const GOES_WHEN_EMPTY: bool = true;
    fn new(hasher: Hasher) -> Set {
        Set {
            members: IndexSet::with_hasher(hasher),
            member_bytes: 0,
        }
    }
    fn of(value: &Value) -> Option<&Set> {
        if let Value::Set(set) = value {
            Some(set)
        } else {
            None
        }
    }
    fn of_mut(value: &mut Value) -> Option<&mut Set> {
        if let Value::Set(set) = value {
            Some(set)
        } else {
            None
        }
    }
    fn into_value(self) -> Value {
        Value::Set(Box::new(self))
    }
    fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
    fn bytes(&self) -> usize {
        self.members.len() * MEMBER_OVERHEAD_BYTES + self.member_bytes
    }
}
