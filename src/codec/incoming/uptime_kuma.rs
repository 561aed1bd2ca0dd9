//! The webhook of Uptime Kuma, as it sends it with the body `application/json`: a monitor, its last heartbeat, and a text.

use serde::Deserialize;

use super::message::{Alarm, Change, Incoming, links};
use super::payload::{IncomingError, parse};
use super::text::{self, readable, some};
use super::time::unix_ms;

#[derive(Deserialize)]
struct Payload {
    heartbeat: Option<Heartbeat>,
    monitor: Option<Monitor>,
    msg: String,
}

#[derive(Deserialize)]
struct Heartbeat {
    #[serde(rename = "monitorID", alias = "monitor_id")]
    monitor_id: Option<u64>,
    status: u64,
    #[serde(default)]
    time: String,
    msg: Option<String>,
    /// It is another one than before. A version of old says it by a number.
    important: Option<Flag>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Number(u64),
}

#[derive(Deserialize)]
struct Monitor {
    id: Option<u64>,
    name: Option<String>,
    url: Option<String>,
}

/// An alarm of the monitor if it is down or up; else what it says, as its test does.
pub(super) fn read(json: &str) -> Result<Incoming, IncomingError> {
    let Payload {
        heartbeat,
        monitor,
        msg,
    } = parse("Uptime Kuma", json)?;
    let change = match &heartbeat {
        Some(heartbeat) if heartbeat.status == 0 => Change::Raised {
            at_ms: unix_ms(&heartbeat.time),
            is_reminder: matches!(
                heartbeat.important,
                Some(Flag::Bool(false) | Flag::Number(0))
            ),
        },
        Some(heartbeat) if heartbeat.status == 1 => Change::Cleared,
        _ => return said(&msg),
    };
    let (name, url) = match &monitor {
        Some(monitor) => (some(monitor.name.as_deref()), monitor.url.clone()),
        None => (None, None),
    };
    let id = heartbeat.as_ref().and_then(|it| it.monitor_id);
    let id = id.or(monitor.as_ref().and_then(|it| it.id));
    let Some(id) = id else {
        return Err(IncomingError("the heartbeat has no monitorID".to_owned()));
    };
    let told = heartbeat.as_ref().and_then(|it| some(it.msg.as_deref()));
    let state = match change {
        Change::Raised { .. } => "is down",
        Change::Cleared => "is up",
    };
    let name = name.map_or_else(|| format!("monitor {id}"), str::to_owned);
    let told = told.map_or(String::new(), |told| format!(": {told}"));
    Ok(Incoming::Alarm(Alarm {
        key: format!("alarm.uptime-kuma.{id}"),
        change,
        text: text::alarm(&format!("{name} {state}{told}")),
        severity: Some("critical"),
        links: links([("Monitored", url)]),
    }))
}

fn said(msg: &str) -> Result<Incoming, IncomingError> {
    match some(Some(msg)) {
        Some(msg) => Ok(Incoming::Text(readable(msg))),
        None => Err(IncomingError("msg is empty".to_owned())),
    }
}
