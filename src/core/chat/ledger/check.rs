//! What holds of the ledger between any two calls.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::core::chat::ledger::Ledger;
use crate::core::chat::ledger::entry::{Dormant, OwnedMessages, OwnerId, class};
use crate::core::ensure::ensure;

/// What the rooms hold, and for whom, as they know it themselves.
#[derive(Debug, Default)]
pub(in crate::core::chat) struct Contents {
    /// The room, who began it, where the ledger has it if nobody is in it, and whether it has state.
    pub(in crate::core::chat) rooms: Vec<(usize, OwnerId, Option<Dormant>, bool)>,
    /// The room, whose messages, and how many bytes.
    pub(in crate::core::chat) messages: Vec<(usize, OwnerId, OwnedMessages)>,
    /// Whose values, and how many bytes.
    pub(in crate::core::chat) state: Vec<(OwnerId, usize)>,
}

/// What is counted for one owner.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    rooms: usize,
    message_bytes: usize,
    state_bytes: usize,
}

impl Ledger {
    /// Checks that what is counted is what the rooms hold.
    pub(in crate::core::chat) fn check(&self, contents: &Contents) -> Result<(), String> {
        let mut sums: BTreeMap<OwnerId, Sum> = BTreeMap::new();
        for &(room, owner, dormant, has_state) in &contents.rooms {
            sums.entry(owner).or_default().rooms += 1;
            let is_listed = dormant.is_none_or(|it| {
                let rooms = &self.account(owner).dormant[usize::from(it.has_state)];
                it.has_state == has_state && rooms.contains(&(it.used, room))
            });
            ensure(is_listed, "a room that nobody is in is not in the ledger")?;
        }
        for &(room, owner, owned) in &contents.messages {
            sums.entry(owner).or_default().message_bytes += owned.bytes;
            let rooms = &self.account(owner).messages;
            let is_listed =
                rooms.get(&(Reverse(class(owned.bytes)), owned.classed_at)) == Some(&room);
            ensure(is_listed, "somebody's messages are not in the ledger")?;
        }
        for &(owner, bytes) in &contents.state {
            sums.entry(owner).or_default().state_bytes += bytes;
        }
        let total = |field: fn(&Sum) -> usize| sums.values().map(field).sum::<usize>();
        ensure(
            (self.message_bytes, self.state_bytes)
                == (total(|it| it.message_bytes), total(|it| it.state_bytes)),
            "the histories are miscounted",
        )?;
        for (index, account) in &self.accounts {
            let id = OwnerId(index as u32);
            let counted = Sum {
                rooms: account.rooms,
                message_bytes: account.message_bytes,
                state_bytes: account.state_bytes,
            };
            ensure(
                counted == sums.remove(&id).unwrap_or_default(),
                "somebody is counted what is not theirs",
            )?;
            self.check_indexes(id)?;
            ensure(
                id == OwnerId::OTHERS || account.is_idle || !account.holds_nothing(),
                "an account will never be closed",
            )?;
        }
        ensure(sums.is_empty(), "something is nobody's")
    }

    fn check_indexes(&self, id: OwnerId) -> Result<(), String> {
        let account = self.account(id);
        let bytes = account.message_bytes;
        let is_right = self.by_messages.contains(&(class(bytes), id)) == (bytes > 0)
            && self.by_state.contains(&(account.state_bytes, id)) == (account.state_bytes > 0)
            && (0..2).all(|which| {
                let count = account.dormant[which].len();
                self.by_rooms[which].contains(&(count, id)) == (count > 0)
            });
        ensure(is_right, "it is not known who has most")
    }
}
