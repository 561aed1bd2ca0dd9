//! What is known of the chat from the outside, shared by all who take part in it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use parlor::codec::error_code::ErrorCode;
use parlor::core::DatagramResult;
use parlor::limits::RECENT_LINES;
use serde_json::Value;

use super::follower::Asked;
use super::line::Lines;
use super::log::{Draft, Epoch, Log};
use super::names::Names;
use super::plan::ChatPlan;
use super::sprayer::Datagram;
use crate::model::Checked;

/// Messages as a plain member gets them: whether each is text, and its bytes.
pub(crate) type Transcript = Vec<(bool, Vec<u8>)>;

/// Lines that someone at the port for lines has got in one room, and whether they are all there are.
pub(crate) struct Sheet {
    pub(crate) room: usize,
    pub(crate) lines: Vec<String>,
    pub(crate) is_whole: bool,
}

/// What somebody was told, to be compared with what was said when all of that is known.
#[derive(Clone, Debug)]
pub(crate) enum Claim {
    /// The state of all keys after an offset.
    Retained(u64, Vec<u64>),
    /// The newest that are told to who comes in: how many were asked for, of which, and which came.
    Newest(usize, RangeInclusive<u64>, Vec<u64>),
    /// Whether all after an offset was still there, when the room was at the second.
    Recovered(u64, u64, bool),
    /// What fills a gap: of each key the latest, as the state of the key, if that was told, or as a message.
    Filled(Filled),
}

/// A gap, and what has come to fill it.
#[derive(Clone, Debug)]
pub(crate) struct Filled {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) messages: Vec<u64>,
    pub(crate) state: Option<Vec<u64>>,
}

pub(crate) struct Shadow {
    pub(crate) plan: ChatPlan,
    pub(crate) now: u64,
    /// From when to when the clock has jumped last.
    pub(crate) last_jump: Option<(u64, u64)>,
    pub(crate) log: Log,
    pub(crate) names: Names,
    pub(crate) lines: Lines,
    /// By place: the secret by which that person comes back.
    pub(crate) tokens: Vec<Option<String>>,
    /// Whose secrets they are.
    pub(crate) owners: BTreeMap<String, String>,
    /// Datagrams that will have come by the next tick.
    pub(crate) datagrams: Vec<Datagram>,
    /// Messages that came as datagrams, and whether they were taken.
    received: Vec<(usize, bool)>,
    /// The names to which something was said directly.
    pub(crate) directs: Vec<String>,
    claims: Vec<(usize, String, Claim)>,
    /// What plain members have read from their first message on, by room.
    pub(crate) transcripts: Vec<(usize, Transcript)>,
    /// The same of those at the port for lines.
    pub(crate) sheets: Vec<Sheet>,
    /// Witnesses have always been there.
    pub(crate) is_witnessed: bool,
    /// People who have given up a connection, a room or a name.
    pub(crate) departed: BTreeSet<String>,
    /// The server is told to end.
    pub(crate) is_ending: bool,
    /// What happens, if it is to be written down.
    pub(crate) trace: Option<Vec<String>>,
}

