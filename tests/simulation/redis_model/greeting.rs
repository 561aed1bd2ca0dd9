//! Commands about the connection itself, and what is refused before a command is looked at.

use super::resp::Reply;
use super::{RedisModel, State};

/// What subscribers may say, where they speak RESP2.
const OF_SUBSCRIBERS: [&str; 6] = [
    "SUBSCRIBE",
    "SSUBSCRIBE",
    "UNSUBSCRIBE",
    "SUNSUBSCRIBE",
    "PING",
    "QUIT",
];
/// Commands that a Redis answers whatever state it is in.
const ALWAYS: [&str; 9] = [
    "AUTH",
    "CLIENT",
    "INFO",
    "PING",
    "SUBSCRIBE",
    "SSUBSCRIBE",
    "UNSUBSCRIBE",
    "SUNSUBSCRIBE",
    "SELECT",
];

impl RedisModel {
    /// Why a command is not carried out, if it is not.
    pub(super) fn refusal(&self, id: u64, name: &str, args: &[Vec<u8>]) -> Option<Reply> {
        let connection = &self.connections[&id];
        if !connection.is_known && name != "AUTH" {
            return Some(Reply::error("NOAUTH Authentication required."));
        }
        if !connection.channels.is_empty() && !OF_SUBSCRIBERS.contains(&name) {
            let name = match (name, args) {
                ("CLIENT" | "SCRIPT", [word, ..]) => {
                    format!("{name}|{}", String::from_utf8_lossy(word))
                }
                _ => name.to_owned(),
            };
            return Some(Reply::error(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                name.to_lowercase()
            )));
        }
        match self.state {
            State::Loading if !ALWAYS.contains(&name) => {
                let text = "LOADING Redis is loading the dataset in memory";
                Some(Reply::error(text))
            }
            State::Replica if is_write(name) => {
                let text = "READONLY You can't write against a read only replica.";
                Some(Reply::error(text))
            }
            _ => None,
        }
    }

    /// The replies to a command about the connection; `None` if it is about something else.
    pub(super) fn greeting(&mut self, id: u64, name: &str, args: &[Vec<u8>]) -> Option<Vec<Reply>> {
        let reply = match (name, args) {
            ("PING", []) if !self.connections[&id].channels.is_empty() => {
                Reply::Array(vec![Reply::bulk("pong"), Reply::bulk("")])
            }
            ("PING", []) => Reply::Simple("PONG".into()),
            ("PING", [text]) => Reply::bulk(text.clone()),
            ("AUTH", [.., password]) => self.authenticate(id, password),
            ("SELECT", [db]) => match db.as_slice() {
                b"0" => Reply::ok(),
                _ => Reply::error("ERR DB index is out of range"),
            },
            ("INFO", _) => Reply::bulk(self.info()),
            ("CLIENT", [word, rest @ ..]) => self.client(id, word, rest),
            ("SUBSCRIBE", channels) => return Some(self.subscribe(id, false, channels)),
            ("SSUBSCRIBE", channels) => return Some(self.subscribe(id, true, channels)),
            ("UNSUBSCRIBE", channels) => return Some(self.unsubscribe(id, false, channels)),
            ("SUNSUBSCRIBE", channels) => return Some(self.unsubscribe(id, true, channels)),
            ("CLUSTER", _) => Reply::error("ERR This instance has cluster support disabled"),
            _ => return None,
        };
        Some(vec![reply])
    }

    fn authenticate(&mut self, id: u64, password: &[u8]) -> Reply {
        match &self.password {
            None => Reply::error(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ),
            Some(known) if known == password => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.is_known = true;
                }
                Reply::ok()
            }
            Some(_) => {
                let text = "WRONGPASS invalid username-password pair or user is disabled.";
                Reply::error(text)
            }
        }
    }

    fn info(&self) -> String {
        let role = match self.state {
            State::Replica => "slave",
            _ => "master",
        };
        let loading = u8::from(self.state == State::Loading);
        format!(
            "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:{:040x}\r\n\r\n\
             # Persistence\r\nloading:{loading}\r\n\r\n# Replication\r\nrole:{role}\r\n\r\n\
             # Cluster\r\ncluster_enabled:0\r\n",
            self.run
        )
    }

    fn client(&mut self, id: u64, word: &[u8], rest: &[Vec<u8>]) -> Reply {
        match (word.to_ascii_uppercase().as_slice(), rest) {
            (b"ID", []) => Reply::Integer(id as i64),
            (b"SETNAME", [name]) => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.name.clone_from(name);
                }
                Reply::ok()
            }
            (b"GETNAME", []) => {
                let name = &self.connections[&id].name;
                Reply::of((!name.is_empty()).then(|| name.clone()))
            }
            (b"KILL", [by, other]) if by.eq_ignore_ascii_case(b"ID") => {
                let other = std::str::from_utf8(other)
                    .ok()
                    .and_then(|it| it.parse().ok());
                let Some(other) = other.filter(|it: &u64| *it > 0) else {
                    return Reply::error("ERR client-id should be greater than 0");
                };
                // Who asks for it is spared.
                let is_killed = other != id && self.end(other);
                Reply::Integer(is_killed.into())
            }
            _ => Reply::error("ERR syntax error"),
        }
    }

    fn subscribe(&mut self, id: u64, is_sharded: bool, channels: &[Vec<u8>]) -> Vec<Reply> {
        let word = if is_sharded {
            "ssubscribe"
        } else {
            "subscribe"
        };
        let mut replies = Vec::new();
        for channel in channels {
            let Some(connection) = self.connections.get_mut(&id) else {
                break;
            };
            let channel = (is_sharded, channel.clone());
            connection.channels.insert(channel.clone());
            replies.push(self.told(id, word, is_sharded, Some(channel.1)));
        }
        replies
    }

    fn unsubscribe(&mut self, id: u64, is_sharded: bool, channels: &[Vec<u8>]) -> Vec<Reply> {
        let word = if is_sharded {
            "sunsubscribe"
        } else {
            "unsubscribe"
        };
        let subscribed = self.connections[&id].channels.iter();
        let of_kind = subscribed.filter(|(sharded, _)| *sharded == is_sharded);
        let channels: Vec<Vec<u8>> = match channels {
            [] => of_kind.map(|(_, channel)| channel.clone()).collect(),
            some => some.to_vec(),
        };
        if channels.is_empty() {
            return vec![self.told(id, word, is_sharded, None)];
        }
        let mut replies = Vec::new();
        for channel in channels {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.channels.remove(&(is_sharded, channel.clone()));
            }
            replies.push(self.told(id, word, is_sharded, Some(channel)));
        }
        replies
    }

    /// What is said of a subscription, with how many of its kind there are.
    fn told(&self, id: u64, word: &str, is_sharded: bool, channel: Option<Vec<u8>>) -> Reply {
        let channels = self.connections[&id].channels.iter();
        let count = channels.filter(|it| it.0 == is_sharded).count();
        let channel = Reply::of(channel);
        Reply::Array(vec![Reply::bulk(word), channel, Reply::count(count)])
    }
}

/// Whether a command may change keys. Scripts count as such, although Redis looks into them.
fn is_write(name: &str) -> bool {
    let writes = [
        "DEL",
        "UNLINK",
        "SET",
        "INCR",
        "INCRBY",
        "PEXPIRE",
        "EXPIRE",
        "HSET",
        "HDEL",
        "HINCRBY",
        "SADD",
        "SREM",
        "ZADD",
        "ZREM",
        "ZREMRANGEBYSCORE",
        "XADD",
        "XDEL",
        "XTRIM",
        "FLUSHALL",
        "EVAL",
        "EVALSHA",
    ];
    writes.contains(&name)
}
