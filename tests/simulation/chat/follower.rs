//! Where someone is in a room's order, over all their connections: every offset once, or told that it is lost.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::positions::Positions;
use super::shadow::{Claim, Filled, Shadow};
use crate::model::Checked;

/// What was asked for on coming into a room.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) since: Option<(String, u64)>,
    pub(crate) last: usize,
    pub(crate) sent_ms: u64,
}

impl Asked {
    /// Which messages are new to who has asked, in a room that is there now.
    fn unknown(&self, epoch: &str, offset: u64) -> RangeInclusive<u64> {
        let since = self.since.as_ref();
        let since = since.filter(|(known, since)| known == epoch && *since <= offset);
        since.map_or(0, |(_, since)| since + 1)..=offset
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Follower {
    pub(crate) room: usize,
    /// The epoch, and the offset of the last message seen.
    pub(crate) position: Option<(String, u64)>,
    /// What a client makes of it, in all of its lives.
    client: Positions,
    pub(crate) is_in: bool,
    /// Has missed something on this connection.
    pub(crate) has_lagged: bool,
    /// A gap that was told, and what has come to fill it.
    gap: Option<Filled>,
    /// What a stream begins with that does not go on where its reader was: how many were asked for, of which, and what has
    /// come of it.
    opening: Option<(usize, RangeInclusive<u64>, Vec<u64>)>,
}

impl Follower {
    pub(crate) fn new(room: usize) -> Self {
        Self {
            room,
            position: None,
            client: Positions::default(),
            is_in: false,
            has_lagged: false,
            gap: None,
            opening: None,
        }
    }

    /// The connection is gone, or the room left.
    pub(crate) fn go_out(&mut self) {
        self.is_in = false;
        self.has_lagged = false;
        self.gap = None;
        self.opening = None;
    }

    /// `joined` at the JSON door.
    pub(crate) fn on_joined(
        &mut self,
        joined: &Value,
        asked: &Asked,
        shadow: &mut Shadow,
    ) -> Checked {
        self.end_gap(shadow);
        let (epoch, offset) = position_of(joined)?;
        let recovered = joined["recovered"] == true;
        shadow.check_recovered(self.room, asked, (&epoch, offset), recovered)?;
        let mut offsets = Vec::new();
        for message in list(joined, "messages")? {
            offsets.push(shadow.see(self.room, &epoch, message)?);
        }
        let retained = list(joined, "retained")?;
        let retained = retained
            .iter()
            .map(|message| shadow.see(self.room, &epoch, message));
        let retained = retained.collect::<Checked<Vec<u64>>>()?;
        self.client.on_joined(&epoch, offset, &offsets);
        let is_again = self.is_in && asked.since.is_none();
        if !is_again {
            shadow.claim(self.room, &epoch, Claim::Retained(offset, retained));
        }
        self.claim_recovered(asked, (&epoch, offset), recovered, shadow);
        match &asked.since {
            Some((_, since)) if recovered => {
                if !offsets.iter().copied().eq(since + 1..=offset) {
                    return Err(format!("{offsets:?} came after {asked:?}, at {offset}"));
                }
            }
            // Of what was said up to where one is, less may be remembered.
            _ if is_again => {}
            _ => {
                let claim = Claim::Newest(asked.last, asked.unknown(&epoch, offset), offsets);
                shadow.claim(self.room, &epoch, claim);
            }
        }
        if self.is_in {
            let (known_epoch, last) = self.position.as_ref().ok_or("in, and nowhere")?;
            // What is announced has come, unless it comes with it.
            if *known_epoch != epoch || *last > offset || is_again && *last != offset {
                return Err(format!(
                    "at {known_epoch}-{last} the room was at {epoch}-{offset}"
                ));
            }
        }
        self.position = Some((epoch, offset));
        self.is_in = true;
        Ok(())
    }

    /// `joined` after a gap, unasked: how the room is, for someone who was too slow.
    pub(crate) fn on_caught_up(&mut self, joined: &Value, shadow: &mut Shadow) -> Checked {
        let (known_epoch, last) = self.place()?;
        let (epoch, offset) = position_of(joined)?;
        let messages = list(joined, "messages")?.iter();
        let offsets = messages.map(|message| shadow.see(self.room, &epoch, message));
        let offsets = offsets.collect::<Checked<Vec<u64>>>()?;
        let retained = list(joined, "retained")?.iter();
        let retained = retained.map(|message| shadow.see(self.room, &epoch, message));
        let retained = retained.collect::<Checked<Vec<u64>>>()?;
        self.client.on_joined(&epoch, offset, &offsets);
        // Without a gap it was told who is there, and nothing else was lost.
        let gap = self.gap.take();
        let (from, to) = gap.map_or((last + 1, last), |gap| (gap.from, gap.to));
        if !shadow.plan.conflates(self.room) || known_epoch != epoch || to != offset {
            return Err(format!(
                "caught up to {epoch}-{offset} at {known_epoch}-{last}"
            ));
        }
        let filled = Filled {
            from,
            to,
            messages: offsets,
            state: Some(retained),
        };
        shadow.claim(self.room, &epoch, Claim::Filled(filled));
        self.has_lagged = true;
        self.position = Some((epoch, offset));
        Ok(())
    }

    /// The first event of a stream, with its `id:`.
    pub(crate) fn on_opened(
        &mut self,
        opened: &Value,
        id: &str,
        asked: &Asked,
        shadow: &mut Shadow,
    ) -> Checked {
        let (epoch, offset) = position_of(opened)?;
        let recovered = opened["recovered"] == true;
        shadow.check_recovered(self.room, asked, (&epoch, offset), recovered)?;
        let (id_epoch, before) = parse_id(id)?;
        if id_epoch != epoch || before > offset {
            return Err(format!("{opened} has the id {id}"));
        }
        self.claim_recovered(asked, (&epoch, offset), recovered, shadow);
        match &asked.since {
            Some((_, since)) if recovered && *since != before => {
                return Err(format!("{since} was recovered as {before}"));
            }
            _ if recovered => {}
            _ => self.opening = Some((asked.last, asked.unknown(&epoch, offset), Vec::new())),
        }
        self.client.on_joined(&epoch, before, &[]);
        self.position = Some((epoch, before));
        self.is_in = true;
        Ok(())
    }

    /// A message that comes by itself.
    pub(crate) fn on_message(&mut self, event: &Value, shadow: &mut Shadow) -> Checked {
        let (epoch, last) = self.place()?;
        let offset = shadow.see(self.room, &epoch, event)?;
        self.client.on_message(offset)?;
        if let Some(gap) = &mut self.gap
            && offset <= gap.to
        {
            if offset < gap.from || gap.messages.last().is_some_and(|it| *it >= offset) {
                return Err(format!("{offset} came to fill {gap:?}"));
            }
            gap.messages.push(offset);
            return Ok(());
        }
        self.end_gap(shadow);
        if let Some((_, unknown, offsets)) = &mut self.opening
            && (last + 1..=*unknown.end()).contains(&offset)
        {
            offsets.push(offset);
            self.position = Some((epoch, offset));
            return Ok(());
        }
        self.end_opening(shadow);
        let (_, last) = self.place()?;
        if offset != last + 1 {
            return Err(format!("room {}: {offset} came after {last}", self.room));
        }
        self.position = Some((epoch, offset));
        Ok(())
    }

    pub(crate) fn on_gap(&mut self, event: &Value, shadow: &mut Shadow) -> Checked {
        self.end_gap(shadow);
        self.end_opening(shadow);
        let (epoch, last) = self.place()?;
        let (from, to) = (event["from"].as_u64(), event["to"].as_u64());
        let (from, to) = from
            .zip(to)
            .ok_or_else(|| format!("this is no gap: {event}"))?;
        if !shadow.plan.conflates(self.room) || from != last + 1 || to < from {
            return Err(format!("a gap from {from} to {to} after {last}"));
        }
        self.has_lagged = true;
        self.gap = Some(Filled {
            from,
            to,
            messages: Vec::new(),
            state: None,
        });
        self.position = Some((epoch, to));
        Ok(())
    }

    /// All that fills a gap has come.
    pub(crate) fn end_gap(&mut self, shadow: &mut Shadow) {
        if let (Some(gap), Some((epoch, _))) = (self.gap.take(), &self.position) {
            shadow.claim(self.room, epoch, Claim::Filled(gap));
        }
    }

    /// All that a stream begins with has come.
    fn end_opening(&mut self, shadow: &mut Shadow) {
        if let (Some((count, unknown, offsets)), Some((epoch, at))) =
            (self.opening.take(), &mut self.position)
        {
            *at = *unknown.end();
            shadow.claim(self.room, epoch, Claim::Newest(count, unknown, offsets));
        }
    }

    /// Whether `recovered` is right is known when all is that was said.
    fn claim_recovered(
        &self,
        asked: &Asked,
        (epoch, offset): (&str, u64),
        recovered: bool,
        shadow: &mut Shadow,
    ) {
        if let Some((known, since)) = &asked.since
            && known == epoch
            && *since <= offset
        {
            let claim = Claim::Recovered(*since, offset, recovered);
            shadow.claim(self.room, epoch, claim);
        }
    }

    /// The state of keys has come, in a stream.
    pub(crate) fn on_state(&mut self, offset: u64, state: Vec<u64>, shadow: &mut Shadow) {
        match (&mut self.gap, &self.position) {
            (Some(gap), _) => gap.state = Some(state),
            (None, Some((epoch, _))) => {
                shadow.claim(self.room, epoch, Claim::Retained(offset, state));
            }
            (None, None) => {}
        }
    }

    /// Nothing is on its way.
    pub(crate) fn check_at_rest(&mut self, shadow: &mut Shadow) -> Checked {
        self.end_gap(shadow);
        self.end_opening(shadow);
        let (epoch, last) = self.place()?;
        match shadow.newest(self.room, &epoch) {
            Some(newest) if newest > last || newest < last && shadow.is_whole(self.room) => Err(
                format!("room {}: at {last}, and the room at {newest}", self.room),
            ),
            _ => Ok(()),
        }
    }

    fn place(&self) -> Checked<(String, u64)> {
        let position = self.position.clone().filter(|_| self.is_in);
        position.ok_or_else(|| format!("not in room {}", self.room))
    }
}

pub(crate) fn parse_id(id: &str) -> Checked<(String, u64)> {
    let parts = id.split_once('-');
    let parts = parts.and_then(|(epoch, offset)| Some((epoch.to_owned(), offset.parse().ok()?)));
    parts.ok_or_else(|| format!("this is no id: {id}"))
}

fn position_of(joined: &Value) -> Checked<(String, u64)> {
    let epoch = joined["epoch"].as_str().map(str::to_owned);
    let position = epoch.zip(joined["offset"].as_u64());
    position.ok_or_else(|| format!("no position: {joined}"))
}

pub(crate) fn list<'a>(event: &'a Value, field: &str) -> Checked<&'a Vec<Value>> {
    event[field]
        .as_array()
        .ok_or_else(|| format!("no {field}: {event}"))
}
