//! `parlor config`: a file with every setting at its default.

use std::io::{self, Write};

use crate::settings::{ALL, Kind, Reload, Setting, Settings};
use crate::shell::error::RunError;

/// Characters of a line of comment.
const WIDTH: usize = 100;

const HEAD: &str = "\
Settings of parlor: a file for --config, with each of them at its default. What is commented out has none. \
Flags win over variables of the environment, as in PARLOR_MAX_QUEUE, and those win over this file. \
Sizes are in bytes, times in seconds. `parlor check --config FILE` says what is wrong with a file. \
SIGHUP has it read again; each setting says when a change takes effect.";

const ROOMS: &str = "\
Room patterns: what is different in rooms whose names match, where * is any characters and ? is one. \
The first that matches counts, and what it does not set is as in all rooms. They stand at the end of the file.
Takes effect: now.";

const ROOM_EXAMPLE: &str = r#"
#[[rooms]]
#pattern = "plant-*"
#history = 100
#history-bytes = 65536
#history-time = 3600
#max-keys = 50
#retain = 100000
#retain-bytes = 100000000
#retain-time = 31536000
#overflow = "latest"
"#;

const WEBHOOKS: &str = "\
Webhooks, beside that of webhook: where each is, what it is signed with, and what it is told; all rooms and all events unless \
it is said. They stand at the end of the file, too.
Takes effect: now.";

const WEBHOOK_EXAMPLE: &str = r#"
#[[webhooks]]
#url = "https://app.example/alarms"
#secret-file = ["webhook.txt"]
#rooms = ["plant-*"]
#events = ["alarm", "occupied", "vacated"]
"#;

const ESCALATIONS: &str = "\
Escalations: who is told of an alarm that nobody acknowledges. In these rooms, all unless it is said, from this severity on: info, \
warning or critical; after so many seconds the first step, after as many more the next; the last is repeated. A step names one of \
the webhooks, or people who have subscribed to push. The first escalation that is for an alarm counts.
Takes effect: now.";

const ESCALATION_EXAMPLE: &str = r#"
#[[escalations]]
#rooms = ["plant-*"]
#severity = "critical"
#after = 300
#repeat = 600
#steps = ["webhook:https://app.example/alarms", "push:ana,ben"]
"#;

/// Prints the file.
///
/// # Errors
/// Nobody takes it.
pub fn print_template() -> Result<(), RunError> {
    let mut stdout = io::stdout();
    let written = stdout.write_all(template().as_bytes());
    written
        .and_then(|()| stdout.flush())
        .map_err(|error| RunError::new("cannot print the settings", error, ""))
}

pub(super) fn template() -> String {
    let mut text = String::new();
    comment(&mut text, HEAD);
    let mut group = "";
    for setting in ALL {
        if setting.group != group {
            group = setting.group;
            text += &format!("\n# --- {group} ---\n");
        }
        text.push('\n');
        comment(&mut text, &about(setting));
        let defaults = setting.get(&Settings::default());
        if setting.is_list || defaults.is_empty() {
            let example = assignment(setting, &[example(setting)]);
            text += &format!("#{example}\n");
        } else {
            text += &assignment(setting, &defaults);
            text.push('\n');
        }
    }
    text.push('\n');
    comment(&mut text, ROOMS);
    text += ROOM_EXAMPLE.trim_start();
    text.push('\n');
    comment(&mut text, WEBHOOKS);
    text += WEBHOOK_EXAMPLE.trim_start();
    text.push('\n');
    comment(&mut text, ESCALATIONS);
    text + ESCALATION_EXAMPLE.trim_start()
}

/// What it is for, its unit, its default where that is no value, and when a change takes effect.
fn about(setting: &Setting) -> String {
    let mut about = format!("{}.", setting.help());
    let unit = match setting.unit.name {
        "BYTES" => " In bytes.",
        "SECONDS" => " In seconds; 0 for never.",
        _ => "",
    };
    about += unit;
    let default = setting.default();
    if !default.is_empty() && default != setting.get(&Settings::default()).join(", ") {
        about += &format!(" Default: {default}.");
    }
    about += "\nTakes effect: ";
    about += &when(setting);
    about.push('.');
    about
}

/// When a change of a setting takes effect after SIGHUP.
pub(super) fn when(setting: &Setting) -> String {
    let when = match setting.reload {
        Reload::Now => "now",
        Reload::NewConnections => "for new connections",
        Reload::Restart(why) => return format!("after a restart, because {why}"),
    };
    match setting.whether {
        None => when.to_owned(),
        Some(whether) => format!(
            "{when}; to begin or to end it takes a restart, because {}",
            whether.why
        ),
    }
}

/// A value that is allowed, for what has none.
pub(super) fn example(setting: &Setting) -> String {
    match setting.unit.example {
        "" => setting
            .unit
            .least
            .max(7000)
            .min(setting.unit.most)
            .to_string(),
        example => example.to_owned(),
    }
}

/// A line of the file: `max-queue = 1048576`.
pub(super) fn assignment(setting: &Setting, values: &[String]) -> String {
    let written = values.iter().map(|value| match setting.kind {
        Kind::Text => quoted(value),
        Kind::Whole | Kind::Number | Kind::Switch => value.clone(),
    });
    let written: Vec<String> = written.collect();
    let name = setting.name();
    match setting.is_list {
        true => format!("{name} = [{}]", written.join(", ")),
        false => format!("{name} = {}", written.join(" ")),
    }
}

/// A basic string (TOML 1.0).
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// Adds lines of comment, none longer than it should be.
fn comment(text: &mut String, words: &str) {
    for paragraph in words.lines() {
        let mut line = String::from("#");
        for word in paragraph.split(' ') {
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                *text += &format!("{line}\n");
                "#".clone_into(&mut line);
            }
            line = format!("{line} {word}");
        }
        *text += &format!("{line}\n");
    }
}
