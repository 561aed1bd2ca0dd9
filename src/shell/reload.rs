//! What SIGHUP brings: all of it, or nothing.

use super::config::sources::{Config, Sources};
use super::escalations;
use super::hooks;
use super::keys;
use super::listener::connections_allowed;
use super::outgoing::{self, Client, KeyRequests};
use super::push_key;
use super::tls::Identity;
use crate::core::access::Keys;
use crate::core::escalation::Escalation;
use crate::core::hooks::Target;
use crate::settings::{Changed, Kept, Settings};
use crate::shell::error::RunError;

/// What is in the files that the settings name.
pub(super) struct Files {
    /// `None` if the parlor is open.
    pub(super) keys: Option<Keys>,
    /// How more of them are got.
    pub(super) key_requests: KeyRequests,
    /// `None` if the port does not speak TLS.
    pub(super) identity: Option<Identity>,
    /// Webhooks, and how calls to them are made.
    pub(super) hooks: Vec<Target>,
    pub(super) client: Option<Client>,
    /// What becomes of alarms that nobody acknowledges.
    pub(super) escalations: Vec<Escalation>,
}

impl Files {
    /// Reads them.
    ///
    /// # Errors
    /// The first that is no good.
    pub(super) fn read(settings: &Settings) -> Result<Self, RunError> {
        push_key::load(settings)?;
        let hooks = hooks::load(&settings.hooks)?;
        Ok(Self {
            keys: keys::load(&settings.access)?,
            key_requests: key_requests(settings)?,
            identity: Identity::read(&settings.listen)?,
            escalations: escalations::load(
                &settings.hooks,
                &hooks,
                settings.push.push_contact.is_some(),
            )?,
            hooks,
            client: outgoing::client(&settings.hooks)?,
        })
    }
}

fn key_requests(settings: &Settings) -> Result<KeyRequests, RunError> {
    KeyRequests::new(&settings.access, settings.keeping.data.as_deref())
}

/// A reload that can no longer fail.
pub(super) struct Reload {
    pub(super) config: Config,
    pub(super) files: Files,
    /// What the limit on open files allows.
    pub(super) max_connections: usize,
    changed: Vec<Changed>,
    kept: Vec<Kept>,
    rooms_changed: bool,
}

impl Reload {
    /// Reads everything again.
    ///
    /// # Errors
    /// Each thing that is no good: all has to stay as it was.
    pub(super) fn prepare(sources: &Sources, current: &Config) -> Result<Self, Vec<String>> {
        let mut config = sources.load_again().map_err(|error| {
            let lines = error.to_string();
            let lines = lines
                .lines()
                .map(|line| format!("the old settings stay: {line}"));
            lines.collect::<Vec<_>>()
        })?;
        let (settings, changed, kept) = current.settings.reload(config.settings);
        config.settings = settings;
        let rooms_changed = config.settings.limits.rooms != current.settings.limits.rooms;
        let settings = &config.settings;
        let identity = Identity::read(&settings.listen)
            .map_err(|error| format!("the old certificate stays: {error}"));
        let keys = keys::load(&settings.access)
            .and_then(|keys| Ok((keys, key_requests(settings)?)))
            .map_err(|error| format!("the old keys for tokens stay: {error}"));
        let max_connections = connections_allowed(settings.limits.max_connections)
            .map_err(|error| format!("the old settings stay: {error}"));
        let hooks = hooks::load(&settings.hooks)
            .and_then(|hooks| {
                let escalations = escalations::load(
                    &settings.hooks,
                    &hooks,
                    settings.push.push_contact.is_some(),
                )?;
                Ok((hooks, outgoing::client(&settings.hooks)?, escalations))
            })
            .map_err(|error| format!("the old webhooks stay: {error}"));
        match (identity, keys, max_connections, hooks) {
            (
                Ok(identity),
                Ok((keys, key_requests)),
                Ok(max_connections),
                Ok((hooks, client, escalations)),
            ) => Ok(Self {
                files: Files {
                    keys,
                    key_requests,
                    identity,
                    hooks,
                    client,
                    escalations,
                },
                config,
                max_connections,
                changed,
                kept,
                rooms_changed,
            }),
            (identity, keys, max_connections, hooks) => {
                let errors = [
                    identity.err(),
                    keys.err(),
                    max_connections.err(),
                    hooks.err(),
                ];
                Err(errors.into_iter().flatten().collect())
            }
        }
    }

    /// Says what was read, what is different now, and what is not because it takes a restart.
    pub(super) fn log(&self, sources: &Sources) {
        let Self { files, .. } = self;
        let has_files = files.keys.is_some() || files.identity.is_some() || !files.hooks.is_empty();
        if sources.file().is_none() && !has_files {
            log::warn!(
                "SIGHUP is ignored: there is no --config, no certificate, no key and no webhook to read again"
            );
        }
        if let Some(path) = sources.file() {
            log::info!("{} was read again", path.display());
        }
        if files.identity.is_some() {
            log::info!("the certificate was read again");
        }
        if files.keys.is_some() {
            log::info!("the keys for tokens were read again");
        }
        if !files.hooks.is_empty() {
            log::info!("webhooks: {} are told from now on", files.hooks.len());
        }
        if !files.escalations.is_empty() {
            log::info!("escalations: {} hold from now on", files.escalations.len());
        }
        for Changed {
            setting,
            before,
            after,
        } in &self.changed
        {
            let (name, before, after) = (setting.name(), or_none(before), or_none(after));
            log::info!("{name} is {after} now, and was {before}");
        }
        if self.rooms_changed {
            log::info!("the room patterns are others now");
        }
        log_kept(&self.kept, &self.config.settings);
    }
}

/// What stays as it is, although another value is wanted.
pub(super) fn log_kept(kept: &[Kept], settings: &Settings) {
    for Kept { setting, why } in kept {
        let current = or_none(&setting.shown(settings));
        let name = setting.name();
        log::warn!("{name} stays {current} until the server is started again: {why}");
    }
}

fn or_none(values: &[String]) -> String {
    match values {
        [] => "unset".to_owned(),
        values => values.join(", "),
    }
}
