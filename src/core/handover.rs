//! What one server tells the next, which takes its place while clients stay connected: all that it knows, in named sections.
//!
//! A section is MessagePack with the names of fields. What a reader does not know it leaves out, and a field that is added
//! later has a default: so a server and the one before it read each other. A change that cannot be made so is a new
//! [`VERSION`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::ops::Deref;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;

/// The version of the state that this server writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// Why the state cannot be taken over.
#[derive(Debug)]
pub struct HandoverError(String);

impl HandoverError {
    pub(in crate::core) fn new(what: &str) -> Self {
        Self(what.to_owned())
    }
}

impl fmt::Display for HandoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for HandoverError {}

/// The state in parts, by their names.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::core) struct Sections(BTreeMap<String, ByteBuf>);

impl Sections {
    pub(in crate::core) fn parse(state: &[u8]) -> Result<Self, HandoverError> {
        rmp_serde::from_slice(state)
            .map_err(|error| HandoverError(format!("the state cannot be read: {error}")))
    }

    pub(in crate::core) fn to_bytes(&self) -> Result<Vec<u8>, HandoverError> {
        rmp_serde::to_vec_named(self)
            .map_err(|error| HandoverError(format!("the state cannot be written: {error}")))
    }

    pub(in crate::core) fn put(
        &mut self,
        name: &str,
        part: &impl Serialize,
    ) -> Result<(), HandoverError> {
        let bytes = rmp_serde::to_vec_named(part)
            .map_err(|error| HandoverError(format!("{name} cannot be written: {error}")))?;
        self.0.insert(name.to_owned(), ByteBuf::from(bytes));
        Ok(())
    }

    pub(in crate::core) fn take<T: DeserializeOwned>(
        &mut self,
        name: &str,
    ) -> Result<T, HandoverError> {
        let bytes = self
            .0
            .remove(name)
            .ok_or_else(|| HandoverError(format!("the state does not have {name}")))?;
        rmp_serde::from_slice(&bytes)
            .map_err(|error| HandoverError(format!("{name} cannot be read: {error}")))
    }

    /// The same of one that an older server does not tell.
    pub(in crate::core) fn take_if_told<T: DeserializeOwned + Default>(
        &mut self,
        name: &str,
    ) -> Result<T, HandoverError> {
        match self.0.contains_key(name) {
            true => self.take(name),
            false => Ok(T::default()),
        }
    }
}

/// Bytes as one value: those of the server that tells them, or of the one that has read them.
#[derive(Debug)]
pub(in crate::core) struct Bytes<'a>(Cow<'a, [u8]>);

impl<'a> Bytes<'a> {
    pub(in crate::core) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes.into())
    }

    pub(in crate::core) fn into_vec(self) -> Vec<u8> {
        self.0.into_owned()
    }
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = ByteBuf::deserialize(deserializer)?;
        Ok(Self(Cow::Owned(bytes.into_vec())))
    }
}
