//! A small map by id, for ids that the host gives in ascending order. Knows nothing of what it holds.

use alloc::vec::Vec;

/// Pairs sorted by id. Inserting pushes at the end and finding is a binary search; it has a fraction of a
/// `BTreeMap`'s code, and a guest with one connection touches a dozen bytes of memory.
pub(crate) struct Table<T> {
    entries: Vec<(u32, T)>,
}

impl<T> Table<T> {
    pub(crate) const fn new() -> Table<T> {
        Table {
            entries: Vec::new(),
        }
    }

    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        let at = self.place(id).ok()?;
        Some(&self.entries[at].1)
    }

    /// Adds a value under an id that is not in use.
    pub(crate) fn insert(&mut self, id: u32, value: T) {
        match self.place(id) {
            Ok(at) => self.entries[at].1 = value,
            Err(at) => self.entries.insert(at, (id, value)),
        }
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        let at = self.place(id).ok()?;
        Some(self.entries.remove(at).1)
    }

    fn place(&self, id: u32) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&id, |entry| entry.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inserted_is_found_until_it_is_removed() {
        let mut table = Table::new();
        for id in [1, 2, 5, 9, 3] {
            table.insert(id, id * 10);
        }
        assert_eq!(table.remove(2), Some(20));
        assert_eq!(table.remove(2), None);
        let found: Vec<_> = (0..12).filter_map(|id| table.get(id)).collect();
        assert_eq!(found, [&10, &30, &50, &90]);
    }
}
