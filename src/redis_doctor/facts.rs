//! What a Redis says of itself.

use std::collections::BTreeMap;
use std::io;

use super::client::Client;
use super::reply::Read;
use crate::codec::resp::Reply;

/// The fields of `INFO`, and of `CONFIG GET` where the user may ask for it.
#[derive(Debug, Default)]
pub(super) struct Facts {
    info: BTreeMap<String, String>,
    config: BTreeMap<String, String>,
}

/// What is asked of the configuration.
const CONFIG: [&str; 4] = [
    "appendfsync",
    "save",
    "client-output-buffer-limit",
    "min-replicas-to-write",
];

impl Facts {
    /// Asks for them. Without the right to, there are fewer.
    pub(super) fn ask(client: &mut Client) -> io::Result<Self> {
        let mut facts = Self::default();
        if let Some(text) = client.call(&["INFO"])?.words() {
            facts.info = read_info(&text);
        }
        for name in CONFIG {
            let reply = client.call(&["CONFIG", "GET", name])?;
            if let Some([_, value]) = reply.list()
                && let Some(value) = value.words()
            {
                facts.config.insert(name.to_owned(), value);
            }
        }
        Ok(facts)
    }

    /// A field of `INFO`; empty if there is none.
    pub(super) fn info(&self, name: &str) -> &str {
        self.info.get(name).map_or("", String::as_str)
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        self.info(name).parse().unwrap_or(0)
    }

    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.info(name) == value
    }

    /// A setting; `None` if the user may not ask for it.
    pub(super) fn config(&self, name: &str) -> Option<&str> {
        self.config.get(name).map(String::as_str)
    }

    #[cfg(test)]
    pub(super) fn of(info: &str, config: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            info: read_info(info),
            config: config.iter().map(owned).collect(),
        }
    }
}

/// The lines of `INFO` and of `CLUSTER INFO`.
pub(super) fn read_info(text: &str) -> BTreeMap<String, String> {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields
        .map(|(name, value)| (name.to_owned(), value.trim_end().to_owned()))
        .collect()
}

/// The fields of a list of names and values, as Sentinels send.
pub(super) fn read_pairs(reply: &Reply) -> BTreeMap<String, String> {
    let pairs = reply.list().unwrap_or_default().chunks_exact(2);
    pairs
        .filter_map(|pair| Some((pair[0].words()?, pair[1].words()?)))
        .collect()
}
