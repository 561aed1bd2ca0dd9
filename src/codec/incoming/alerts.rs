//! Alerts, which Alertmanager and Grafana send in the same form.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fingerprint;
use super::message::{Alarm, Change, Incoming, links};
use super::payload::{IncomingError, parse};
use super::text::{self, some};
use super::time::unix_ms;
use crate::limits::MAX_KEY;

/// Keys of alarms begin so.
const PREFIX: &str = "alarm.";

/// The labels that say most of an alert without annotations.
const TELLING: [&str; 5] = ["instance", "job", "service", "namespace", "pod"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    version: String,
    alerts: Vec<Alert>,
    #[serde(default)]
    truncated_alerts: u64,
}

#[derive(Deserialize)]
struct Alert {
    status: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default, rename = "startsAt")]
    starts_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: Option<String>,
    #[serde(rename = "dashboardURL")]
    dashboard_url: Option<String>,
    #[serde(rename = "panelURL")]
    panel_url: Option<String>,
    #[serde(rename = "silenceURL")]
    silence_url: Option<String>,
    fingerprint: Option<String>,
}

/// Reads a payload of this version; `other`: what to say of the version of the other one of the two.
pub(super) fn read(
    whose: &str,
    version: &str,
    (other, advice): (&str, &str),
    json: &str,
) -> Result<Vec<Incoming>, IncomingError> {
    let payload: Payload = parse(whose, json)?;
    if payload.version != version {
        let hint = match payload.version == other {
            true => advice,
            false => "another one is not known here",
        };
        return Err(IncomingError(format!(
            "version is {:?}, and that of {whose} is {version:?}: {hint}",
            payload.version
        )));
    }
    let alerts = payload.alerts.into_iter().zip(1..);
    let mut messages = alerts
        .map(|(alert, number)| {
            let alarm = alert.into_alarm();
            alarm.map_err(|why| IncomingError(format!("alert {number}: {why}")))
        })
        .collect::<Result<Vec<Incoming>, IncomingError>>()?;
    if payload.truncated_alerts > 0 {
        let count = payload.truncated_alerts;
        messages.push(Incoming::Text(format!(
            "{whose} has left out {count} more alerts, because of its max_alerts"
        )));
    }
    Ok(messages)
}

impl Alert {
    fn into_alarm(self) -> Result<Incoming, String> {
        let change = match &*self.status {
            "firing" => Change::Raised {
                at_ms: unix_ms(&self.starts_at),
                is_reminder: false,
            },
            "resolved" => Change::Cleared,
            other => return Err(format!("its status is {other:?}, not firing or resolved")),
        };
        let fingerprint = some(self.fingerprint.as_deref()).map(str::to_owned);
        let fingerprint = fingerprint.unwrap_or_else(|| fingerprint::of_labels(&self.labels));
        if PREFIX.len() + fingerprint.len() > MAX_KEY {
            let most = MAX_KEY - PREFIX.len();
            return Err(format!("its fingerprint is longer than {most} bytes"));
        }
        Ok(Incoming::Alarm(Alarm {
            key: format!("{PREFIX}{fingerprint}"),
            change,
            text: self.text(),
            severity: self.severity(),
            links: links([
                ("Source", self.generator_url),
                ("Runbook", self.annotations.get("runbook_url").cloned()),
                ("Dashboard", self.dashboard_url),
                ("Panel", self.panel_url),
                ("Silence", self.silence_url),
            ]),
        }))
    }

    /// Its name, and what it says; or what it is about.
    fn text(&self) -> String {
        let label = |name: &str| some(self.labels.get(name).map(String::as_str));
        let annotation = |name: &str| some(self.annotations.get(name).map(String::as_str));
        let name = label("alertname").unwrap_or("alert");
        let said = ["summary", "description", "message"]
            .into_iter()
            .find_map(annotation);
        let text = match said {
            Some(said) => format!("{name}: {said}"),
            None => {
                let told = TELLING
                    .into_iter()
                    .filter_map(|it| Some(format!("{it}={}", label(it)?)));
                let told: Vec<String> = told.collect();
                format!("{name} {}", told.join(" "))
            }
        };
        text::alarm(&text)
    }

    /// One of the three that a board knows; `None` if it is not said.
    fn severity(&self) -> Option<&'static str> {
        let label = some(self.labels.get("severity").map(String::as_str))?;
        Some(match &*label.to_lowercase() {
            "critical" | "page" | "high" | "error" | "fatal" | "emergency" | "disaster" | "p0"
            | "p1" => "critical",
            "info" | "informational" | "notice" | "low" | "none" | "debug" => "info",
            _ => "warning",
        })
    }
}
