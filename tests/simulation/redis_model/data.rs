//! What a Redis keeps: keys with their values and the time at which each ends.

use std::collections::{BTreeMap, BTreeSet};

type Bytes = Vec<u8>;

/// A value of a key.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(Bytes),
    /// In the order in which the fields were set first.
    Hash(Vec<(Bytes, Bytes)>),
    Stream(Stream),
    Set(BTreeSet<Bytes>),
    /// By member.
    Sorted(BTreeMap<Bytes, f64>),
}

/// The id of an entry.
pub(super) type Id = (u64, u64);

#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    pub(super) entries: BTreeMap<Id, Vec<Bytes>>,
    /// The greatest id that was ever given.
    pub(super) last: Id,
}

/// The key holds a value of another kind.
#[derive(Debug)]
pub(super) struct WrongType;

/// All keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Data {
    keys: BTreeMap<Bytes, Value>,
    /// When each ends that does not last, in milliseconds of the clock of Redis.
    ends: BTreeMap<Bytes, u64>,
    now_ms: u64,
}

impl Data {
    /// It is so late: what has ended is gone.
    pub(super) fn pass(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        let is_over = |end_ms: &u64| *end_ms <= now_ms;
        let over: Vec<Bytes> = self
            .ends
            .iter()
            .filter(|(_, end_ms)| is_over(end_ms))
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            self.remove(&key);
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Value> {
        self.keys.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Bytes> {
        self.keys.keys()
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        self.ends.remove(key);
        self.keys.remove(key).is_some()
    }

    /// Puts a value in place of another, and of its end.
    pub(super) fn put(&mut self, key: &[u8], value: Value) {
        self.ends.remove(key);
        self.keys.insert(key.to_vec(), value);
    }

    /// Whether there is such a key, which ends then.
    pub(super) fn expire(&mut self, key: &[u8], after_ms: i64) -> bool {
        if !self.keys.contains_key(key) {
            return false;
        }
        match u64::try_from(after_ms) {
            Ok(after_ms @ 1..) => {
                self.ends.insert(key.to_vec(), self.now_ms + after_ms);
            }
            _ => {
                self.remove(key);
            }
        }
        true
    }

    /// Milliseconds that a key is still there; `None` if it lasts.
    pub(super) fn left_ms(&self, key: &[u8]) -> Option<u64> {
        self.ends.get(key).map(|end_ms| end_ms - self.now_ms)
    }

    /// The text of a key, which is empty where there is none.
    pub(super) fn text(&self, key: &[u8]) -> Result<Option<&Bytes>, WrongType> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(WrongType),
        }
    }

    /// Looks at a value, or at none.
    pub(super) fn hash(&self, key: &[u8]) -> Result<&[(Bytes, Bytes)], WrongType> {
        match self.get(key) {
            None => Ok(&[]),
            Some(Value::Hash(fields)) => Ok(fields),
            Some(_) => Err(WrongType),
        }
    }

    pub(super) fn stream(&self, key: &[u8]) -> Result<Option<&Stream>, WrongType> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Stream(stream)) => Ok(Some(stream)),
            Some(_) => Err(WrongType),
        }
    }

    pub(super) fn set(&self, key: &[u8]) -> Result<Option<&BTreeSet<Bytes>>, WrongType> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Set(members)) => Ok(Some(members)),
            Some(_) => Err(WrongType),
        }
    }

    pub(super) fn sorted(&self, key: &[u8]) -> Result<Option<&BTreeMap<Bytes, f64>>, WrongType> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Sorted(members)) => Ok(Some(members)),
            Some(_) => Err(WrongType),
        }
    }

    /// The value of a key, which is made if there is none.
    pub(super) fn make(&mut self, key: &[u8], new: impl FnOnce() -> Value) -> &mut Value {
        self.keys.entry(key.to_vec()).or_insert_with(new)
    }

    /// A value without members is none. A stream without entries is one.
    pub(super) fn drop_if_empty(&mut self, key: &[u8]) {
        let is_empty = match self.get(key) {
            Some(Value::Hash(fields)) => fields.is_empty(),
            Some(Value::Set(members)) => members.is_empty(),
            Some(Value::Sorted(members)) => members.is_empty(),
            _ => false,
        };
        if is_empty {
            self.remove(key);
        }
    }
}
