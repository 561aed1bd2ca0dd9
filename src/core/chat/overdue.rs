//! What is to be said of values that must keep coming, and of values that end.
//!
//! What was told is known from the state of the alarm: it names the value after which nothing came. So a server that begins
//! with what a store has kept, or another node, tells no silence twice.

use std::rc::Rc;

use crate::codec::freshness::ALARM_PREFIX;
use crate::core::chat::Chat;
use crate::core::chat::alarm;
use crate::core::chat::format::RoomId;
use crate::core::chat::owner::Owner;
use crate::core::chat::vigil::Vigil;

/// What is to be said of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Verdict {
    /// Nothing has come after it in time.
    Silent,
    /// Something has come after all.
    Heard,
    /// It has ended.
    Ended,
    /// It is told to be silent, and was removed: nothing is expected any more.
    Removed,
}

/// A value of which something is to be said.
#[derive(Debug)]
pub(in crate::core) struct Overdue {
    pub(in crate::core) room: RoomId,
    pub(in crate::core) key: Rc<str>,
    /// That of the last message with its key, of the value itself if it has ended, or after which nothing came if it was removed.
    pub(in crate::core) offset: u64,
    pub(in crate::core) verdict: Verdict,
    /// Whom it is counted for.
    pub(in crate::core) owner: Owner,
}

impl Chat {
    /// Looks at the next value whose time has come. `None`: there is none; `Some(None)`: nothing is to be said of it.
    pub(in crate::core) fn take_overdue(&mut self, now_ms: u64) -> Option<Option<Overdue>> {
        let (room, key, is_taken) = self.deadlines.take(now_ms)?;
        if is_taken && let Some(vigil) = self.vigil_mut(room, &key) {
            vigil.on_taken();
        }
        Some(self.look(room, key, now_ms))
    }

    fn vigil_mut(&mut self, room: usize, key: &str) -> Option<&mut Vigil> {
        self.rooms.get_mut(room)?.history.retained.vigil_mut(key)
    }

    /// What is to be said of a value now. It is looked at again in case that does not succeed.
    fn look(&mut self, index: usize, key: Rc<str>, now_ms: u64) -> Option<Overdue> {
        let retained = &self.rooms.get(index)?.history.retained;
        let value = retained.get(&key).zip(retained.vigil(&key).copied());
        let Some((kept, mut vigil)) = value else {
            return self.look_at_removed(index, key, now_ms);
        };
        let alarm = retained.get(&format!("{ALARM_PREFIX}{key}"));
        let silence = alarm.and_then(|kept| alarm::silence(&kept.view()));
        if silence.is_some_and(|it| it.after == vigil.heard) {
            vigil.on_told(vigil.heard);
        }
        if alarm.is_some_and(|kept| alarm::is_of_others(&kept.view()))
            && vigil.silent_ms() <= now_ms
        {
            // It is not replaced by one that says less.
            vigil.on_told(vigil.heard);
        }
        let is_free = vigil.is_free(now_ms);
        let said = if !is_free {
            None
        } else if silence.is_some_and(|it| it.is_open && it.after < vigil.heard) {
            Some((Verdict::Heard, vigil.heard))
        } else if vigil.silent_ms() <= now_ms {
            Some((Verdict::Silent, vigil.heard))
        } else if vigil.ends_ms() <= now_ms {
            Some((Verdict::Ended, kept.offset))
        } else {
            None
        };
        let owner = self.ledger.owner(kept.owner).cloned();
        if is_free {
            vigil.on_looked_at(said.is_some(), now_ms);
        }
        self.deadlines.list(index, &key, &mut vigil);
        if let Some(it) = self.vigil_mut(index, &key) {
            *it = vigil;
        }
        let (verdict, offset) = said?;
        Some(Overdue {
            room: self.id_of(index),
            key,
            offset,
            verdict,
            owner: owner.unwrap_or_else(Owner::this_machine),
        })
    }

    /// What is to be said of a key without a value: that it is not silent any more, if an alarm still says so.
    fn look_at_removed(&mut self, index: usize, key: Rc<str>, now_ms: u64) -> Option<Overdue> {
        let retained = &self.rooms.get(index)?.history.retained;
        let alarm = retained.get(&format!("{ALARM_PREFIX}{key}"))?;
        let silence = alarm::silence(&alarm.view()).filter(|it| it.is_open)?;
        let owner = self.ledger.owner(alarm.owner).cloned();
        self.deadlines.look_again(index, &key, now_ms);
        Some(Overdue {
            room: self.id_of(index),
            key,
            offset: silence.after,
            verdict: Verdict::Removed,
            owner: owner.unwrap_or_else(Owner::this_machine),
        })
    }

    /// What was to be said of a value is said.
    pub(in crate::core) fn on_said(&mut self, said: &Overdue) {
        if self.get(said.room).is_some()
            && let Some(vigil) = self.vigil_mut(said.room.index, &said.key)
        {
            vigil.on_said();
            if said.verdict == Verdict::Silent {
                vigil.on_told(said.offset);
            }
        }
    }

    /// How many values of all rooms are to be looked at some time.
    pub(in crate::core) fn vigil_count(&self) -> usize {
        self.deadlines.count()
    }
}