impl Shadow {
    pub(crate) fn new(plan: ChatPlan, now: u64) -> Self {
        Self {
            now,
            last_jump: None,
            log: Log::default(),
            names: Names::default(),
            lines: Lines::default(),
            tokens: vec![None; plan.clients],
            owners: BTreeMap::new(),
            datagrams: Vec::new(),
            received: Vec::new(),
            directs: Vec::new(),
            claims: Vec::new(),
            transcripts: Vec::new(),
            sheets: Vec::new(),
            is_witnessed: true,
            departed: BTreeSet::new(),
            is_ending: false,
            trace: None,
            plan,
        }
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("at {}: {}", self.now, line()));
        }
    }

    /// Since when the server may have been done with a connection that is seen to end now: saying goodbye takes it twice
    /// `--close-timeout` at most, but for jumps.
    pub(crate) fn ended_from_ms(&self) -> u64 {
        const GOODBYE_MS: u64 = 3_100;
        let ended_ms = self.now.saturating_sub(GOODBYE_MS);
        match self.last_jump {
            Some((from, to)) if ended_ms <= to => from.saturating_sub(GOODBYE_MS),
            _ => ended_ms,
        }
    }

    pub(crate) fn see(&mut self, room: usize, epoch: &str, event: &Value) -> Checked<u64> {
        self.log.see(room, epoch, event, self.now)
    }

    pub(crate) fn claim(&mut self, room: usize, epoch: &str, claim: Claim) {
        self.claims.push((room, epoch.to_owned(), claim));
    }

    /// The newest offset of an epoch that anyone knows of.
    pub(crate) fn newest(&self, room: usize, epoch: &str) -> Option<u64> {
        self.log.epoch(room, epoch)?.keys().next_back().copied()
    }

    /// Whether `recovered` may be what it is: so exactly when the epoch is the same and the history reaches back.
    pub(crate) fn check_recovered(
        &self,
        room: usize,
        asked: &Asked,
        (epoch, offset): (&str, u64),
        recovered: bool,
    ) -> Checked {
        let was_there = |(known, _): &&(usize, String)| *known == room;
        let is_other = |(_, known): &(usize, String)| known != epoch;
        if self.is_witnessed
            && self.plan.has_witness(room)
            && self.log.epochs.keys().filter(was_there).any(is_other)
        {
            return Err(format!("room {room} has begun anew as {epoch}"));
        }
        let Some((since_epoch, since)) = &asked.since else {
            return if recovered {
                Err("recovered unasked".to_owned())
            } else {
                Ok(())
            };
        };
        let (must, may) = match since_epoch == epoch {
            // A store has all, unless the clock jumps while it works.
            true if self.plan.store.is_some() => (!self.plan.jumps, true),
            true => self.reaches_back(room, epoch, *since, offset, asked.sent_ms),
            false => (false, false),
        };
        if recovered && !may || !recovered && must {
            return Err(format!(
                "recovered: {recovered}, at {epoch}-{offset}, after {asked:?}"
            ));
        }
        Ok(())
    }

    /// Whether a history surely holds, or may hold, all that was said after `since`.
    fn reaches_back(
        &self,
        room: usize,
        epoch: &str,
        since: u64,
        offset: u64,
        sent_ms: u64,
    ) -> (bool, bool) {
        if since >= offset {
            return (since == offset, since == offset);
        }
        let limits = &self.plan.limits;
        if limits.history == 0 {
            return (false, false);
        }
        // So few have pushed out none of each other, whatever their keys.
        let are_few = offset - since <= limits.history as u64;
        let Some(time_ms) = limits.history_time.ms() else {
            return (self.plan.remembers_exactly && are_few, true);
        };
        let oldest = self
            .log
            .epoch(room, epoch)
            .and_then(|said| said.get(&(since + 1)));
        let learned_ms = oldest.map_or(u64::MAX - time_ms, |said| said.learned_ms);
        let said_ms = oldest
            .and_then(|said| said.draft)
            .map_or(0, |draft| self.log.drafts[draft].sent_ms);
        let must = self.plan.remembers_exactly && are_few && said_ms + time_ms > self.now;
        (must, learned_ms + time_ms > sent_ms)
    }

    /// Invents a message; its content begins with its index.
    pub(crate) fn compose(&mut self, draft: Draft) -> usize {
        self.log.drafts.push(draft);
        self.log.drafts.len() - 1
    }

    /// A datagram was taken or dropped, for which there must be a reason.
    pub(crate) fn on_verdict(
        &mut self,
        message: Result<usize, DatagramResult>,
        verdict: DatagramResult,
    ) -> Checked {
        let is_right = match verdict {
            DatagramResult::Refused(ErrorCode::RateLimited) => self.plan.limits.rate > 0,
            DatagramResult::OutOfMemory => self.plan.has_tight_queues && message.is_ok(),
            DatagramResult::RoomBehind => message.is_ok(),
            DatagramResult::Refused(ErrorCode::TooManyKeys) => {
                !self.plan.remembers_exactly
                    && message.is_ok_and(|index| self.log.drafts[index].retain)
            }
            DatagramResult::Taken => message.is_ok(),
            other => message == Err(other),
        };
        if let Ok(index) = message {
            self.received
                .push((index, verdict == DatagramResult::Taken));
        }
        is_right
            .then_some(())
            .ok_or_else(|| format!("a datagram, {message:?}, is {verdict:?}"))
    }

    /// What was taken has been said, and nothing else.
    fn check_received(&self) -> Checked {
        for &(index, is_taken) in &self.received {
            let draft = &self.log.drafts[index];
            if self.is_whole(draft.room) && draft.offsets.is_empty() == is_taken {
                return Err(format!("a datagram, taken: {is_taken}, came to {draft:?}"));
            }
        }
        Ok(())
    }

    /// All that was said there is known at rest.
    pub(crate) fn is_whole(&self, room: usize) -> bool {
        self.is_witnessed && self.plan.has_witness(room)
    }

    /// At rest all that was said is known where there is a witness: what was claimed must be true.
    pub(crate) fn check_claims(&mut self) -> Checked {
        self.log.check_answers(|room| self.is_whole(room))?;
        self.check_received()?;
        for (room, epoch, claim) in std::mem::take(&mut self.claims) {
            let Some(said) = self.log.epoch(room, &epoch).filter(|_| self.is_whole(room)) else {
                continue;
            };
            self.check_claim(said, &claim)
                .map_err(|error| format!("room {room}: {error}"))?;
        }
        let transcripts = std::mem::take(&mut self.transcripts);
        for (room, transcript) in transcripts.iter().filter(|(room, _)| self.is_whole(*room)) {
            self.check_transcript(*room, transcript)?;
        }
        let sheets = std::mem::take(&mut self.sheets);
        sheets.iter().try_for_each(|sheet| self.check_sheet(sheet))
    }

    fn check_claim(&self, said: &Epoch, claim: &Claim) -> Checked {
        let limits = &self.plan.limits;
        let is_exact = self.plan.remembers_exactly && limits.history_time.ms().is_none();
        let is_true = match claim {
            Claim::Retained(upto, told) => self.is_state(told, &self.log.retained(said, *upto)),
            Claim::Newest(count, offsets, told) => {
                let newest = Log::newest(said, offsets, *count, limits.history);
                let are_new = told.iter().all(|offset| offsets.contains(offset));
                told.is_sorted() && are_new && (*told == newest || !is_exact)
            }
            Claim::Recovered(since, upto, recovered) => {
                let is_whole = *since >= Log::forgotten(said, *upto, limits.history);
                let from_store = *recovered && self.plan.store.is_some();
                *recovered == is_whole || !is_exact || from_store
            }
            Claim::Filled(filled) => self.is_filled(said, filled),
        };
        is_true
            .then_some(())
            .ok_or_else(|| format!("this is not so: {claim:?}"))
    }

    /// Whether each key was told once that has changed in a gap, and the state of all others.
    fn is_filled(&self, said: &Epoch, filled: &Filled) -> bool {
        let limits = &self.plan.limits;
        let is_exact = self.plan.remembers_exactly && limits.history_time.ms().is_none();
        let state = self.log.retained(said, filled.to);
        let has_history = limits.history > 0;
        let mut latest = self.log.latest(said, filled.from, filled.to, has_history);
        latest.retain(|offset| filled.state.is_none() || !state.contains(offset));
        let key = |offset: &u64| said.get(offset).map(|it| it.event["key"].clone());
        let told: Vec<_> = filled.messages.iter().map(key).collect();
        let others = state.iter().filter(|offset| !told.contains(&key(offset)));
        let others: Vec<u64> = others.copied().collect();
        let has_state = |told: &Vec<u64>| self.is_state(told, &others);
        (filled.messages == latest || !is_exact) && filled.state.as_ref().is_none_or(has_state)
    }

    /// Whether this may be told as the state of keys: in a small room somebody else's may have taken the place of some.
    fn is_state<T: PartialEq>(&self, told: &[T], state: &[T]) -> bool {
        if self.plan.remembers_exactly {
            return told == state;
        }
        let mut all = state.iter();
        told.iter().all(|one| all.any(|it| it == one))
    }

    /// A plain member gets the state of all keys, and then all that is said, in its order.
    fn check_transcript(&self, room: usize, transcript: &[(bool, Vec<u8>)]) -> Checked {
        if transcript.is_empty() {
            return Ok(());
        }
        let mut epochs = self.log.epochs.iter().filter(|((of, _), _)| *of == room);
        let is_right = epochs.any(|(_, said)| match self.plan.conflates(room) {
            true => is_subsequence(said, transcript),
            false => self.is_state_and_run(said, transcript),
        });
        is_right
            .then_some(())
            .ok_or_else(|| format!("a plain member of room {room} has read something else"))
    }

    /// Whoever reads lines gets the last that were said before they came, and then all that is said, in its order.
    fn check_sheet(&self, sheet: &Sheet) -> Checked {
        let Sheet { room, lines, .. } = sheet;
        let Some(first) = lines.first().filter(|_| self.is_whole(*room)) else {
            return Ok(());
        };
        let mut epochs = self.log.epochs.iter().filter(|((of, _), _)| of == room);
        let is_right = epochs.any(|(_, said)| {
            let said: Vec<String> = said.values().map(Log::line).collect();
            if self.plan.conflates(*room) {
                let mut all = said.iter();
                return lines.iter().all(|line| all.any(|it| it == line));
            }
            // Two that are the same say that a key is removed.
            let mut starts = (0..said.len()).filter(|&start| said[start] == *first);
            let runs_on = |start: usize, lines: &[String]| match sheet.is_whole {
                true => said[start..] == *lines,
                false => said[start..].starts_with(lines),
            };
            if starts.any(|start| runs_on(start, lines)) {
                return true;
            }
            // Of what was said before they came some lines are shown, with and without a key.
            (1..=lines.len().min(2 * RECENT_LINES)).any(|shown| {
                let (shown, live) = lines.split_at(shown);
                (0..=said.len()).any(|start| {
                    let mut earlier = said[..start].iter();
                    runs_on(start, live) && shown.iter().all(|line| earlier.any(|it| it == line))
                })
            })
        });
        is_right
            .then_some(())
            .ok_or_else(|| format!("someone in room {room} has read other lines: {lines:?}"))
    }

    fn is_state_and_run(&self, said: &Epoch, transcript: &[(bool, Vec<u8>)]) -> bool {
        let texts = |offsets: Vec<u64>| -> Transcript {
            let texts = offsets.into_iter();
            let texts = texts.filter_map(|offset| said.get(&offset).map(Log::plain));
            texts.collect()
        };
        let state = |upto| texts(self.log.retained(said, upto));
        let newest = said.keys().next_back().copied().unwrap_or(0);
        // Cut off while the state came.
        let starts = |upto| {
            let mut state = state(upto);
            if self.plan.remembers_exactly {
                state.truncate(transcript.len());
            }
            self.is_state(transcript, &state)
        };
        if (0..=newest).any(starts) {
            return true;
        }
        let last = transcript.last();
        let is_last = |end: &u64| said.get(end).map(Log::plain).as_ref() == last;
        (1..=newest).filter(is_last).any(|end| {
            (1..=end.min(transcript.len() as u64)).any(|run| {
                let start = end + 1 - run;
                let (before, live) = transcript.split_at(transcript.len() - run as usize);
                live == texts((start..=end).collect()) && self.is_state(before, &state(start - 1))
            })
        })
    }
}

fn is_subsequence(said: &Epoch, transcript: &[(bool, Vec<u8>)]) -> bool {
    let mut all = said.values();
    transcript
        .iter()
        .all(|text| all.any(|it| Log::plain(it) == *text))
}
