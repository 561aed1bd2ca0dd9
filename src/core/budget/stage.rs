//! The stages of a tick, and the share of it that each of them has.

use std::fmt;

/// What a tick does, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Taking note of what sockets are ready for.
    #[default]
    Noting,
    /// Taking in what the datagram port has got.
    Datagrams,
    /// Taking new connections in.
    Accepting,
    /// Reading from those who are in no room: TLS handshakes, requests, logins and joins.
    Newcomers,
    /// Reading from those who are in a room, and obeying.
    Members,
    /// Taking what the store has answered.
    Storing,
    /// Acting on deadlines.
    Deadlines,
    /// Ending those whose tokens end.
    Tokens,
    /// Saying which values are late, and which end.
    Values,
    /// Telling rooms who came and who went.
    News,
    /// Forgetting rooms and people whose time has come.
    Forgetting,
    /// Going on with commands that were too much for one turn.
    Listing,
    /// Telling those who fell behind how their rooms are now.
    CatchingUp,
    /// Writing what single connections are told.
    Answering,
    /// Handing out what rooms are told, and writing it.
    Delivering,
    /// Telling everyone that the server ends.
    Draining,
    /// Closing those who hold the most, when the memory is used up.
    Evicting,
    /// Freeing what has ended.
    Closing,
    /// Signing the calls of webhooks.
    Calling,
}

impl Stage {
    pub(super) const COUNT: usize = 19;

    /// All of them, each with its name in the log and its share in hundredths of a tick.
    pub(super) const ALL: [(Self, &str, u64); Self::COUNT] = [
        (Self::Noting, "noting", 3),
        (Self::Datagrams, "datagrams", 5),
        (Self::Accepting, "accepting", 10),
        (Self::Newcomers, "newcomers", 12),
        (Self::Members, "members", 13),
        (Self::Storing, "storing", 8),
        (Self::Deadlines, "deadlines", 4),
        (Self::Tokens, "tokens", 3),
        (Self::Values, "values", 3),
        (Self::News, "news", 3),
        (Self::Forgetting, "forgetting", 2),
        (Self::Listing, "listing", 4),
        (Self::CatchingUp, "catching_up", 5),
        (Self::Answering, "answering", 10),
        (Self::Delivering, "delivering", 10),
        (Self::Draining, "draining", 1),
        (Self::Evicting, "evicting", 1),
        (Self::Closing, "closing", 2),
        (Self::Calling, "calling", 1),
    ];

    /// What all stages before each have together.
    const BEFORE: [u64; Self::COUNT] = {
        let mut before = [0; Self::COUNT];
        let mut index = 1;
        while index < Self::COUNT {
            before[index] = before[index - 1] + Self::ALL[index - 1].2;
            index += 1;
        }
        before
    };

    /// Up to where it may go on, in units of a tick of this `length` of which so many are `spent`: to the end of its own
    /// share, and of what the stages before it have left. If they took too long it has its share all the same.
    pub(super) fn end(self, length: u64, spent: u64) -> u64 {
        let hundredth = length / 100;
        let before = hundredth.saturating_mul(Self::BEFORE[self as usize]);
        let own = hundredth.saturating_mul(Self::ALL[self as usize].2);
        spent.max(before).saturating_add(own)
    }
}

/// A tick that took too long, stage by stage, for the log.
#[derive(Debug)]
pub struct LongTick {
    pub(super) took: [u64; Stage::COUNT],
}

impl fmt::Display for LongTick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: u64 = self.took.iter().sum();
        write!(f, "long tick us={}", all / 1_000)?;
        let stages = Stage::ALL.iter().zip(self.took);
        for ((_, name, _), took) in stages.filter(|(_, took)| *took >= 1_000) {
            write!(f, " {name}={}", took / 1_000)?;
        }
        Ok(())
    }
}
