//! What the model knows of one connection.

use std::collections::{BTreeMap, VecDeque};

use crate::model::Checked;
use crate::plan::Plan;

/// How a connection ended, as the server has read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The client's close frame, with its code.
    Close(Option<u16>),
    /// The client broke the protocol; with the code to answer.
    Violation(u16),
    /// A request after which the server closes.
    LastRequest,
    /// The client's side ended.
    EndOfInput,
    /// The connection broke.
    Broken,
}

#[derive(Clone, Debug)]
pub(crate) struct Join {
    pub(crate) room: usize,
    pub(crate) may_succeed: bool,
    pub(crate) may_fail: bool,
}

#[derive(Clone, Debug)]
struct Expected {
    status: u16,
    closes: bool,
    /// The server was full when it read the request.
    is_full: bool,
}

#[derive(Debug)]
pub(crate) struct Record {
    /// Reads all that comes at once, over a connection that takes all at once.
    pub(crate) is_prompt: bool,
    pub(crate) answers_pings: bool,
    pub(crate) join: Option<Join>,
    /// 101 has come.
    pub(crate) upgraded: bool,
    /// Where in its room's order it is.
    pub(crate) cursor: usize,
    /// Where the order is not that of reading: its own messages that have been read and have not come back.
    pub(crate) said: VecDeque<usize>,
    pub(crate) last_seen: Option<usize>,
    /// The last message seen of each sender.
    pub(crate) latest_of: BTreeMap<usize, usize>,
    pub(crate) ended: Option<Ended>,
    pub(crate) ended_ms: u64,
    /// The frame that ended it was read to its end.
    pub(crate) is_end_complete: bool,
    /// The server has closed the socket.
    pub(crate) is_gone: bool,
    /// What it had written last is lost.
    pub(crate) was_overtaken: bool,
    is_refused: bool,
    /// Let in only to be told that the server is full.
    pub(crate) came_when_full: bool,
    /// What had been said in its room when it ended.
    pub(crate) until: usize,
    pub(crate) pings_owed: VecDeque<Vec<u8>>,
    /// More pings were waiting than the server keeps.
    pub(crate) pongs_may_be_dropped: bool,
    pub(crate) close_seen: Option<Option<u16>>,
    /// When it was let in, or its last request was read.
    pub(crate) ready_ms: u64,
    longest_wait_ms: u64,
    /// When the server last read from it.
    last_input_ms: u64,
    silence_ms: u64,
    responses: VecDeque<Expected>,
    /// A response has said that it is the last.
    pub(crate) last_response_seen: bool,
}

/// More than this many pings that wait may go unanswered. One place less than the server has: its own ping takes one,
/// and those for a peer that talks and does not read take more.
const PINGS_KEPT: usize = 15;

impl Record {
    pub(crate) fn new(is_prompt: bool, answers_pings: bool, now: u64) -> Self {
        Self {
            is_prompt,
            answers_pings,
            join: None,
            upgraded: false,
            cursor: 0,
            said: VecDeque::new(),
            last_seen: None,
            latest_of: BTreeMap::new(),
            ended: None,
            ended_ms: 0,
            is_end_complete: false,
            is_gone: false,
            was_overtaken: false,
            is_refused: false,
            came_when_full: false,
            until: 0,
            pings_owed: VecDeque::new(),
            pongs_may_be_dropped: false,
            close_seen: None,
            ready_ms: now,
            longest_wait_ms: 0,
            last_input_ms: now,
            silence_ms: 0,
            responses: VecDeque::new(),
            last_response_seen: false,
        }
    }

    /// The server has no reason to give it up as dead.
    pub(crate) fn is_surely_heard(&self, plan: &Plan) -> bool {
        !plan.pings || (self.is_prompt && self.answers_pings && !plan.jumps)
    }

    /// A request has come; if it comes too late, it may be past the answer that says so.
    pub(crate) fn on_request(&mut self, now: u64) {
        self.longest_wait_ms = self.longest_wait_ms.max(now - self.ready_ms);
        self.ready_ms = now;
    }

