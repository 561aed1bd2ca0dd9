//! A Redis as far as the connections need one, and the wires to it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use crate::codec::resp::{self, Reply};
use crate::core::stream::Stream;

#[derive(Debug)]
struct Pipe {
    to_redis: Vec<u8>,
    to_node: VecDeque<u8>,
    /// Bytes that are read or written at once.
    at_once: usize,
    is_cut: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Wire(Rc<RefCell<Pipe>>);

impl Wire {
    pub(super) fn new(at_once: usize) -> Self {
        Self(Rc::new(RefCell::new(Pipe {
            to_redis: Vec::new(),
            to_node: VecDeque::new(),
            at_once,
            is_cut: false,
        })))
    }

    pub(super) fn cut(&self) {
        self.0.borrow_mut().is_cut = true;
    }

    pub(super) fn say(&self, bytes: &[u8]) {
        self.0.borrow_mut().to_node.extend(bytes);
    }
}

impl Read for Wire {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        let count = space.len().min(pipe.at_once);
        match pipe.to_node.read(&mut space[..count])? {
            0 if !pipe.is_cut => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        if pipe.is_cut {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(pipe.at_once);
        pipe.to_redis.extend(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Wire {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

#[derive(Debug)]
pub(super) struct Redis {
    pub(super) wires: Vec<Wire>,
    /// What it was told to do: the number of the connection, and the words.
    pub(super) said: Vec<(usize, String)>,
    pub(super) is_frozen: bool,
    pub(super) has_scripts: bool,
    pub(super) is_password_wrong: bool,
    at_once: usize,
}

impl Redis {
    pub(super) fn new(at_once: usize) -> Self {
        Self {
            wires: Vec::new(),
            said: Vec::new(),
            is_frozen: false,
            has_scripts: true,
            is_password_wrong: false,
            at_once,
        }
    }

    pub(super) fn connect(&mut self) -> Wire {
        let wire = Wire::new(self.at_once);
        self.wires.push(wire.clone());
        wire
    }

    /// Does what it was told to do, and answers.
    pub(super) fn run(&mut self) {
        if self.is_frozen {
            return;
        }
        for number in 0..self.wires.len() {
            let wire = self.wires[number].clone();
            for words in take_commands(&wire) {
                let answer = self.answer(number, &words);
                wire.say(answer.as_bytes());
                self.said.push((number, words.join(" ")));
            }
        }
    }

    fn answer(&mut self, number: usize, words: &[String]) -> String {
        let words: Vec<&str> = words.iter().map(|word| &**word).collect();
        match words[..] {
            ["AUTH", ..] if self.is_password_wrong => "-WRONGPASS no\r\n".to_owned(),
            ["CLIENT", "ID"] => format!(":{}\r\n", number + 100),
            ["INFO", ..] => bulk("redis_version:7.0.15\r\nrun_id:abc\r\n"),
            ["SCRIPT", "LOAD", _] => {
                self.has_scripts = true;
                bulk("digest")
            }
            ["EVALSHA", ..] if !self.has_scripts => "-NOSCRIPT no\r\n".to_owned(),
            ["EVALSHA" | "EVAL", .., last] => bulk(last),
            ["ECHO", word] => bulk(word),
            ["SSUBSCRIBE", channel] => {
                format!("*3\r\n{}{}:1\r\n", bulk("ssubscribe"), bulk(channel))
            }
            ["SUNSUBSCRIBE", channel] => {
                format!("*3\r\n{}{}:0\r\n", bulk("sunsubscribe"), bulk(channel))
            }
            ["PING"] => "+PONG\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        }
    }
}

/// What has come as a whole.
pub(super) fn take_commands(wire: &Wire) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let bytes = &mut wire.0.borrow_mut().to_redis;
    while let Some((command, length)) = resp::parse(bytes).unwrap() {
        commands.push(words(command));
        bytes.drain(..length);
    }
    commands
}

fn words(command: Reply) -> Vec<String> {
    let Reply::Array(words) = command else {
        panic!("a command is an array: {command:?}");
    };
    let word = |word| match word {
        Reply::Bulk(bytes) => String::from_utf8(bytes).unwrap(),
        other => panic!("a word is a bulk string: {other:?}"),
    };
    words.into_iter().map(word).collect()
}
