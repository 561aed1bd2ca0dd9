//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::layer::{Given, Layer, Place};
use super::sources::Sources;
use crate::redis_doctor::DoctorArgs;
use crate::send::SendArgs;
use crate::settings::{ALL, Kind, Setting, Settings};
use crate::shell::push_doctor::PushTestArgs;
use crate::shell::token::TokenArgs;
use crate::shell::transfer::{BackupArgs, ExportArgs};
use crate::shell::upgrade::UpgradeArgs;

/// What the binary is asked to do.
#[derive(Debug)]
pub enum Invocation {
    /// To serve.
    Serve(Sources),
    /// To say what is wrong with its configuration, and where each value comes from.
    Check(Sources),
    /// To print a configuration with every setting at its default.
    Config,
    /// To say how many connections this machine allows, or what a Redis promises.
    Doctor(DoctorArgs),
    /// To send a test push, and say what the push service answers.
    DoctorPush(Sources, PushTestArgs),
    /// To send files to a server that runs.
    Send(SendArgs),
    /// To make a token.
    Token(TokenArgs),
    /// To write the messages of rooms to standard output.
    Export(Sources, ExportArgs),
    /// To read them into a data directory.
    Import(Sources),
    /// To copy a data directory into a file.
    Backup(Sources, BackupArgs),
    /// To have a server hand over to the binary at its path.
    Upgrade(Sources, UpgradeArgs),
}

impl Invocation {
    /// What these arguments ask for, the name of the program first, where the environment has these variables.
    ///
    /// # Errors
    /// The command line is wrong; or it asks for the help or the version, which are errors to clap.
    pub fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, clap::Error> {
        let matches = command()
            .try_get_matches_from(arguments)
            .map_err(without_secret)?;
        let sources = |matches: &ArgMatches| {
            let file = matches.get_one::<PathBuf>("config").cloned();
            let sources = Sources::new(given(matches), environment, file);
            match sources.wrong_flags() {
                None => Ok(sources),
                Some(error) => Err(command().error(ErrorKind::MissingRequiredArgument, error)),
            }
        };
        Ok(match matches.subcommand() {
            Some(("check", matches)) => Self::Check(sources(matches)?),
            Some(("config", _)) => Self::Config,
            Some(("doctor", matches)) if matches.contains_id("push") => {
                Self::DoctorPush(sources(matches)?, PushTestArgs::from_arg_matches(matches)?)
            }
            Some(("doctor", matches)) => Self::Doctor(DoctorArgs::from_arg_matches(matches)?),
            Some(("export", matches)) => {
                Self::Export(sources(matches)?, ExportArgs::from_arg_matches(matches)?)
            }
            Some(("import", matches)) => Self::Import(sources(matches)?),
            Some(("backup", matches)) => {
                Self::Backup(sources(matches)?, BackupArgs::from_arg_matches(matches)?)
            }
            Some(("upgrade", matches)) => {
                Self::Upgrade(sources(matches)?, UpgradeArgs::from_arg_matches(matches)?)
            }
            Some(("send", matches)) => Self::Send(SendArgs::from_arg_matches(matches)?),
            Some((_, matches)) => Self::Token(TokenArgs::from_arg_matches(matches)?),
            None => Self::Serve(sources(&matches)?),
        })
    }
}

/// The command line as clap has to know it.
pub(super) fn command() -> Command {
    let token = TokenArgs::augment_args(Command::new("token"));
    let send = SendArgs::augment_args(Command::new("send"));
    Command::new("parlor")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A chat-room and live-broadcast server in one small binary")
        .long_about(
            "A chat-room and live-broadcast server in one small binary.\n\n\
            Open the page it names, or connect a WebSocket client to /ws: everyone is in the room.",
        )
        .after_help(
            "Each setting can also be a variable of the environment, as in PARLOR_MAX_QUEUE, and a line of the file that \
            --config names, as in `max-queue = 1048576`. Flags win over the environment, and the environment over the file.",
        )
        .args_override_self(true)
        .args_conflicts_with_subcommands(true)
        .args(arguments())
        .subcommand(
            Command::new("check")
                .about("Say what is wrong with the settings, or each value and where it comes from")
                .args_override_self(true)
                .args(arguments()),
        )
        .subcommand(
            Command::new("config")
                .about("Print a file for --config with every setting at its default, and what it is for"),
        )
        .subcommand(
            PushTestArgs::augment_args(DoctorArgs::augment_args(Command::new("doctor")))
                .about("Say how many connections this machine allows, what a Redis promises, or what a push service answers, and what to change")
                .args(those_of_push()),
        )
        .subcommand(send.about("Send files to a room of a server that runs, and print their links"))
        .subcommand(token.about("Make a token with the secret that the server has"))
        .subcommand(
            ExportArgs::augment_args(Command::new("export"))
                .about("Write the messages of rooms to standard output, also beside a running server")
                .args(place_of_data()),
        )
        .subcommand(
            Command::new("import")
                .about("Read rooms that were exported into a data directory, also beside a running server")
                .args(place_of_data()),
        )
        .subcommand(
            BackupArgs::augment_args(Command::new("backup"))
                .about("Copy a data directory into a file or a directory, also beside a running server")
                .args(place_of_data()),
        )
        .subcommand(
            UpgradeArgs::augment_args(Command::new("upgrade"))
                .about("Have a server hand over to the binary that is at its path now, without closing a connection")
                .args(place_of_data()),
        )
}