    /// Bytes have come.
    pub(crate) fn on_input(&mut self, now: u64) {
        self.silence_ms = self.longest_silence(now);
        self.last_input_ms = now;
    }

    pub(crate) fn longest_silence(&self, now: u64) -> u64 {
        self.silence_ms.max(now - self.last_input_ms)
    }

    /// Nothing but its own doing can have ended its membership.
    pub(crate) fn is_surely_member(&self, plan: &Plan) -> bool {
        let is_in = self
            .join
            .as_ref()
            .is_some_and(|join| join.may_succeed && (!join.may_fail || self.upgraded));
        let keeps_up = self.is_prompt || plan.has_roomy_queues;
        is_in
            && self.ended.is_none()
            && self.close_seen.is_none()
            && keeps_up
            && self.is_surely_heard(plan)
            && !plan.is_memory_tight
    }

    /// Waits for no response.
    pub(crate) fn is_answered(&self) -> bool {
        self.responses.is_empty() && (self.join.is_none() || self.upgraded || self.is_refused)
    }

    pub(crate) fn may_be_member(&self) -> bool {
        self.join.as_ref().is_some_and(|join| join.may_succeed) && !self.is_gone
    }

    pub(crate) fn expect_status(&mut self, status: u16, closes: bool, is_full: bool, now: u64) {
        self.responses.push_back(Expected {
            status,
            closes,
            is_full,
        });
        if closes || is_full {
            self.ended = Some(Ended::LastRequest);
            self.ended_ms = now;
        }
    }

    pub(crate) fn on_response(
        &mut self,
        status: u16,
        body: &[u8],
        closes: bool,
        plan: &Plan,
        now: u64,
    ) -> Checked {
        if self.last_response_seen {
            return Err(format!("a response ({status}) after the last one"));
        }
        self.last_response_seen = closes;
        let waited = self.longest_wait_ms.max(now - self.ready_ms);
        if status == 408 {
            let least = plan.limits.handshake_timeout.ms().unwrap_or(u64::MAX);
            return check(waited >= least, || format!("408 after {waited} ms"));
        }
        if let Some(expected) = self.responses.pop_front() {
            let status_expected = if expected.is_full {
                503
            } else {
                expected.status
            };
            let closes_expected = expected.closes || expected.is_full;
            check(status == status_expected, || {
                format!("{status} where {status_expected} was expected")
            })?;
            check(!closes || closes_expected, || format!("{status} closes"))?;
            let is_page = status == 200 && !body.is_empty();
            return check(!is_page || body == crate::plan::PAGE, || {
                "the page is damaged".to_owned()
            });
        }
        let Some(join) = &self.join else {
            return Err(format!("a response ({status}) nobody asked for"));
        };
        if self.is_refused {
            // Its frames are taken for requests.
            return check(status == 400, || format!("{status} for frames"));
        }
        self.upgraded = status == 101;
        self.is_refused = status != 101;
        match status {
            101 => check(join.may_succeed, || {
                "101 where a refusal was expected".to_owned()
            }),
            503 => check(join.may_fail, || "refused with 503".to_owned()),
            _ => Err(format!("{status} for an upgrade")),
        }
    }

    pub(crate) fn on_ping(&mut self, payload: &[u8], plan: &Plan) {
        self.pings_owed.push_back(payload.to_vec());
        let others_wait = plan.pings && !self.is_prompt;
        self.pongs_may_be_dropped |= self.pings_owed.len() > PINGS_KEPT || others_wait;
    }

    /// Pongs come in the order of their pings, and all of them as long as not too many wait.
    pub(crate) fn on_pong(&mut self, payload: &[u8]) -> Checked {
        while let Some(owed) = self.pings_owed.pop_front() {
            if owed == payload {
                return Ok(());
            }
            check(self.pongs_may_be_dropped, || {
                format!("the ping {owed:?} was not answered")
            })?;
        }
        Err(format!("a pong nobody asked for: {payload:?}"))
    }
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(otherwise()) }
}
