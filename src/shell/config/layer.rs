//! What one source of settings gives.

use std::collections::BTreeMap;

use crate::settings::{self, Setting};

/// The settings that one source gives, by name.
pub(super) type Layer = BTreeMap<String, Given>;

/// The values of a setting, and where they stand.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) values: Vec<String>,
    pub(super) place: Place,
}

impl Given {
    pub(super) fn new(values: Vec<String>, place: Place) -> Self {
        Self { values, place }
    }
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On the command line.
    Flag,
    /// In the environment.
    Variable,
    /// In this line of the file.
    Line(usize),
}

impl Place {
    /// The name of a setting as it is written there.
    pub(super) fn named(self, name: &str) -> String {
        match self {
            Self::Flag => format!("--{name}"),
            Self::Variable => settings::find(name).map_or_else(String::new, Setting::variable),
            Self::Line(_) => name.to_owned(),
        }
    }
}
