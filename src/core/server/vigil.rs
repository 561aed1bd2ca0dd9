//! What the server says of values by itself: that nothing came after one in time, that something has come after all or the
//! value was removed, and that one has ended.
//!
//! Each is published like any message, under an id that all servers on one log give it: where several say it, it is published
//! once. What the log does not take is said again.

use crate::codec::json::condition::Condition;
use crate::core::budget::cost;
use crate::core::chat::{Author, Content, Draft, Overdue, PublishError, RoomId, Sender, Verdict};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::publish::Submitted;
use crate::core::stream::Stream;

/// The name under which the server says it.
const NAME: &str = "parlor";

impl<S: Stream> Server<S> {
    /// Says what is due of values, as much as the budget allows, and asks for rooms in which something is.
    pub(super) fn say_what_is_due(&mut self, now: Now) {
        if !self.looks_at_values() {
            return;
        }
        while self.budget.is_left()
            && let Some(overdue) = self.chat.take_overdue(now.ms)
        {
            self.budget.spend(cost::LOOKUP);
            if let Some(overdue) = overdue {
                self.budget.spend(cost::MESSAGE);
                self.say(&overdue, now);
            }
        }
        while self.budget.is_left()
            && let Some(room) = self.chat.take_wake(now.ms)
        {
            self.budget.spend(cost::LOOKUP);
            self.readiness(&room, now);
        }
    }

    /// When something is due of a value next.
    pub(super) fn next_vigil_ms(&self) -> Option<u64> {
        self.chat.next_vigil_ms().filter(|_| self.looks_at_values())
    }

    /// A server that ends, or that another takes the place of, leaves it to the next.
    fn looks_at_values(&self) -> bool {
        !self.is_held && !self.drain.is_begun()
    }

    fn say(&mut self, overdue: &Overdue, now: Now) {
        let Overdue {
            room, key, offset, ..
        } = overdue;
        let alarm = format!("alarm.{key}");
        let (key, label, body) = match overdue.verdict {
            Verdict::Silent => (&*alarm, "silent", raised(*offset)),
            Verdict::Heard => (&*alarm, "heard", r#"{"alarm":"cleared"}"#.to_owned()),
            Verdict::Removed => (&*alarm, "removed", r#"{"alarm":"cleared"}"#.to_owned()),
            // A value that is on its way to the log would be removed by what is said behind it.
            Verdict::Ended if self.waits_for_value(*room, key) => return,
            Verdict::Ended => (&**key, "ended", "null".to_owned()),
        };
        // Another value that the log has taken meanwhile, at another node, is not removed.
        let condition = (overdue.verdict == Verdict::Ended).then_some(Condition::Offset {
            offset: *offset,
            epoch: None,
        });
        let draft = Draft {
            author: &Author::stored(0, NAME),
            owner: &overdue.owner,
            content: Content::Json,
            body: body.as_bytes(),
            key: Some(key),
            retain: true,
            ephemeral: false,
            dedup: Some((&format!("{label} {offset}"), &Sender::Server)),
            file: None,
            imported: None,
            condition,
            freshness: Default::default(),
        };
        match self.submit_in_any_case(*room, draft, now) {
            Ok(Submitted::Published(_)) => self.chat.on_said(overdue),
            // It is looked at again, and then it is known whether it was published.
            Ok(Submitted::Waiting(_)) => {}
            Err(error) => log::debug!("cannot say that a value is {label}: {error:?}"),
        }
    }

    /// An alarm for whose state there is no place is told to those who are there.
    fn submit_in_any_case(
        &mut self,
        room: RoomId,
        mut draft: Draft<'_>,
        now: Now,
    ) -> Result<Submitted, PublishError> {
        match self.submit(room, &draft, now) {
            Err(PublishError::TooManyKeys | PublishError::NoMemory) => {
                draft.retain = false;
                self.submit(room, &draft, now)
            }
            result => result,
        }
    }

    /// Counts what this server or another has said of a value.
    pub(super) fn count_if_said(&mut self, draft: &Draft<'_>) {
        if let Some((id, Sender::Server)) = draft.dedup
            && let Some((label, _)) = id.split_once(' ')
        {
            self.counters.count_said(label);
        }
    }

    fn waits_for_value(&self, room: RoomId, key: &str) -> bool {
        let (waits, looked_at) = self.waiting.has_value(room, key);
        self.budget.spend(cost::SCAN * looked_at as u64);
        waits
    }
}

/// The alarm that nothing came after an offset.
fn raised(after: u64) -> String {
    format!(r#"{{"alarm":"raised","text":"silent","severity":"warning","silent_after":{after}}}"#)
}
