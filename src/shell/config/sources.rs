//! What each source says, and what comes of all of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use log::LevelFilter;

use super::environment::{self, Environment};
use super::error::ConfigErrors;
use super::file::{self, File};
use super::layer::{Given, Layer, Place};
use crate::settings::{ALL, Escalation, RedisUrl, RoomRule, Setting, Settings, Webhook};
use crate::shell::error::RunError;
use crate::shell::input_file;

/// Flags, the environment as it was at the start, and the name of the file, which is read anew each time.
#[derive(Debug)]
pub struct Sources {
    flags: Layer,
    environment: Environment,
    file: Option<PathBuf>,
}

/// The settings of a server, and where each of them comes from.
#[derive(Debug)]
pub struct Config {
    pub(in crate::shell) settings: Settings,
    places: BTreeMap<String, Place>,
    /// The line of each room pattern.
    room_lines: Vec<usize>,
    /// That of each webhook.
    webhook_lines: Vec<usize>,
    /// That of each escalation.
    escalation_lines: Vec<usize>,
    file: Option<PathBuf>,
}

impl Sources {
    pub(super) fn new(
        flags: Layer,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        file: Option<PathBuf>,
    ) -> Self {
        let environment = environment::read(variables);
        let file = file.or_else(|| environment.file.clone());
        Self {
            flags,
            environment,
            file,
        }
    }

    /// The file that `--config`, or the environment, names.
    pub(in crate::shell) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether another server is to be taken over, at the other end of standard input.
    pub(in crate::shell) fn takes_over(&self) -> bool {
        self.environment.takes_over
    }

    /// What is wrong with flags that do not go together, where nothing else says anything: then the command line is wrong.
    pub(super) fn wrong_flags(&self) -> Option<String> {
        let is_alone = self.file.is_none() && self.environment.layer.is_empty();
        let error = is_alone.then(|| self.merge(File::default()).err())?;
        error
            .filter(|_| self.environment.errors.0.is_empty())
            .map(|it| it.to_string())
    }

    /// The settings at the start. The file may be a pipe then.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn load(&self) -> Result<Config, RunError> {
        self.load_with(input_file::read_once)
    }

    /// The directory in which a server with these settings would keep messages.
    ///
    /// # Errors
    /// Something is wrong with them, or none of them names one.
    pub fn data_directory(&self) -> Result<PathBuf, RunError> {
        self.data()?.ok_or(RunError {
            what: "there is no data directory".to_owned(),
            cause: None,
            advice: "name it with --data",
        })
    }

    /// The same, if there is one.
    ///
    /// # Errors
    /// Something is wrong with the settings.
    pub fn data(&self) -> Result<Option<PathBuf>, RunError> {
        Ok(self.load()?.settings.keeping.data)
    }

    /// The settings alone.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn settings(&self) -> Result<Settings, RunError> {
        Ok(self.load()?.settings)
    }

    /// The settings as they are now.
    ///
    /// # Errors
    /// The same; or the file is a pipe, which cannot be read again.
    pub(in crate::shell) fn load_again(&self) -> Result<Config, RunError> {
        self.load_with(input_file::read)
    }

    fn load_with(
        &self,
        read: fn(&Path, &'static str) -> Result<Vec<u8>, RunError>,
    ) -> Result<Config, RunError> {
        let file = match &self.file {
            None => File::default(),
            Some(path) => {
                let advice = "--config is to name a file of settings, as `parlor config` prints it";
                let text = String::from_utf8(read(path, advice)?).map_err(|_| RunError {
                    what: format!("{} is no text in UTF-8", path.display()),
                    cause: None,
                    advice,
                })?;
                file::read(path, &text)
            }
        };
        self.merge(file)
    }

    fn merge(&self, mut file: File) -> Result<Config, RunError> {
        let mut config = Config {
            settings: Settings::default(),
            places: BTreeMap::new(),
            room_lines: Vec::new(),
            webhook_lines: Vec::new(),
            escalation_lines: Vec::new(),
            file: self.file.clone(),
        };
        let mut errors = ConfigErrors::default();
        errors.append(std::mem::take(&mut file.errors));
        errors.0.extend(self.environment.errors.0.iter().cloned());
        // What comes later wins; what is wrong is told also where it would not count.
        for layer in [&file.layer, &self.environment.layer, &self.flags] {
            for setting in ALL {
                if let Some(given) = layer.get(&setting.name()) {
                    config.take(setting, given, &mut errors);
                }
            }
        }
        let (rules, lines): (Vec<RoomRule>, Vec<usize>) = file.rooms.into_iter().unzip();
        (config.settings.limits.rooms, config.room_lines) = (rules, lines);
        let (webhooks, lines): (Vec<Webhook>, Vec<usize>) = file.webhooks.into_iter().unzip();
        (config.settings.hooks.webhooks, config.webhook_lines) = (webhooks, lines);
        let (all, lines): (Vec<Escalation>, Vec<usize>) = file.escalations.into_iter().unzip();
        (config.settings.hooks.escalations, config.escalation_lines) = (all, lines);
        config.check_pairs(&mut errors);
        errors.into_result()?;
        Ok(config)
    }
}

