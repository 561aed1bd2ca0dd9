//! `parlor check`: each value and where it comes from, and whether the files are good that the settings name.

use std::io::{self, Write};

use super::sources::{Config, Sources};
use super::template::{assignment, quoted};
use crate::settings::{ALL, Escalation, RoomRule, Webhook};
use crate::shell::error::RunError;
use crate::shell::{listener, outgoing, reload};

/// Says what each setting is, and where it comes from.
///
/// # Errors
/// What would keep the server from starting, but for ports that are taken.
pub fn check(sources: &Sources) -> Result<(), RunError> {
    let config = sources.load()?;
    print(&report(&config))?;
    reload::Files::read(&config.settings)?;
    if let Some(answer) = outgoing::try_provider(&config.settings.access)? {
        print(&format!("# jwks-url: {answer}\n"))?;
    }
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
    let webhooks = config.webhooks();
    let webhooks = webhooks.map(|(webhook, place)| (one_webhook(webhook), place));
    let escalations = config.escalations();
    let escalations = escalations.map(|(it, place)| (one_escalation(it), place));
    let tables = rooms.chain(webhooks).chain(escalations);
    let lines: Vec<(String, String)> = lines.chain(tables).collect();
    let aligned = lines
        .iter()
        .map(|(line, place)| format!("{line:<40} # {place}\n"));
    aligned.collect()
}

/// A webhook, in one line.
fn one_webhook(webhook: &Webhook) -> String {
    let files = webhook.secret_files.iter();
    let lists = [
        (
            "secret-file",
            files.map(|it| it.display().to_string()).collect(),
        ),
        ("rooms", webhook.rooms.clone()),
        (
            "events",
            webhook.events.iter().map(ToString::to_string).collect(),
        ),
    ];
    let lists = lists.into_iter().filter(|(_, values)| !values.is_empty());
    let set = lists.map(|(name, values): (&str, Vec<String>)| {
        let values: Vec<String> = values.iter().map(|it| quoted(it)).collect();
        format!(", {name} = [{}]", values.join(", "))
    });
    let set: String = set.collect();
    format!("# [[webhooks]] url = {}{set}", quoted(webhook.url.as_str()))
}

/// An escalation, in one line.
fn one_escalation(escalation: &Escalation) -> String {
    let quoted_all = |values: Vec<String>| {
        let values: Vec<String> = values.iter().map(|it| quoted(it)).collect();
        values.join(", ")
    };
    let rooms = match escalation.rooms.is_empty() {
        true => String::new(),
        false => format!("rooms = [{}], ", quoted_all(escalation.rooms.clone())),
    };
    let steps = escalation.steps.iter().map(ToString::to_string);
    let Escalation {
        severity,
        after,
        repeat,
        ..
    } = escalation;
    format!(
        "# [[escalations]] {rooms}severity = \"{severity}\", after = {after}, repeat = {repeat}, steps = [{}]",
        quoted_all(steps.collect())
    )
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
