//! The channels that are wanted, where they are asked for, and how far that is.

use std::collections::BTreeMap;

use crate::core::redis::partition::Slot;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Wanted,
    /// A server is asked for it.
    Asked(usize),
    /// The server says what comes, and that was not told yet.
    Taken(usize),
    Heard(usize),
}

impl State {
    fn server(self) -> Option<usize> {
        match self {
            Self::Wanted => None,
            Self::Asked(server) | Self::Taken(server) | Self::Heard(server) => Some(server),
        }
    }
}

#[derive(Debug)]
struct Channel {
    slot: Slot,
    state: State,
}

#[derive(Debug, Default)]
pub(super) struct Channels {
    all: BTreeMap<Box<str>, Channel>,
    /// Those that were given up at a server, and how often it has not confirmed that yet.
    given_up: BTreeMap<(usize, Box<str>), u32>,
}

/// Channels that are not heard any more.
pub(super) type Silent = Vec<Box<str>>;

impl Channels {
    pub(super) fn want(&mut self, channel: &str, slot: Slot) {
        let state = State::Wanted;
        self.all.insert(channel.into(), Channel { slot, state });
    }

    /// A channel is not wanted any more. Gives the server where it is to be given up.
    pub(super) fn forget(&mut self, channel: &str) -> Option<usize> {
        self.all.remove(channel)?.state.server()
    }

    /// A server was told to say nothing more of a channel.
    pub(super) fn on_given_up(&mut self, server: usize, channel: &str) {
        *self.given_up.entry((server, channel.into())).or_default() += 1;
    }

    /// The channels that nobody is asked for.
    pub(super) fn wanted(&self) -> Vec<(Box<str>, Slot)> {
        let wanted = self.all.iter();
        let wanted = wanted.filter(|(_, channel)| channel.state == State::Wanted);
        wanted
            .map(|(name, channel)| (name.clone(), channel.slot))
            .collect()
    }

    /// A server is asked for a channel.
    pub(super) fn on_asked(&mut self, channel: &str, server: usize) {
        self.set(channel, State::Asked(server));
    }

    /// A server says what comes from now on.
    pub(super) fn on_taken(&mut self, channel: &str, server: usize) {
        if self.server_of(channel) == Some(server) {
            self.set(channel, State::Taken(server));
        }
    }

    fn set(&mut self, name: &str, state: State) {
        if let Some(channel) = self.all.get_mut(name) {
            channel.state = state;
        }
    }

    fn server_of(&self, channel: &str) -> Option<usize> {
        self.all.get(channel)?.state.server()
    }

    /// Whether what a server says on a channel is what is listened to.
    pub(super) fn is_from(&self, channel: &str, server: usize) -> bool {
        self.server_of(channel) == Some(server)
    }

    /// A server says nothing more of a channel. Says whether that is to be told: nobody has asked for it.
    pub(super) fn on_ended(&mut self, channel: &str, server: usize) -> bool {
        let name = (server, Box::from(channel));
        if let Some(count) = self.given_up.get_mut(&name) {
            *count -= 1;
            if *count == 0 {
                self.given_up.remove(&name);
            }
            return false;
        }
        let is_ended = self.is_from(channel, server);
        if is_ended {
            self.set(channel, State::Wanted);
        }
        is_ended
    }

    /// The channels that are heard now, and were not before, of the slots of which this is so.
    pub(super) fn take_heard(&mut self, is_of_use: impl Fn(Slot) -> bool) -> Vec<Box<str>> {
        let mut heard = Vec::new();
        for (name, channel) in &mut self.all {
            if let State::Taken(server) = channel.state
                && is_of_use(channel.slot)
            {
                channel.state = State::Heard(server);
                heard.push(name.clone());
            }
        }
        heard
    }

    /// A server does not take the channels of a slot: they are to be asked for again.
    pub(super) fn on_refused(&mut self, slot: Slot, server: usize) {
        for channel in self.all.values_mut() {
            if channel.slot == slot && channel.state == State::Asked(server) {
                channel.state = State::Wanted;
            }
        }
    }

    /// The connection to a server has ended. Gives what was heard there.
    pub(super) fn on_lost(&mut self, server: usize) -> Silent {
        self.given_up.retain(|(it, _), _| *it != server);
        let leavers = self.leave(|_, at| at == server);
        let heard = leavers.into_iter().filter(|(_, _, is_heard)| *is_heard);
        heard.map(|(name, ..)| name).collect()
    }

    /// Slots have other masters. Gives the channels that are to be given up, where, and whether they were heard.
    pub(super) fn follow(
        &mut self,
        master_of: impl Fn(Slot) -> Option<usize>,
    ) -> Vec<(Box<str>, usize, bool)> {
        self.leave(|slot, at| master_of(slot) != Some(at))
    }

    fn leave(&mut self, is_left: impl Fn(Slot, usize) -> bool) -> Vec<(Box<str>, usize, bool)> {
        let mut left = Vec::new();
        for (name, channel) in &mut self.all {
            let Some(server) = channel.state.server() else {
                continue;
            };
            if is_left(channel.slot, server) {
                let is_heard = matches!(channel.state, State::Heard(_));
                channel.state = State::Wanted;
                left.push((name.clone(), server, is_heard));
            }
        }
        left
    }
}
