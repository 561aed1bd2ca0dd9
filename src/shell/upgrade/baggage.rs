//! What goes before the state: what the new process needs to make a server of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::ProxiedState;
use crate::core::handover::VERSION;
use crate::settings::{ALL, Settings};

/// What the new process says first.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::shell) struct Hello {
    /// Its release.
    pub(super) release: String,
    /// The version of the state that it reads.
    pub(super) reads: u32,
}

/// All but the state and the descriptors.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::shell) struct Baggage {
    /// The process that hands over.
    pub(in crate::shell) pid: u32,
    /// The time on the loop's clock.
    pub(in crate::shell) now_ms: u64,
    /// The values of its settings, by their names.
    settings: BTreeMap<String, Vec<String>>,
    /// What each port's socket is for, in the order of their descriptors, which come first.
    pub(in crate::shell) ports: Vec<String>,
    /// Whether the data directory is locked. The descriptor of its lock comes next.
    pub(in crate::shell) has_store: bool,
    /// The connections, in the order of their descriptors, which come last.
    pub(in crate::shell) sockets: Vec<SocketState>,
}

/// A connection's socket.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::shell) struct SocketState {
    pub(in crate::shell) index: usize,
    pub(in crate::shell) proxied: ProxiedState,
}

impl Hello {
    pub(super) fn new() -> Self {
        Self {
            release: env!("CARGO_PKG_VERSION").to_owned(),
            reads: VERSION,
        }
    }
}

impl Baggage {
    /// That of a server with these settings, and without sockets.
    pub(in crate::shell) fn new(settings: &Settings, now_ms: u64) -> Self {
        let values = ALL.iter().map(|it| (it.name(), it.get(settings)));
        Self {
            pid: std::process::id(),
            now_ms,
            settings: values.collect(),
            ports: Vec::new(),
            has_store: false,
            sockets: Vec::new(),
        }
    }

    /// The settings of the server that hands over, as far as this one has them.
    pub(in crate::shell) fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        for setting in ALL {
            let values = self.settings.get(&setting.name());
            // One that is not set has no value that could be set.
            let values = values.filter(|values| **values != setting.get(&settings));
            if let Some(Err(error)) = values.map(|values| setting.set(&mut settings, values)) {
                log::warn!("{}: {error}; it has its default", setting.name());
            }
        }
        settings
    }

    /// How many descriptors go with it.
    pub(super) fn descriptors(&self) -> usize {
        self.ports.len() + usize::from(self.has_store) + self.sockets.len()
    }
}
