//! The commands by which push is kept in Redis, and what replies say.
//!
//! All of it has one slot, that of people, and one version, which grows by one with each change. A change is told on a channel
//! that all nodes hear. A node that has missed one reads all anew.

use crate::codec::resp::Reply;
use crate::core::redis::command::publish_word;
use crate::core::redis::links::Command;
use crate::core::redis::scripts;
use crate::limits::{MAX_PUSH_SUBSCRIPTIONS, MAX_PUSH_TOLD_ALARMS, PUSH_GONE_MS, PUSH_PAGE};

type Bytes = Box<[u8]>;

/// The channel on which all nodes are told what is another.
pub(super) const CHANNEL: &str = "parlor:{people}:push";

const PLACE: &str = "parlor:{people}:push:at";

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Subscription,
    Told,
}

/// A subscription by its number, or an alarm by its room and its key.
pub(super) type Name = (Kind, Box<str>);

/// Up to which change something is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    /// That of all versions: another one begins where all was lost. Empty: nothing is there.
    pub(super) epoch: Box<str>,
    pub(super) number: u64,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Subscription => "s",
            Self::Told => "t",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        let both = [Self::Subscription, Self::Told];
        both.into_iter().find(|it| it.word() == word)
    }

    fn keys(self) -> Vec<Bytes> {
        let kept = match self {
            Self::Subscription => "subscriptions",
            Self::Told => "told",
        };
        let kept = format!("{CHANNEL}:{kept}");
        let order = format!("{kept}:order");
        [PLACE.to_owned(), kept, order]
            .map(|key| key.into_bytes().into())
            .into()
    }
}

pub(super) fn number_name(number: u64) -> Name {
    (Kind::Subscription, number.to_string().into())
}

/// The name of an alarm: that of a room has no spaces.
pub(super) fn alarm_name(room: &str, key: &str) -> Name {
    (Kind::Told, format!("{room} {key}").into())
}

/// Keeps something, or forgets it. `is_back`: it was lost, and what is there already stays.
pub(super) fn keep(
    (kind, name): &Name,
    (content, is_back): (Option<&str>, bool),
    fresh: u64,
    is_sharded: bool,
) -> Command {
    let (most, goes) = match kind {
        Kind::Subscription => (MAX_PUSH_SUBSCRIPTIONS, ""),
        Kind::Told => (MAX_PUSH_TOLD_ALARMS, "oldest"),
    };
    let args = vec![
        text(publish_word(is_sharded)),
        text(CHANNEL),
        text(&format_args!("{fresh:x}")),
        text(kind.word()),
        text(&**name),
        text(content.unwrap_or_default()),
        text(if is_back { "back" } else { "" }),
        text(&most),
        text(goes),
        text(&PUSH_GONE_MS),
    ];
    let mut keys = kind.keys();
    keys.push(text(&format_args!("{CHANNEL}:gone:{}:{name}", kind.word())));
    Command::script(&scripts::PUSH_KEEP, keys, args)
}

/// Reads what follows a version.
pub(super) fn page(kind: Kind, after: &str) -> Command {
    let args = vec![text(after), text(&PUSH_PAGE)];
    Command::script(&scripts::PUSH_PAGE, kind.keys(), args)
}

/// Asks for the version.
pub(super) fn compare() -> Command {
    let words = ["HMGET", PLACE, "epoch", "version"];
    Command::Plain(words.map(text).into())
}

/// Reads the reply to `compare`.
pub(super) fn compared(reply: &Reply) -> Option<Version> {
    match reply.array()? {
        [Reply::Nil, _] => Some(Version::default()),
        [epoch, number] => version(epoch, number),
        _ => None,
    }
}

/// What has become of something that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Yes,
    /// There is no place for one more.
    Full,
    /// It was forgotten meanwhile.
    Gone,
}

/// Reads the reply to `keep`.
pub(super) fn kept(reply: &Reply) -> Option<Kept> {
    match reply.array()?.first()?.text()? {
        "ok" | "there" => Some(Kept::Yes),
        "full" => Some(Kept::Full),
        "gone" => Some(Kept::Gone),
        _ => None,
    }
}

/// A part of what is kept.
pub(super) struct Page {
    /// The version when it was read.
    pub(super) version: Version,
    /// After what the next part begins.
    pub(super) after: Box<str>,
    pub(super) entries: Vec<(Box<str>, Box<str>)>,
}

impl Page {
    pub(super) fn is_last(&self) -> bool {
        self.entries.len() < PUSH_PAGE
    }
}

/// Reads the reply to `page`.
pub(super) fn read(reply: &Reply) -> Option<Page> {
    let [epoch, number, after, entries] = reply.array()? else {
        return None;
    };
    let pairs = entries.array()?.chunks_exact(2);
    let entries = pairs.map(|pair| Some((pair[0].text()?.into(), pair[1].text()?.into())));
    Some(Page {
        version: version(epoch, number)?,
        after: after.text()?.into(),
        entries: entries.collect::<Option<_>>()?,
    })
}

fn version(epoch: &Reply, number: &Reply) -> Option<Version> {
    Some(Version {
        epoch: epoch.text()?.into(),
        number: number.number()?,
    })
}

fn text(text: &(impl ToString + ?Sized)) -> Bytes {
    text.to_string().into_bytes().into()
}
