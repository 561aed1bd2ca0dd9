//! The reference of flags in the guide, made from the table of settings.

use std::env;
use std::fs;
use std::path::Path;

use clap::{Arg, Command};

use super::flags::command;
use super::template::when;
use crate::settings::{self, Setting};

const HEAD: &str = "\
# Flags

These are all settings of `parlor`. Each is a flag, such as `--max-queue`. It is also a variable of the environment,
`PARLOR_MAX_QUEUE`, and a key of the file that `--config` names, `max-queue`. See [Configuration](configuration.md).

Sizes are in bytes. Times are in seconds, fractions allowed, and 0 means never. *After SIGHUP* says when a change takes
effect, once the server is told to read the file again.

This page is made from the program's own table of settings: `UPDATE_FLAGS=1 cargo test --all-features flags_in_the_guide`
writes it.
";

/// The page.
fn page() -> String {
    let server = command();
    let mut page = HEAD.to_owned();
    let mut group = None;
    let mut arguments: Vec<&Arg> = server.get_arguments().collect();
    // In the order of their headings, as `--help` has them.
    let headings: Vec<Option<&str>> = arguments.iter().map(|it| it.get_help_heading()).collect();
    let place = |argument: &&Arg| {
        headings
            .iter()
            .position(|it| *it == argument.get_help_heading())
    };
    arguments.sort_by_key(place);
    for argument in arguments {
        let heading = argument.get_help_heading().unwrap_or("The file");
        if group != Some(heading) {
            group = Some(heading);
            page += &format!("\n## {heading}\n\n");
            page += "| flag | default | what it is for | after SIGHUP |\n|---|---|---|---|\n";
        }
        page += &row(argument);
    }
    for name in [
        "token", "check", "config", "doctor", "export", "import", "backup", "upgrade",
    ] {
        let command = server
            .find_subcommand(name)
            .expect("it is one of the commands");
        page += &of_command(command);
    }
    page
}

fn row(argument: &Arg) -> String {
    let name = argument.get_long().expect("each has a long name");
    let (flag, help) = (flag(argument), help(argument));
    match settings::find(name) {
        Some(setting) => {
            let default = in_cell(&shown_default(setting));
            let when = when(setting);
            let help = match setting.more() {
                more if more.is_empty() => setting.help(),
                more => format!("{}. {more}", setting.help()),
            };
            let help = in_cell(&help);
            format!("| {flag} | {default} | {help} | {when} |\n")
        }
        None => format!("| {flag} | | {help} | |\n"),
    }
}

fn shown_default(setting: &Setting) -> String {
    match setting.default() {
        default if default.is_empty() => "off".to_owned(),
        default => default,
    }
}

fn of_command(command: &Command) -> String {
    let name = command.get_name();
    let about = command.get_about().expect("each says what it is for");
    let mut section = format!("\n## parlor {name}\n\n{about}.\n");
    if name == "check" {
        return section + "It takes the same flags as the server.\n";
    }
    let mut arguments = command.get_arguments().peekable();
    if arguments.peek().is_some() {
        section += "\n| flag | what it is for |\n|---|---|\n";
    }
    for argument in arguments {
        section += &format!("| {} | {} |\n", flag(argument), help(argument));
    }
    section
}

/// `-p`, `--port PORT`.
fn flag(argument: &Arg) -> String {
    let short = argument.get_short().map(|short| format!("`-{short}`, "));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let takes_value = argument.get_action().takes_values();
    let names = argument.get_value_names().filter(|_| takes_value);
    let values = names.into_iter().flatten().map(ToString::to_string);
    let words: Vec<String> = long.into_iter().chain(values).collect();
    in_cell(&format!(
        "{}`{}`",
        short.unwrap_or_default(),
        words.join(" ")
    ))
}

fn help(argument: &Arg) -> String {
    in_cell(
        &argument
            .get_help()
            .expect("each says what it is for")
            .to_string(),
    )
}

fn in_cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[test]
fn the_flags_in_the_guide_are_those_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/guide/flags.md");
    if env::var_os("UPDATE_FLAGS").is_some() {
        fs::create_dir_all(path.parent().expect("it is in a folder")).unwrap();
        fs::write(&path, page()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "{} is not what the settings make of it: see its first lines for how to write it",
        path.display()
    );
}
