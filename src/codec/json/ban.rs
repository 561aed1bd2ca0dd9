//! Bans in JSON: as they are asked for, told, kept on disk and shared by nodes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::refused::CommandParseError;

/// Who is meant, and where: what a ban is found by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BanTarget<'a> {
    /// The name in somebody's tokens.
    pub name: Option<Cow<'a, str>>,
    /// An address, or a network with its prefix.
    pub address: Option<Cow<'a, str>>,
    /// A room, or a pattern of rooms; `None` for the whole server.
    pub room: Option<Cow<'a, str>>,
}

/// A ban that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedBan<'a> {
    /// Who, and where.
    pub target: BanTarget<'a>,
    /// For how many seconds; `None` for ever.
    pub seconds: Option<u64>,
    /// Why, for the one who is banned to read.
    pub reason: Option<Cow<'a, str>>,
}

impl<'a> AskedBan<'a> {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// What is wrong with it, to be answered.
    pub fn parse(text: &'a str) -> Result<Self, CommandParseError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        #[serde(
            expecting = "an object, as in {\"name\":\"mallory\",\"room\":\"tea\",\"seconds\":3600,\"reason\":\"spam\"}"
        )]
        struct Body<'a> {
            #[serde(borrow)]
            name: Option<Cow<'a, str>>,
            #[serde(borrow)]
            address: Option<Cow<'a, str>>,
            #[serde(borrow)]
            room: Option<Cow<'a, str>>,
            seconds: Option<u64>,
            #[serde(borrow)]
            reason: Option<Cow<'a, str>>,
        }
        let Body {
            name,
            address,
            room,
            seconds,
            reason,
        } = serde_json::from_str(text).map_err(|error| CommandParseError::of_json(&error))?;
        Ok(Self {
            target: BanTarget {
                name,
                address,
                room,
            },
            seconds,
            reason,
        })
    }
}

/// A ban as it is listed, told to webhooks, kept and shared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BanRecord {
    /// The name in somebody's tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Box<str>>,
    /// A network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Box<str>>,
    /// A room, or a pattern of rooms; `None` for the whole server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Box<str>>,
    /// When it ends, in milliseconds since 1970; `None` for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// Who has said so.
    pub by: Box<str>,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// What somebody is told of the ban that they are refused for.
#[derive(Debug, Serialize)]
pub struct BanNotice<'a> {
    /// A room, or a pattern of rooms; `None` for the whole server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<&'a str>,
    /// When it ends, in milliseconds since 1970; `None` for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
}

impl BanRecord {
    /// What the one who is banned is told.
    pub fn notice(&self) -> BanNotice<'_> {
        BanNotice {
            room: self.room.as_deref(),
            until: self.until,
            reason: self.reason.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_what_is_wrong_with_it() {
        let asked = AskedBan::parse(r#"{"name":"mallory","room":"tea","seconds":60}"#).unwrap();
        assert_eq!(asked.target.name.as_deref(), Some("mallory"));
        assert_eq!((asked.seconds, asked.reason), (Some(60), None));
        for (text, part) in [
            ("[]", "an object, as in"),
            (r#"{"nick":"mallory"}"#, "nick"),
            (r#"{"name":"a","name":"b"}"#, "name"),
            (r#"{"name":"a","seconds":-1}"#, "-1"),
        ] {
            let refused = AskedBan::parse(text).unwrap_err();
            assert!(refused.message.contains(part), "{text}: {refused:?}");
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let record = BanRecord {
            name: None,
            address: Some("192.0.2.0/24".into()),
            room: Some("plant-*".into()),
            until: Some(7),
            reason: Some("spam".into()),
            by: "root".into(),
            at: 1,
        };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<BanRecord>(&text).unwrap(), record);
    }
}
