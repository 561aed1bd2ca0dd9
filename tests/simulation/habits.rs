//! What a client is like.

use crate::plan::Plan;
use crate::random::Random;
use crate::socket::Luck;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// All at once.
    Prompt,
    /// A few bytes now and then.
    Slow(usize),
    /// Nothing, until it is woken up.
    Stalled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    Close,
    /// A message and a close frame in one segment.
    LastWords,
    EndOfInput,
    /// The socket is closed with whatever is unread.
    Abort,
    Reset,
    Violation,
    /// It is not heard of any more.
    Silence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Member,
    /// Asks for pages.
    Visitor,
    /// Begins a request and never ends it.
    Loris,
    /// Speaks no HTTP.
    Stranger,
}

#[derive(Clone, Debug)]
pub(crate) struct Habits {
    pub(crate) role: Role,
    pub(crate) room: usize,
    pub(crate) reading: Reading,
    pub(crate) answers_pings: bool,
    /// Sends on without waiting for the server's answers.
    pub(crate) eager: bool,
    /// Pages asked for before anything else.
    pub(crate) visits: usize,
    pub(crate) talk: usize,
    pub(crate) burst: usize,
    pub(crate) ping: usize,
    /// Bytes that the network brings in one step.
    pub(crate) pace: usize,
    /// Answers the server's close frame.
    pub(crate) polite: bool,
    pub(crate) leave_at: usize,
    pub(crate) leaving: Leaving,
}

impl Habits {
    pub(crate) fn new(plan: &Plan, random: &mut Random) -> Self {
        let leavings = [
            Leaving::Close,
            Leaving::LastWords,
            Leaving::EndOfInput,
            Leaving::Abort,
            Leaving::Reset,
            Leaving::Violation,
            Leaving::Silence,
        ];
        let role = match random.below(20) {
            0 if !plan.is_steady => Role::Loris,
            1 => Role::Stranger,
            2 | 3 => Role::Visitor,
            _ => Role::Member,
        };
        let reading = match random.below(10) {
            0 if !plan.is_steady => Reading::Stalled,
            1..=3 if !plan.is_steady => Reading::Slow(random.between(1, 600)),
            _ => Reading::Prompt,
        };
        let crowd = plan.clients > 1000;
        let pace = if reading == Reading::Prompt || random.chance(500) {
            usize::MAX
        } else {
            random.between(1, 200)
        };
        Self {
            role,
            room: random.below(plan.rooms),
            reading,
            answers_pings: !random.chance(100),
            eager: random.chance(500),
            visits: if random.chance(200) {
                random.between(1, 3)
            } else {
                0
            },
            talk: if crowd {
                5
            } else {
                random.pick(&[0, 50, 200, 500])
            },
            burst: if crowd {
                2
            } else {
                random.pick(&[1, 1, 3, 20])
            },
            ping: random.pick(&[0, 0, 50, 300]),
            pace,
            polite: !random.chance(150),
            leave_at: if random.chance(500) {
                random.between(1, plan.steps)
            } else {
                usize::MAX
            },
            leaving: random.pick(&leavings),
        }
    }

    /// Makes it a member that says nothing and stays.
    pub(crate) fn listen(&mut self, reads: bool) {
        self.role = Role::Member;
        self.reading = if reads {
            Reading::Prompt
        } else {
            Reading::Stalled
        };
        (self.visits, self.talk, self.ping, self.leave_at) = (0, 0, 0, usize::MAX);
    }

    /// How the kernel treats this client's connection.
    pub(crate) fn luck(&self, random: &mut Random) -> Luck {
        let mut often = || random.pick(&[0, 20, 200, 600]);
        let mut luck = Luck {
            short_read: often(),
            short_write: often(),
            no_read: often() / 2,
            no_write: often() / 2,
            interrupted: often() / 4,
            capacity: usize::MAX,
            keeps: often() > 0,
        };
        if self.reading == Reading::Prompt {
            luck.no_write = 0;
        } else {
            luck.capacity = random.between(1, 2000);
        }
        luck
    }
}
