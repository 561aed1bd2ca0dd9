//! The model and a real Redis are sent the same commands, those of nodes and of their scripts, and must say the same.
//!
//! What differs by its nature is made equal before it is compared: times of the clock, and the order of what has none.

mod author;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::RedisModel;
use super::resp::{Reply, Words, write_command};
use crate::random::Random;
use crate::redis_server::Redis;
use crate::socket::Luck;
use author::{Author, scripts};

const SEEDS: u64 = 12;
const STEPS: usize = 800;
/// Times of one moment may differ by so much, where two clocks are looked at one after the other.
const APART_MS: u64 = 60_000;

/// One of both: who speaks to it, and who listens.
trait Side {
    /// Sends a command by the one who speaks.
    fn ask(&mut self, words: &Words) -> Reply;
    /// Sends a command by the one who listens, if there is one, and says what that one is told up to the answer to a PING.
    fn listen(&mut self, words: Option<&Words>) -> Vec<Reply>;
}

/// Whether it is the answer to a PING, to a subscriber or to anyone else.
fn is_pong(reply: &Reply) -> bool {
    match reply {
        Reply::Simple(text) => text == "PONG",
        Reply::Array(parts) => parts.first() == Some(&Reply::bulk("pong")),
        _ => false,
    }
}

fn ping() -> Words {
    vec![b"PING".to_vec()]
}

struct Modelled {
    model: RedisModel,
    speaker: u64,
    listener: u64,
}

impl Modelled {
    fn new() -> Self {
        let luck = Luck {
            short_read: 0,
            short_write: 0,
            no_read: 0,
            no_write: 0,
            interrupted: 0,
            capacity: usize::MAX,
            keeps: false,
        };
        let mut model = RedisModel::new(0, luck);
        let [speaker, listener] = [model.open(None), model.open(None)];
        Self {
            model,
            speaker,
            listener,
        }
    }

    fn replies(&mut self, id: u64) -> Vec<Reply> {
        let output = &mut self.model.connections.get_mut(&id).unwrap().output;
        let bytes: Vec<u8> = output.drain(..).collect();
        let (mut replies, mut at) = (Vec::new(), 0);
        while let Some((reply, length)) = Reply::parse(&bytes[at..]) {
            replies.push(reply);
            at += length;
        }
        assert_eq!(at, bytes.len());
        replies
    }
}

impl Side for Modelled {
    fn ask(&mut self, words: &Words) -> Reply {
        self.model.data.pass(now_ms());
        self.model.run_command(self.speaker, words);
        let replies = self.replies(self.speaker);
        assert_eq!(replies.len(), 1, "{words:?}");
        replies.into_iter().next().unwrap()
    }

    fn listen(&mut self, words: Option<&Words>) -> Vec<Reply> {
        if let Some(words) = words {
            self.model.run_command(self.listener, words);
        }
        self.model.run_command(self.listener, &ping());
        let mut replies = self.replies(self.listener);
        assert!(replies.pop().is_some_and(|it| is_pong(&it)));
        replies
    }
}

struct Real {
    speaker: Wire,
    listener: Wire,
}

struct Wire {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Wire {
    fn new(redis: &Redis) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", redis.port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self {
            stream,
            input: Vec::new(),
        }
    }

    fn send(&mut self, words: &Words) {
        let mut bytes = Vec::new();
        write_command(words, &mut bytes);
        self.stream.write_all(&bytes).unwrap();
    }

    fn next(&mut self) -> Reply {
        let mut buffer = [0; 64 << 10];
        loop {
            if let Some((reply, length)) = Reply::parse(&self.input) {
                self.input.drain(..length);
                return reply;
            }
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "Redis has ended the connection");
            self.input.extend_from_slice(&buffer[..count]);
        }
    }
}

impl Side for Real {
    fn ask(&mut self, words: &Words) -> Reply {
        self.speaker.send(words);
        self.speaker.next()
    }

