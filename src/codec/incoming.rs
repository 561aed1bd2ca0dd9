//! What monitors and other services send to a webhook, as messages of a room: alarms, and text that people read.

mod alertmanager;
mod alerts;
mod fingerprint;
mod github;
mod grafana;
mod message;
mod mrkdwn;
mod payload;
mod slack;
mod text;
mod time;
mod uptime_kuma;

use serde::{Deserialize, Serialize};

use crate::codec::http::query::nearest;
use crate::limits::MAX_INCOMING;
pub use message::{Alarm, Change, Incoming};
pub use payload::IncomingError;
use payload::json_of;

/// Letters of a name that is not known, of which it is looked what was meant.
const MAX_SOURCE_SHOWN: usize = 20;

/// Who sends it, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// The webhook of Prometheus' Alertmanager, version 4.
    Alertmanager,
    /// The webhook of Grafana's alerting, version 1.
    Grafana,
    /// A message for an incoming webhook of Slack.
    Slack,
    /// A webhook of GitHub.
    Github,
    /// The webhook of Uptime Kuma.
    UptimeKuma,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Alertmanager,
        Self::Grafana,
        Self::Slack,
        Self::Github,
        Self::UptimeKuma,
    ];

    /// Its name in a query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Grafana => "grafana",
            Self::Slack => "slack",
            Self::Github => "github",
            Self::UptimeKuma => "uptime-kuma",
        }
    }

    /// The one of this name.
    ///
    /// # Errors
    /// There is none; the error names all.
    pub fn parse(name: &str) -> Result<Self, IncomingError> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str);
            let shown: String = name.chars().take(MAX_SOURCE_SHOWN).collect();
            let hint = nearest(&shown, &names).map(|meant| format!("; did you mean {meant}?"));
            let (names, hint) = (names.join(", "), hint.unwrap_or_default());
            IncomingError(format!("as is one of {names}{hint}"))
        })
    }
}

/// The messages that a payload becomes, in its order; none if it tells of nothing that people care for. `event`: GitHub's
/// `X-GitHub-Event`.
///
/// # Errors
/// It is no payload of this source; or it becomes more than `MAX_INCOMING` messages.
pub fn read(
    source: Source,
    event: Option<&str>,
    body: &[u8],
) -> Result<Vec<Incoming>, IncomingError> {
    let json = json_of(body)?;
    let messages = match source {
        Source::Alertmanager => alertmanager::read(&json),
        Source::Grafana => grafana::read(&json),
        Source::Slack => slack::read(&json).map(|text| vec![Incoming::Text(text)]),
        Source::Github => {
            github::read(event, &json).map(|it| it.map(Incoming::Text).into_iter().collect())
        }
        Source::UptimeKuma => uptime_kuma::read(&json).map(|it| vec![it]),
    }?;
    if messages.len() > MAX_INCOMING {
        return Err(IncomingError(format!(
            "there are {} alerts, and {MAX_INCOMING} are the most: send them in smaller groups, as with max_alerts",
            messages.len()
        )));
    }
    Ok(messages)
}

#[cfg(test)]
mod tests;
