//! A name's part of the state: [`Store`].
//!
//! Values are read and changed in memory, under the lock of the state; each change notes its key for the next
//! commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Error, Inner, Key, LARGEST_KEY, LARGEST_VALUE, State, Value};

/// The values under one name. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) state: Arc<State>,
    pub(super) space: Key,
}

impl Store {
    /// The state it is part of.
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Tells whether `other` is the part of the same state under the same name.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state) && self.space == other.space
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// This process is a fork of the engine's.
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>, Error> {
        self.read(|values| values.and_then(|values| values.get(key)).cloned())
    }

    /// Sets the value of `key`: seen at once, durable soon. Never waits for the disk.
    ///
    /// # Errors
    /// It is too large, the disk refuses what was put before, or the state is closed. Then nothing has
    /// changed.
    pub fn put(&self, key: &[u8], value: Value) -> Result<(), Error> {
        self.check(key, &value)?;
        self.set(true, key, value)
    }

    /// Like [`Store::put`], but also taken while the disk refuses, to be written when it does not any more:
    /// for what is known once and would be lost, as what a destination has acknowledged.
    ///
    /// # Errors
    /// It is too large, or the state is closed.
    pub(crate) fn put_later(&self, key: &[u8], value: Value) -> Result<(), Error> {
        self.check(key, &value)?;
        self.set(false, key, value)
    }

    /// Removes `key`; whether it was there.
    ///
    /// # Errors
    /// The disk refuses what was put before, or the state is closed.
    pub fn delete(&self, key: &[u8]) -> Result<bool, Error> {
        self.state.change(true, |inner| {
            let was_there =
                inner.content.get_mut(&self.space).is_some_and(|values| values.remove(key).is_some());
            if was_there {
                self.note(inner, key);
            }
            was_there
        })
    }

    /// All keys, in order.
    ///
    /// # Errors
    /// This process is a fork of the engine's.
    pub fn keys(&self) -> Result<Vec<Key>, Error> {
        self.read(|values| values.map(|values| values.keys().cloned().collect()).unwrap_or_default())
    }

    /// All keys and values, in the order of the keys, as they were at one moment.
    ///
    /// # Errors
    /// This process is a fork of the engine's.
    pub fn items(&self) -> Result<Vec<(Key, Value)>, Error> {
        let pairs = |values: &BTreeMap<Key, Value>| {
            values.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        self.read(|values| values.map(pairs).unwrap_or_default())
    }

    /// The number of keys.
    ///
    /// # Errors
    /// This process is a fork of the engine's.
    pub fn len(&self) -> Result<usize, Error> {
        self.read(|values| values.map_or(0, BTreeMap::len))
    }

    /// True without keys.
    ///
    /// # Errors
    /// This process is a fork of the engine's.
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len()? == 0)
    }

    fn read<R>(&self, look: impl FnOnce(Option<&BTreeMap<Key, Value>>) -> R) -> Result<R, Error> {
        Ok(look(self.state.shared.lock()?.content.get(&self.space)))
    }

    fn check(&self, key: &[u8], value: &Value) -> Result<(), Error> {
        let too_large = |what: &str, size: usize, largest: usize| {
            Err(Error::new(format!("{what} of {size} bytes cannot be stored; at most {largest} can")))
        };
        match (self.space.len().max(key.len()), value.size()) {
            (size, _) if size > LARGEST_KEY => too_large("a key", size, LARGEST_KEY),
            (_, size) if size > LARGEST_VALUE => too_large("a value", size, LARGEST_VALUE),
            _ => Ok(()),
        }
    }

    fn set(&self, may_fail: bool, key: &[u8], value: Value) -> Result<(), Error> {
        let put = |inner: &mut Inner| {
            let values = match inner.content.get_mut(&self.space) {
                Some(values) => values,
                None => inner.content.entry(self.space.clone()).or_default(),
            };
            match values.get_mut(key) {
                Some(kept) if *kept == value => return false,
                Some(kept) => *kept = value,
                None => drop(values.insert(key.into(), value)),
            }
            self.note(inner, key);
            true
        };
        self.state.change(may_fail, put).map(drop)
    }

    /// Remembers that `key` has to be written.
    fn note(&self, inner: &mut Inner, key: &[u8]) {
        if self.state.path.is_none() {
            return;
        }
        match inner.changed.get_mut(&self.space) {
            Some(keys) if keys.contains(key) => {}
            Some(keys) => drop(keys.insert(key.into())),
            None => drop(inner.changed.insert(self.space.clone(), BTreeSet::from([key.into()]))),
        }
    }
}
