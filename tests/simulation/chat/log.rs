//! What was said in each room, in its order: one for everyone, whatever their door.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use data_encoding::BASE64;
use serde_json::Value;

use crate::model::Checked;

/// Something that somebody wants to say.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) room: usize,
    pub(crate) data: Option<Value>,
    pub(crate) binary: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) retain: bool,
    pub(crate) ephemeral: bool,
    pub(crate) dedup: bool,
    /// When it was sent first.
    pub(crate) sent_ms: u64,
    /// The offset it was answered with.
    pub(crate) answer: Option<u64>,
    /// Its place, in each epoch that has it.
    pub(crate) offsets: BTreeMap<String, u64>,
}

/// A message that someone has seen.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) event: Value,
    pub(crate) draft: Option<usize>,
    pub(crate) learned_ms: u64,
}

/// The messages of one epoch of a room, by their offsets.
pub(crate) type Epoch = BTreeMap<u64, Said>;

#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) drafts: Vec<Draft>,
    /// Drafts of typists whose connection was lost: what arrived of the line it was lost in is said.
    pub(crate) torn: Vec<usize>,
    /// By room and epoch.
    pub(crate) epochs: BTreeMap<(usize, String), Epoch>,
}

/// For how long the same message may not be published again.
const DEDUP_MS: u64 = 120_000;

impl Log {
    pub(crate) fn epoch(&self, room: usize, epoch: &str) -> Option<&Epoch> {
        self.epochs.get(&(room, epoch.to_owned()))
    }

    /// How many messages somebody has wanted to say in a room.
    pub(crate) fn count_drafts(&self, room: usize) -> usize {
        let drafts = self.drafts.iter();
        drafts.filter(|draft| draft.room == room).count()
    }

    /// Someone sees a message in a room; says its offset. Everyone must see the same one in the same place.
    pub(crate) fn see(
        &mut self,
        room: usize,
        epoch: &str,
        event: &Value,
        now: u64,
    ) -> Checked<u64> {
        let mut event = event.clone();
        if let Value::Object(fields) = &mut event {
            fields.remove("type");
        }
        let offset = event["offset"]
            .as_u64()
            .ok_or_else(|| format!("no offset: {event}"))?;
        let said = self.epoch(room, epoch);
        if let Some(known) = said.and_then(|said| said.get(&offset)) {
            if known.event != event {
                return Err(format!("{event} came where others saw {}", known.event));
            }
            return Ok(offset);
        }
        let draft = self.check_content(room, &event)?;
        let said = self.epochs.entry((room, epoch.to_owned())).or_default();
        let new = Said {
            event,
            draft,
            learned_ms: now,
        };
        said.insert(offset, new);
        if let Some(index) = draft {
            let draft = &mut self.drafts[index];
            let is_old = now - draft.sent_ms >= DEDUP_MS;
            if let Some(other) = draft.offsets.insert(epoch.to_owned(), offset)
                && !is_old
            {
                return Err(format!("message {index} is at {other} and at {offset}"));
            }
        }
        Ok(offset)
    }

    /// Which draft an event is of, and that it is still what was sent.
    pub(crate) fn check_content(&self, room: usize, event: &Value) -> Checked<Option<usize>> {
        let index = index_of(event).filter(|&index| self.is_of(index, room, event));
        if let Some(index) = index.or_else(|| self.torn_draft(room, event)) {
            return Ok(Some(index));
        }
        if event["data"].is_null() && event["key"].is_string() {
            return Ok(None);
        }
        let draft = index_of(event).and_then(|index| self.drafts.get(index));
        Err(format!("nobody sent {event}, but {draft:?}"))
    }

    /// Whether a message is what was sent as this draft.
    fn is_of(&self, index: usize, room: usize, event: &Value) -> bool {
        self.drafts.get(index).is_some_and(|draft| {
            draft.room == room
                && event.get("data") == draft.data.as_ref()
                && event.get("binary").and_then(Value::as_str) == draft.binary.as_deref()
                && event.get("key").and_then(Value::as_str) == draft.key.as_deref()
                && event.get("ephemeral").is_some() == draft.ephemeral
        })
    }

    /// The draft that a message is the beginning of, where that may be.
    fn torn_draft(&self, room: usize, event: &Value) -> Option<usize> {
        let beginning = event["data"].as_str()?;
        let mut torn = self.torn.iter().copied();
        torn.find(|&index| {
            let draft = &self.drafts[index];
            let text = draft.data.as_ref().and_then(Value::as_str);
            draft.room == room && text.is_some_and(|text| text.starts_with(beginning))
        })
    }

    /// A publish was answered; `is_one`: its room has had one epoch.
    pub(crate) fn on_answer(
        &mut self,
        index: usize,
        offset: Option<u64>,
        is_one: bool,
        now: u64,
    ) -> Checked {
        let draft = &mut self.drafts[index];
        let is_old = now - draft.sent_ms >= DEDUP_MS;
        let differs = draft.answer.is_some() && draft.answer != offset && is_one && !is_old;
        if draft.ephemeral == offset.is_some() || differs {
            return Err(format!("answered with {offset:?}: {draft:?}"));
        }
        draft.answer = offset;
        Ok(())
    }

