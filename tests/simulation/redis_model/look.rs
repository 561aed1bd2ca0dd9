//! What is in a Redis of the rooms of nodes, for those who compare.

use std::collections::BTreeSet;

use super::RedisModel;
use super::data::Value;

impl RedisModel {
    /// The epoch of a room as clients are told it, and its last offset.
    pub(crate) fn position(&self, room: &str) -> Option<(String, u64)> {
        let Value::Hash(fields) = self.value("room", room)? else {
            panic!("a room is a hash");
        };
        let field = |name: &str| {
            let mut fields = fields.iter();
            let found = fields.find(|(field, _)| field == name.as_bytes());
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        let epoch = u64::from_str_radix(&field("epoch")?, 16).expect("a number");
        let offset = field("offset").map_or(0, |it| it.parse().expect("a number"));
        Some((format!("{epoch:016x}"), offset))
    }

    /// The offsets of the messages of a room.
    pub(crate) fn log(&self, room: &str) -> BTreeSet<u64> {
        match self.value("log", room) {
            Some(Value::Stream(stream)) => {
                stream.entries.keys().map(|(offset, _)| *offset).collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// The keys that have a state in a room.
    pub(crate) fn state_keys(&self, room: &str) -> BTreeSet<String> {
        let Some(Value::Hash(fields)) = self.value("state", room) else {
            return BTreeSet::new();
        };
        let keys = fields.iter().map(|(key, _)| String::from_utf8_lossy(key));
        keys.map(std::borrow::Cow::into_owned).collect()
    }

    fn value(&self, kind: &str, room: &str) -> Option<&Value> {
        let end = format!(":{kind}:{room}");
        let name = self.data.names().find(|it| it.ends_with(end.as_bytes()))?;
        self.data.get(name)
    }
}
