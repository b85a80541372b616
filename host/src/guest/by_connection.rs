//! What an instance has for each of its connections. Knows nothing of what that is.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::exchange::ConnectionNumber;

/// A table by connection number. One entry lies in it, without an allocation and a hash: most instances have one connection, and
/// what each message touches should be few pieces of memory.
///
/// The numbers are given by us, one after the other, so a hash needs no protection against chosen keys.
#[derive(Debug)]
pub struct ByConnection<T> {
    first: Option<(ConnectionNumber, T)>,
    others: HashMap<ConnectionNumber, T, FxBuildHasher>,
}

impl<T> Default for ByConnection<T> {
    fn default() -> Self {
        Self {
            first: None,
            others: HashMap::default(),
        }
    }
}

impl<T> ByConnection<T> {
    /// What there is for a connection.
    pub fn get(&self, number: ConnectionNumber) -> Option<&T> {
        match &self.first {
            Some((first, value)) if *first == number => Some(value),
            _ => self.others.get(&number),
        }
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, number: ConnectionNumber) -> Option<&mut T> {
        match &mut self.first {
            Some((first, value)) if *first == number => Some(value),
            _ => self.others.get_mut(&number),
        }
    }

    /// Whether there is something for a connection.
    pub fn contains(&self, number: ConnectionNumber) -> bool {
        self.get(number).is_some()
    }

    /// Whether there is nothing for any connection.
    pub fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.is_empty()
    }

    /// Puts something there, in place of what was there before.
    pub fn insert(&mut self, number: ConnectionNumber, value: T) {
        if let Some(place) = self.get_mut(number) {
            *place = value;
        } else if self.first.is_none() {
            self.first = Some((number, value));
        } else {
            self.others.insert(number, value);
        }
    }

    /// Takes out what is there for a connection.
    pub fn remove(&mut self, number: ConnectionNumber) -> Option<T> {
        match self.first.take_if(|(first, _)| *first == number) {
            Some((_, value)) => Some(value),
            None => self.others.remove(&number),
        }
    }

    /// All of it, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (ConnectionNumber, &T)> {
        let first = self.first.iter().map(|(number, value)| (*number, value));
        first.chain(self.others.iter().map(|(number, value)| (*number, value)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_would(steps in prop::collection::vec((0u32..5, any::<Option<u8>>()), 0..40)) {
            let (mut table, mut map) = (ByConnection::default(), BTreeMap::new());
            for (number, value) in steps {
                match value {
                    Some(value) => {
                        table.insert(number, value);
                        map.insert(number, value);
                    }
                    None => prop_assert_eq!(table.remove(number), map.remove(&number)),
                }
                for number in 0..5 {
                    prop_assert_eq!(table.get(number), map.get(&number));
                    prop_assert_eq!(table.get_mut(number), map.get_mut(&number));
                    prop_assert_eq!(table.contains(number), map.contains_key(&number));
                }
                prop_assert_eq!(table.is_empty(), map.is_empty());
                let all: BTreeMap<_, _> = table.iter().map(|(number, value)| (number, *value)).collect();
                prop_assert_eq!(&all, &map);
            }
        }
    }
}
