//! What can go wrong with a Redis, and with the way to it.

use super::data::Data;
use super::{RedisModel, State};

/// What a Redis has that starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    All,
    Nothing,
    /// What it had when [`RedisModel::save`] was called last: a disk that was not written since, or a replica that was behind.
    Saved,
}

impl RedisModel {
    /// Whoever connects from now on has to show this password.
    pub(crate) fn require(&mut self, password: &str) {
        self.password = Some(password.into());
    }

    /// Remembers all keys, to go back to them.
    pub(crate) fn save(&mut self) {
        self.saved.push(self.data.clone());
    }

    /// The process ends: connections break, and nobody can connect.
    pub(crate) fn stop(&mut self) {
        self.state = State::Down;
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            self.end(id);
        }
    }

    /// The process starts again. It knows no functions, and numbers its connections anew.
    pub(crate) fn start(&mut self, kept: Kept) {
        self.stop();
        match kept {
            Kept::All => {}
            Kept::Nothing => self.data = Data::default(),
            Kept::Saved => self.data = self.saved.last().cloned().unwrap_or_default(),
        }
        self.scripts.forget_all();
        self.next_id = 1;
        self.run += 1;
        self.state = State::Up;
    }

    /// Nothing moves until it is continued.
    pub(crate) fn pause(&mut self) {
        self.state = State::Stopped;
    }

    /// It is as it should be again.
    pub(crate) fn resume(&mut self) {
        self.state = State::Up;
    }

    /// It is up, and whatever held it or a connection up is over.
    pub(crate) fn heal(&mut self) {
        self.resume();
        for connection in self.connections.values_mut() {
            connection.is_stalled = false;
        }
    }

    /// It says that it reads its data, until it is resumed.
    pub(crate) fn load(&mut self) {
        self.state = State::Loading;
    }

    /// It takes no writes, until it is resumed: another one is the master.
    pub(crate) fn demote(&mut self) {
        self.state = State::Replica;
    }

    /// So many of the next messages to subscribers are lost, each to one of them.
    pub(crate) fn lose_messages(&mut self, count: usize) {
        self.to_lose = count;
    }

    /// One connection breaks, somewhere in what it was to be sent.
    pub(crate) fn cut_one(&mut self) {
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let id = self.random.pick(&ids);
        if let Some(connection) = self.connections.get_mut(&id) {
            let count = self.random.below(connection.output.len() + 1);
            if let Some(link) = &connection.link {
                link.borrow_mut().arrive(connection.output.drain(..count));
            }
        }
        self.end(id);
    }

    /// Nothing arrives any more on one connection, in neither direction, until it is cut.
    pub(crate) fn stall_one(&mut self) {
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        if !ids.is_empty()
            && let Some(connection) = self.connections.get_mut(&self.random.pick(&ids))
        {
            connection.is_stalled = true;
        }
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Ends a connection, if there is such a one. What has arrived at the node can be read yet.
    pub(super) fn end(&mut self, id: u64) -> bool {
        let Some(connection) = self.connections.remove(&id) else {
            return false;
        };
        if let Some(link) = connection.link {
            link.borrow_mut().close();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};

    use super::*;
    use crate::redis_model::resp::{Reply, write_command};
    use crate::socket::{Luck, Socket};

    const FAIR: Luck = Luck {
        short_read: 0,
        short_write: 0,
        no_read: 0,
        no_write: 0,
        interrupted: 0,
        capacity: usize::MAX,
        keeps: false,
    };

    /// A node's end, and what was read there.
    struct Peer {
        socket: Socket,
        input: Vec<u8>,
    }

    impl Peer {
        fn new(redis: &mut RedisModel) -> Self {
            Self {
                socket: redis.connect().unwrap(),
                input: Vec::new(),
            }
        }

        fn send(&mut self, command: &str) {
            let words: Vec<&str> = command.split(' ').collect();
            let mut bytes = Vec::new();
            write_command(&words, &mut bytes);
            self.socket.write_all(&bytes).unwrap();
        }

        /// The replies that have come, and whether the connection goes on.
        fn take(&mut self) -> (Vec<Reply>, bool) {
            let mut buffer = [0; 4096];
            let goes_on = loop {
                match self.socket.read(&mut buffer) {
                    Ok(0) => break false,
                    Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                    Err(error) => break error.kind() == ErrorKind::WouldBlock,
                }
            };
            let mut replies = Vec::new();
            while let Some((reply, length)) = Reply::parse(&self.input) {
                self.input.drain(..length);
                replies.push(reply);
            }
            (replies, goes_on)
        }

        fn ask(&mut self, redis: &mut RedisModel, command: &str) -> Reply {
            self.send(command);
            while redis.has_work() {
                redis.step(1_000);
            }
            let (replies, goes_on) = self.take();
            assert!(goes_on && replies.len() == 1, "{command}: {replies:?}");
            replies.into_iter().next().unwrap()
        }
    }

    fn redis() -> RedisModel {
        RedisModel::new(1, FAIR)
    }

    fn settle(redis: &mut RedisModel) {
        while redis.has_work() {
            redis.step(1_000);
        }
    }

    fn bulk(text: &str) -> Reply {
        Reply::bulk(text)
    }

    #[test]
    fn what_is_kept_over_a_start_is_what_was_asked_for() {
        for (kept, expected) in [
            (Kept::All, bulk("new")),
            (Kept::Saved, bulk("old")),
            (Kept::Nothing, Reply::Nil),
        ] {
            let mut redis = redis();
            let mut peer = Peer::new(&mut redis);
            peer.ask(&mut redis, "SET a old");
            redis.save();
            peer.ask(&mut redis, "SET a new");
            peer.ask(&mut redis, "SCRIPT LOAD return");
            redis.stop();
            assert!(!peer.take().1 && redis.connect().is_err());
            redis.start(kept);
            let mut peer = Peer::new(&mut redis);
            assert_eq!(peer.ask(&mut redis, "GET a"), expected, "{kept:?}");
            assert_eq!(peer.ask(&mut redis, "CLIENT ID"), Reply::Integer(1));
            let name = super::super::name_of(b"return");
            let reply = peer.ask(&mut redis, &format!("EVALSHA {name} 0"));
            assert_eq!(reply, Reply::error(super::super::NOSCRIPT));
        }
    }

    #[test]
    fn a_key_ends_by_the_clock_of_redis() {
        let mut redis = redis();
        let mut peer = Peer::new(&mut redis);
        peer.ask(&mut redis, "SET a 1 PX 500");
        peer.send("GET a");
        redis.step(1_499);
        settle(&mut redis);
        redis.step(1_500);
        peer.send("GET a");
        redis.step(1_500);
        settle(&mut redis);
        assert_eq!(peer.take().0, [bulk("1"), Reply::Nil]);
    }

    #[test]
    fn a_cut_leaves_a_part_of_what_was_said() {
        let mut parts = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut redis = RedisModel::new(seed, FAIR);
            let mut peer = Peer::new(&mut redis);
            peer.ask(&mut redis, "SET a 0123456789");
            redis.data.pass(1_000);
            peer.send("GET a");
            // As in a step, but for the write.
            redis.read(1);
            let words = redis.next_command(1).unwrap();
            redis.run_command(1, &words);
            redis.cut_one();
            let (replies, goes_on) = peer.take();
            assert!(!goes_on && redis.connections() == 0);
            parts.insert(if replies.is_empty() {
                peer.input.len()
            } else {
                17
            });
        }
        assert!(
            parts.len() > 10 && parts.contains(&0) && parts.contains(&17),
            "{parts:?}"
        );
    }

    #[test]
    fn nothing_moves_while_it_is_stopped_or_a_connection_stalls() {
        let mut redis = redis();
        let mut peer = Peer::new(&mut redis);
        redis.pause();
        peer.send("PING");
        redis.step(1_000);
        assert!(!redis.has_work());
        assert_eq!(peer.take(), (vec![], true));
        redis.resume();
        settle(&mut redis);
        assert_eq!(peer.take().0, [Reply::Simple("PONG".into())]);
        redis.stall_one();
        peer.send("PING");
        redis.step(1_000);
        assert_eq!(peer.take(), (vec![], true));
        redis.cut_one();
        assert!(!peer.take().1);
    }

    #[test]
    fn a_message_that_is_lost_comes_to_one_subscriber_less() {
        let mut redis = redis();
        let mut hearers = [Peer::new(&mut redis), Peer::new(&mut redis)];
        let mut speaker = Peer::new(&mut redis);
        for hearer in &mut hearers {
            hearer.ask(&mut redis, "SSUBSCRIBE c");
        }
        redis.lose_messages(1);
        for word in ["one", "two"] {
            let reply = speaker.ask(&mut redis, &format!("SPUBLISH c {word}"));
            assert_eq!(reply, Reply::Integer(2));
        }
        let heard = hearers.each_mut().map(|it| it.take().0.len());
        assert_eq!(heard, [1, 2]);
    }

    #[test]
    fn one_that_loads_or_is_a_replica_says_so() {
        let mut redis = redis();
        let mut peer = Peer::new(&mut redis);
        let is_error = |reply: &Reply, word: &str| {
            assert!(
                matches!(reply, Reply::Error(text) if text.starts_with(word)),
                "{reply:?}"
            );
        };
        redis.load();
        is_error(&peer.ask(&mut redis, "GET a"), "LOADING ");
        redis.demote();
        is_error(&peer.ask(&mut redis, "SET a 1"), "READONLY ");
        assert_eq!(peer.ask(&mut redis, "GET a"), Reply::Nil);
        redis.resume();
        assert_eq!(peer.ask(&mut redis, "SET a 1"), Reply::ok());
    }

    #[test]
    fn who_shows_no_password_is_told_nothing() {
        let mut redis = redis();
        redis.require("secret");
        let mut peer = Peer::new(&mut redis);
        for (command, expected) in [
            ("GET a", "-NOAUTH Authentication required."),
            (
                "AUTH wrong",
                "-WRONGPASS invalid username-password pair or user is disabled.",
            ),
            ("AUTH default secret", "+OK"),
            ("GET a", "$-1"),
        ] {
            let mut bytes = Vec::new();
            peer.ask(&mut redis, command).write(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap().trim_end(), expected);
        }
    }

    #[test]
    fn a_connection_that_is_killed_is_gone_and_what_it_has_sent_is_not_carried_out() {
        let mut redis = redis();
        let (mut old, mut new) = (Peer::new(&mut redis), Peer::new(&mut redis));
        assert_eq!(old.ask(&mut redis, "CLIENT ID"), Reply::Integer(1));
        redis.connections.get_mut(&1).unwrap().is_stalled = true;
        old.send("SET a late");
        assert_eq!(new.ask(&mut redis, "CLIENT KILL ID 1"), Reply::Integer(1));
        assert_eq!(new.ask(&mut redis, "CLIENT KILL ID 1"), Reply::Integer(0));
        assert_eq!(new.ask(&mut redis, "CLIENT KILL ID 2"), Reply::Integer(0));
        assert!(!old.take().1);
        assert_eq!(new.ask(&mut redis, "GET a"), Reply::Nil);
    }
}