impl Config {
    /// What is logged, unless `RUST_LOG` says otherwise.
    ///
    /// By default not each connection: a line costs as much as a message, and a terminal that is not read stops the loop.
    pub fn log_level(&self) -> LevelFilter {
        self.settings.logging.log.0
    }

    fn take(&mut self, setting: &Setting, given: &Given, errors: &mut ConfigErrors) {
        let name = setting.name();
        match setting.set(&mut self.settings, &given.values) {
            Ok(()) => {
                self.places.insert(name, given.place);
            }
            Err(error) => {
                let shown: Vec<_> = given
                    .values
                    .iter()
                    .map(|it| setting.without_secret(it))
                    .collect();
                let shown = shown.join(",");
                let error = format!("{}: {error}, not {shown:?}", given.place.named(&name));
                errors.add(self.at(given.place, error));
            }
        }
    }

    /// Settings that make sense only with another.
    fn check_pairs(&self, errors: &mut ConfigErrors) {
        let needs: [(&str, &[&str]); 13] = [
            ("tls-cert", &["tls-key"]),
            ("tls-key", &["tls-cert"]),
            ("udp-bind", &["udp-port"]),
            ("audience", &["secret-file", "jwks-file", "jwks-url"]),
            ("jwks-ca", &["jwks-url"]),
            ("redis-ca", &["redis"]),
            ("files", &["redis"]),
            ("webhook", &["webhook-secret-file"]),
            ("push-contact", &["push-key", "data"]),
            ("push-key", &["push-contact"]),
            ("webhook-secret-file", &["webhook"]),
            ("webhook-rooms", &["webhook"]),
            ("webhook-events", &["webhook"]),
        ];
        let is_set = |name: &&str| self.places.contains_key(*name);
        let is_key_missing = is_set(&"redis") && !is_set(&"push-key");
        for (name, needed) in needs {
            // Of those two it is said that they exclude each other.
            let is_told_otherwise = name == "files" && is_set(&"data");
            if let Some(place) = self.places.get(name)
                && !needed.iter().any(is_set)
                && !(name == "push-contact" && is_key_missing)
                && !is_told_otherwise
            {
                let needed: Vec<String> = needed.iter().map(|it| place.named(it)).collect();
                let error = format!("{} needs {}, too", place.named(name), needed.join(" or "));
                errors.add(self.at(*place, error));
            }
        }
        if let (Some(place), true) = (self.places.get("redis"), is_set(&"data")) {
            let error = format!(
                "{} and {} exclude each other: messages are kept in Redis, or in a directory",
                place.named("redis"),
                place.named("data")
            );
            errors.add(self.at(*place, error));
        }
        if let (Some(place), true) = (self.places.get("files"), is_set(&"data")) {
            let error = format!(
                "{} and {} exclude each other: with {1} files are kept there, and {0} is for many nodes on Redis",
                place.named("files"),
                place.named("data")
            );
            errors.add(self.at(*place, error));
        }
        if let (Some(place), true) = (self.places.get("push-contact"), is_key_missing) {
            let error = format!(
                "{} with {} needs {}, too: all nodes sign with one key, \
                 which `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes",
                place.named("push-contact"),
                place.named("redis"),
                place.named("push-key")
            );
            errors.add(self.at(*place, error));
        }
        if let Some(place) = self.places.get("redis")
            && let Some(what) = RedisUrl::difference(&self.settings.sharing.redis)
        {
            let error = format!(
                "{}: all addresses are those of one Redis, and differ in {what}",
                place.named("redis")
            );
            errors.add(self.at(*place, error));
        }
    }

    /// An error about a setting that stands there.
    fn at(&self, place: Place, error: String) -> String {
        match place {
            Place::Line(_) => format!("{}: {error}", self.show(place)),
            Place::Flag | Place::Variable => error,
        }
    }

    /// Where the value of a setting comes from.
    pub(super) fn place_of(&self, name: &str) -> String {
        match self.places.get(name) {
            None => "default".to_owned(),
            Some(place) => self.show(*place),
        }
    }

    /// The room patterns, each with where it stands.
    pub(super) fn rooms(&self) -> impl Iterator<Item = (&RoomRule, String)> {
        let rules = self.settings.limits.rooms.iter();
        rules
            .zip(&self.room_lines)
            .map(|(rule, line)| (rule, self.show(Place::Line(*line))))
    }

    /// The webhooks of the file, each with where it stands.
    pub(super) fn webhooks(&self) -> impl Iterator<Item = (&Webhook, String)> {
        let webhooks = self.settings.hooks.webhooks.iter();
        webhooks
            .zip(&self.webhook_lines)
            .map(|(webhook, line)| (webhook, self.show(Place::Line(*line))))
    }

    /// The escalations of the file, each with where it stands.
    pub(super) fn escalations(&self) -> impl Iterator<Item = (&Escalation, String)> {
        let escalations = self.settings.hooks.escalations.iter();
        escalations
            .zip(&self.escalation_lines)
            .map(|(escalation, line)| (escalation, self.show(Place::Line(*line))))
    }

    fn show(&self, place: Place) -> String {
        match (place, &self.file) {
            (Place::Flag, _) => "flag".to_owned(),
            (Place::Line(line), Some(path)) => format!("{}:{line}", path.display()),
            (Place::Variable | Place::Line(_), _) => "environment".to_owned(),
        }
    }
}
