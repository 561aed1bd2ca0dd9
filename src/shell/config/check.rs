//! `parlor check`: each value and where it comes from, and whether the files are good that the settings name.

use std::io::{self, Write};

use super::sources::{Config, Sources};
use super::template::{assignment, quoted};
use crate::settings::{ALL, RoomRule};
use crate::shell::error::RunError;
use crate::shell::{listener, reload};

/// Says what each setting is, and where it comes from.
///
/// # Errors
/// What would keep the server from starting, but for ports that are taken.
pub fn check(sources: &Sources) -> Result<(), RunError> {
    let config = sources.load()?;
    print(&report(&config))?;
    reload::Files::read(&config.settings)?;
    listener::connections_allowed(config.settings.limits.max_connections).map(drop)
}

fn print(text: &str) -> Result<(), RunError> {
    let mut stdout = io::stdout();
    let written = stdout.write_all(text.as_bytes());
    written
        .and_then(|()| stdout.flush())
        .map_err(|error| RunError::new("cannot print the settings", error, ""))
}

/// A line for each setting: a line of the file, with where the value comes from as its comment.
fn report(config: &Config) -> String {
    let lines = ALL.iter().map(|setting| {
        let name = setting.name();
        let values = setting.shown(&config.settings);
        match values.is_empty() {
            true => (
                format!("# {name}: {}", setting.default()),
                config.place_of(&name),
            ),
            false => (assignment(setting, &values), config.place_of(&name)),
        }
    });
    let rooms = config.rooms().map(|(rule, place)| (room(rule), place));
    let lines: Vec<(String, String)> = lines.chain(rooms).collect();
    let aligned = lines
        .iter()
        .map(|(line, place)| format!("{line:<40} # {place}\n"));
    aligned.collect()
}

/// A room pattern, in one line.
fn room(rule: &RoomRule) -> String {
    let limits = [
        ("history", rule.history.map(|it| it.to_string())),
        ("history-bytes", rule.history_bytes.map(|it| it.to_string())),
        ("history-time", rule.history_time.map(|it| it.to_string())),
        ("max-keys", rule.max_keys.map(|it| it.to_string())),
        ("retain", rule.retain.map(|it| it.to_string())),
        ("retain-bytes", rule.retain_bytes.map(|it| it.to_string())),
        ("retain-time", rule.retain_time.map(|it| it.to_string())),
        ("overflow", rule.overflow.map(|it| quoted(&it.to_string()))),
    ];
    let limits = limits.into_iter();
    let set = limits.filter_map(|(name, value)| Some(format!(", {name} = {}", value?)));
    let set: String = set.collect();
    format!("# [[rooms]] pattern = {}{set}", quoted(&rule.pattern()))
}