/// Of the arguments of the server, those that say where its data is.
fn place_of_data() -> impl Iterator<Item = Arg> {
    let is_needed = |argument: &Arg| matches!(argument.get_id().as_str(), "config" | "data");
    arguments().into_iter().filter(is_needed)
}

/// Of the arguments of the server, those that a push is sent by.
fn those_of_push() -> impl Iterator<Item = Arg> {
    let names = [
        "config",
        "data",
        "push-contact",
        "push-key",
        "webhook-allow",
        "webhook-ca",
    ];
    let is_needed = move |argument: &Arg| names.contains(&argument.get_id().as_str());
    arguments()
        .into_iter()
        .filter(is_needed)
        .map(|argument| argument.requires("push"))
}

/// A flag for each setting, and those that are only the command line's.
fn arguments() -> Vec<Arg> {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("File with settings, which `parlor config` prints; read again on SIGHUP [default: none]");
    let verbose = Arg::new("verbose")
        .short('v')
        .long("verbose")
        .action(ArgAction::Count)
        .conflicts_with_all(["quiet", "log"])
        .help_heading("Logging")
        .help("Log more: each connection, and with -vv what helps to find faults");
    let quiet = Arg::new("quiet")
        .short('q')
        .long("quiet")
        .action(ArgAction::SetTrue)
        .conflicts_with("log")
        .help_heading("Logging")
        .help("Log errors only");
    let settings = ALL.iter().map(argument);
    [config]
        .into_iter()
        .chain(settings)
        .chain([verbose, quiet])
        .collect()
}

fn argument(setting: &'static Setting) -> Arg {
    let name = setting.name();
    let help = match setting.default() {
        default if default.is_empty() => setting.help(),
        default => format!("{} [default: {default}]", setting.help()),
    };
    let argument = Arg::new(name.clone())
        .long(name.clone())
        .help(help)
        .help_heading(setting.group);
    let argument = match &*name {
        "port" => argument.short('p'),
        "bind" => argument.short('b'),
        _ => argument,
    };
    if setting.kind == Kind::Switch {
        return argument.action(ArgAction::SetTrue);
    }
    let check = move |text: &str| -> Result<String, String> {
        let values = [text.to_owned()];
        setting.set(&mut Settings::default(), &values)?;
        Ok(text.to_owned())
    };
    let action = match setting.is_list {
        true => ArgAction::Append,
        false => ArgAction::Set,
    };
    argument
        .value_name(setting.unit.name)
        .value_parser(ValueParser::from(check))
        .action(action)
}

/// An error without what is secret in the value that it shows.
fn without_secret(mut error: clap::Error) -> clap::Error {
    let text_of = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let flag = text_of(ContextKind::InvalidArg).and_then(|it| it.split(' ').next());
    let name = flag.and_then(|it| it.strip_prefix("--"));
    let setting = name.and_then(|name| ALL.iter().find(|it| it.name() == name));
    let value = text_of(ContextKind::InvalidValue);
    if let Some((setting, value)) = setting.zip(value) {
        let shown = ContextValue::String(setting.without_secret(value));
        error.insert(ContextKind::InvalidValue, shown);
    }
    error
}

/// The settings that the command line gives, of those that the command has.
fn given(matches: &ArgMatches) -> Layer {
    let is_given = |name: &str| {
        matches.try_contains_id(name).is_ok()
            && matches.value_source(name) == Some(ValueSource::CommandLine)
    };
    let values_of = |setting: &Setting| match setting.kind {
        Kind::Switch => vec!["true".to_owned()],
        _ => {
            let values = matches.get_many::<String>(&setting.name());
            values.into_iter().flatten().cloned().collect()
        }
    };
    let mut layer: Layer = ALL
        .iter()
        .map(|setting| (setting.name(), setting))
        .filter(|(name, _)| is_given(name))
        .map(|(name, setting)| (name, Given::new(values_of(setting), Place::Flag)))
        .collect();
    let is_quiet = matches.try_get_one("quiet").ok().flatten();
    let verbosity = matches.try_get_one("verbose").ok().flatten();
    let level = match (is_quiet, verbosity) {
        (Some(true), _) => Some("error"),
        (_, None | Some(0_u8)) => None,
        (_, Some(1)) => Some("info"),
        _ => Some("debug"),
    };
    if let Some(level) = level {
        let given = Given::new(vec![level.to_owned()], Place::Flag);
        layer.insert("log".to_owned(), given);
    }
    layer
}