    /// The state of all keys after an offset: their messages' offsets, in order.
    pub(crate) fn retained(&self, epoch: &Epoch, upto: u64) -> Vec<u64> {
        let mut state: BTreeMap<&str, u64> = BTreeMap::new();
        for (&offset, said) in epoch.range(..=upto) {
            let Some(key) = said.event["key"].as_str() else {
                continue;
            };
            match said.draft {
                None => drop(state.remove(key)),
                Some(draft) if self.drafts[draft].retain => drop(state.insert(key, offset)),
                Some(_) => {}
            }
        }
        let mut offsets: Vec<u64> = state.into_values().collect();
        offsets.sort_unstable();
        offsets
    }

    /// Of each key the latest that is still known of what was said from `from` to `to`.
    pub(crate) fn latest(&self, epoch: &Epoch, from: u64, to: u64, has_history: bool) -> Vec<u64> {
        let retained = self
            .retained(epoch, to)
            .into_iter()
            .filter(|it| *it >= from);
        let kept_from = if has_history { from } else { to + 1 };
        let candidates = retained.chain(kept_from..=to);
        let mut latest: BTreeMap<&str, u64> = BTreeMap::new();
        for offset in candidates {
            if let Some(key) = epoch
                .get(&offset)
                .and_then(|said| said.event["key"].as_str())
            {
                let newest = latest.entry(key).or_insert(offset);
                *newest = offset.max(*newest);
            }
        }
        let mut offsets: Vec<u64> = latest.into_values().collect();
        offsets.sort_unstable();
        offsets
    }

    /// The newest `count` without a key of these offsets, and no more of those with one, as many of each key, where so many
    /// are remembered without a key, and of each key.
    pub(crate) fn newest(
        epoch: &Epoch,
        offsets: &RangeInclusive<u64>,
        count: usize,
        history: usize,
    ) -> Vec<u64> {
        let mut by_key = Self::by_key(epoch, *offsets.end());
        for all in by_key.values_mut() {
            *all = newest(std::mem::take(all), history);
            all.retain(|offset| offsets.contains(offset));
        }
        by_key.retain(|_, all| !all.is_empty());
        let mut found = newest(by_key.remove(&None).unwrap_or_default(), count);
        let each = (count / by_key.len().max(1)).max(1);
        let keyed = by_key.into_values().flat_map(|all| newest(all, each));
        let mut keyed: Vec<u64> = keyed.collect();
        keyed.sort_unstable();
        found.extend(newest(keyed, count));
        found.sort_unstable();
        found
    }

    /// The newest offset that is forgotten, where so many are remembered without a key, and of each key.
    pub(crate) fn forgotten(epoch: &Epoch, upto: u64, history: usize) -> u64 {
        let lists = Self::by_key(epoch, upto).into_values();
        let forgotten = lists.filter_map(|all| {
            let last = all.len().checked_sub(history + 1)?;
            all.get(last).copied()
        });
        forgotten.max().unwrap_or(0)
    }

    fn by_key(epoch: &Epoch, upto: u64) -> BTreeMap<Option<&str>, Vec<u64>> {
        let mut by_key: BTreeMap<Option<&str>, Vec<u64>> = BTreeMap::new();
        for (&offset, said) in epoch.range(..=upto) {
            let key = said.event["key"].as_str();
            by_key.entry(key).or_default().push(offset);
        }
        by_key
    }

    /// A message as plain members get it.
    pub(crate) fn plain(said: &Said) -> (bool, Vec<u8>) {
        if let Some(text) = said.event["binary"].as_str() {
            let bytes = BASE64.decode(text.as_bytes());
            return (false, bytes.unwrap_or_default());
        }
        let text = match &said.event["data"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (true, text.into_bytes())
    }

    /// A message as those at the port for lines get it.
    pub(crate) fn line(said: &Said) -> String {
        let name = said.event["from"]["name"].as_str().unwrap_or_default();
        let text = match said.event["binary"].as_str() {
            Some(encoded) => encoded.to_owned(),
            None => String::from_utf8_lossy(&Self::plain(said).1).replace('\n', " / "),
        };
        format!("{name}: {text}")
    }

    /// A publish that was answered must be where the answer says. `is_whole`: all of the epoch is known.
    pub(crate) fn check_answers(&self, is_whole: impl Fn(usize) -> bool) -> Checked {
        for (index, draft) in self.drafts.iter().enumerate() {
            let Some(offset) = draft.answer.filter(|_| is_whole(draft.room)) else {
                continue;
            };
            let is_null = draft.data == Some(Value::Null);
            let is_there = if is_null {
                self.epochs.iter().any(|((room, _), epoch)| {
                    *room == draft.room
                        && epoch.get(&offset).is_some_and(|said| said.draft.is_none())
                })
            } else {
                draft.offsets.values().any(|other| *other == offset)
            };
            if !is_there {
                return Err(format!("message {index} is not at its {offset}: {draft:?}"));
            }
        }
        Ok(())
    }
}

fn newest(mut offsets: Vec<u64>, count: usize) -> Vec<u64> {
    offsets.drain(..offsets.len().saturating_sub(count));
    offsets
}

/// The index that begins each message.
fn index_of(event: &Value) -> Option<usize> {
    let text = match (&event["data"], &event["binary"]) {
        (Value::Object(fields), _) => return fields.get("n")?.as_u64().map(|n| n as usize),
        (Value::String(text), _) => text.clone(),
        (_, Value::String(encoded)) => {
            let bytes = BASE64.decode(encoded.as_bytes()).ok()?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => return None,
    };
    text.split('|').next()?.parse().ok()
}