    fn listen(&mut self, words: Option<&Words>) -> Vec<Reply> {
        if let Some(words) = words {
            self.listener.send(words);
        }
        self.listener.send(&ping());
        let mut replies = Vec::new();
        loop {
            match self.listener.next() {
                reply if is_pong(&reply) => return replies,
                reply => replies.push(reply),
            }
        }
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_millis() as u64
}

/// What is the same on both sides.
fn comparable(words: &Words, reply: Reply) -> Reply {
    let name = String::from_utf8_lossy(&words[0]).into_owned();
    match (&*name, reply) {
        // What is wrong with a function is said with its place in it.
        ("EVAL" | "EVALSHA", Reply::Error(text)) => {
            Reply::Error(text.split(' ').next().unwrap_or_default().to_owned())
        }
        ("PTTL", Reply::Integer(left_ms)) => Reply::Integer(left_ms.signum()),
        ("SMEMBERS", Reply::Array(mut members)) => {
            members.sort_by_key(|it| format!("{it:?}"));
            Reply::Array(members)
        }
        (_, reply) => without_times(reply),
    }
}

/// What was heard. Where all channels are given up at once, Redis tells of them in the order in which it has hashed them.
fn comparable_heard(heard: Vec<Reply>) -> Vec<Reply> {
    let is_end = |parts: &[Reply]| {
        let words = ["unsubscribe", "sunsubscribe"].map(Reply::bulk);
        parts.first().is_some_and(|it| words.contains(it))
    };
    let (mut others, mut ends) = (Vec::new(), Vec::new());
    for reply in heard {
        match reply {
            // The counts are those of the order.
            Reply::Array(parts) if is_end(&parts) => ends.push(Reply::Array(parts[..2].to_vec())),
            other => others.push(without_times(other)),
        }
    }
    ends.sort_by_key(|it| format!("{it:?}"));
    others.append(&mut ends);
    others
}

/// Times that are about now are all the same.
fn without_times(reply: Reply) -> Reply {
    match reply {
        Reply::Array(replies) if is_time(&replies) => Reply::Simple("now".into()),
        Reply::Array(replies) => Reply::Array(replies.into_iter().map(without_times).collect()),
        Reply::Bulk(bytes) => Reply::Bulk(without_times_in(&bytes)),
        other => other,
    }
}

fn is_about_now(digits: &[u8]) -> bool {
    let number = std::str::from_utf8(digits)
        .ok()
        .and_then(|it| it.parse().ok());
    number.is_some_and(|number: u64| number.abs_diff(now_ms()) < APART_MS)
}

fn is_time(parts: &[Reply]) -> bool {
    match parts {
        [Reply::Bulk(seconds), Reply::Bulk(_)] => {
            is_about_now(&[seconds.as_slice(), b"000"].concat())
        }
        _ => false,
    }
}

fn without_times_in(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let digits = bytes[at..]
            .iter()
            .take_while(|it| it.is_ascii_digit())
            .count();
        let (part, after) = bytes[at..].split_at(digits.max(1));
        match is_about_now(part) {
            true => out.extend_from_slice(b"now"),
            false => out.extend_from_slice(part),
        }
        at = bytes.len() - after.len();
    }
    out
}

fn shown(words: &Words) -> String {
    let words = words
        .iter()
        .map(|it| String::from_utf8_lossy(it).into_owned());
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_model_says_what_a_real_redis_says() {
    let redis = Redis::start(&["--save", ""]);
    let (mut messages, mut errors) = (0, 0);
    for seed in 0..SEEDS {
        assert_eq!(redis.cli(&["FLUSHALL"]), "OK");
        let mut model = Modelled::new();
        let mut real = Real {
            speaker: Wire::new(&redis),
            listener: Wire::new(&redis),
        };
        let mut author = Author {
            random: Random::new(seed, 0),
            scripts: scripts(),
        };
        for (_, text) in author.scripts.clone() {
            let load = vec![b"SCRIPT".to_vec(), b"LOAD".to_vec(), text];
            assert_eq!(model.ask(&load), real.ask(&load));
        }
        for step in 0..STEPS {
            let of_listener = author.random.chance(80).then(|| author.of_listener());
            let words = author.next();
            let said = (model.ask(&words), real.ask(&words));
            let said = (comparable(&words, said.0), comparable(&words, said.1));
            errors += usize::from(matches!(said.1, Reply::Error(_)));
            assert_eq!(
                said.0,
                said.1,
                "seed {seed}, step {step}: {}",
                shown(&words)
            );
            let heard = [
                model.listen(of_listener.as_ref()),
                real.listen(of_listener.as_ref()),
            ];
            let [of_model, of_real] = heard.map(comparable_heard);
            messages += of_real.len();
            assert_eq!(
                of_model,
                of_real,
                "seed {seed}, step {step}: {}, and by the other one {}",
                shown(&words),
                of_listener.as_ref().map_or("nothing".into(), shown)
            );
        }
    }
    assert!(
        messages > 1_000 && errors > 100,
        "{messages} messages, {errors} errors"
    );
}
