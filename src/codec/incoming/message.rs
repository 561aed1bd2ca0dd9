//! A message that a payload becomes.

use serde::Serialize;

use super::text::is_link;
use crate::limits::MAX_INCOMING_LINKS;

/// A message that a payload becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// What people read.
    Text(String),
    /// A change of an alarm.
    Alarm(Alarm),
}

/// What has happened to an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Names the alarm: the same for all that is told of it.
    pub key: String,
    /// What has happened.
    pub change: Change,
    pub(super) text: String,
    pub(super) severity: Option<&'static str>,
    pub(super) links: Vec<Link>,
}

/// A change of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is raised.
    Raised {
        /// Since when, in milliseconds since 1970, if that is known.
        at_ms: Option<u64>,
        /// It was raised before, and this says so again.
        is_reminder: bool,
    },
    /// It is over.
    Cleared,
}

/// A page about an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Link {
    text: &'static str,
    href: String,
}

impl Alarm {
    /// As the data of a message.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Data<'a> {
            alarm: &'static str,
            text: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            severity: Option<&'static str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            raised_at: Option<u64>,
            #[serde(skip_serializing_if = "<[Link]>::is_empty")]
            links: &'a [Link],
        }
        let (alarm, raised_at) = match self.change {
            Change::Raised { at_ms, .. } => ("raised", at_ms),
            Change::Cleared => ("cleared", None),
        };
        let data = Data {
            alarm,
            text: &self.text,
            severity: self.severity,
            raised_at,
            links: &self.links,
        };
        serde_json::to_string(&data).expect("texts and numbers can always be written")
    }
}

/// The links that lead somewhere, each once.
pub(super) fn links(
    candidates: impl IntoIterator<Item = (&'static str, Option<String>)>,
) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    for (text, href) in candidates {
        let Some(href) = href.filter(|it| is_link(it)) else {
            continue;
        };
        if links.len() < MAX_INCOMING_LINKS && links.iter().all(|it| it.href != href) {
            links.push(Link { text, href });
        }
    }
    links
}
