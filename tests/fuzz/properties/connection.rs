//! Three connections, and one to the port for lines, whose every byte, pause and full buffer the input decides, on the production core: no panic, the
//! invariants hold, what comes out is HTTP and frames, a stream of events or lines, and nothing is left at the end. The
//! write queue is within.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use parlor::core::site::{File, Site};
use parlor::core::{Now, Ready, Server, Stream};
use parlor::settings::Limits;

#[path = "../../simulation/reader.rs"]
mod reader;

const CONNECTIONS: usize = 4;
/// The one to the port for lines.
const TYPIST: usize = 3;

/// Doors to go through.
const REQUESTS: [&str; 6] = [
    "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /rooms/a/events?last=3 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /rooms/a/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 0000000000000000-1\r\n\r\n",
    "GET /ws/a HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "GET /ws/a HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    "GET /ws/a HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: parlor.v1.json\r\n\r\n",
];

/// Frames with a mask of zeros: whole, in parts, compressed, announced and not sent.
const FRAMES: [&[u8]; 8] = [
    b"\x81\x85\0\0\0\0hello",
    b"\x01\x82\0\0\0\0ab",
    b"\x80\x81\0\0\0\0c",
    b"\x89\x82\0\0\0\0hi",
    b"\x88\x82\0\0\0\0\x03\xe8",
    b"\x82\xfe\x00\xc8\0\0\0\0",
    b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\0",
    b"\x41\x83\0\0\0\0\xf2\x48\xcd",
];

/// What is said at the JSON door, at most 125 bytes each.
const COMMANDS: [&str; 18] = [
    r#"{"type":"login","name":"Al"}"#,
    r#"{"type":"login","name":"Bo"}"#,
    r#"{"type":"login","resume":"x"}"#,
    r#"{"type":"join","room":"a"}"#,
    r#"{"type":"join","room":"b","last":9}"#,
    r#"{"type":"join","room":"a","since":{"epoch":"0000000000000000","offset":1}}"#,
    r#"{"type":"leave","room":"a"}"#,
    r#"{"type":"publish","room":"a","data":"x","dedup":"d"}"#,
    r#"{"type":"publish","room":"b","data":[1, 2],"key":"k","retain":true}"#,
    r#"{"type":"publish","room":"b","data":null,"key":"k","retain":true}"#,
    r#"{"type":"publish","room":"a","binary":"AP8=","ephemeral":true}"#,
    r#"{"type":"direct","to":"al","data":1}"#,
    r#"{"type":"history","room":"a","before":2}"#,
    r#"{"type":"members","room":"a"}"#,
    r#"{"type":"rooms"}"#,
    r#"{"type":"ping","id":1}"#,
    r#"{"type":"pong"}"#,
    r#"{"type":"#,
];

/// What is typed, and pieces of it.
const LINES: [&[u8]; 11] = [
    b"hello\r\n",
    b"/join a\n",
    b"/join b/\n",
    b"/nick Al\n",
    b"/who\n",
    b"/msg al psst\n",
    b"/help\n",
    b"/quit\n",
    b"\xff\n",
    b"a\x1b[2J",
    b"\n",
];

/// Requests with bodies, and pieces of them.
const POSTS: [&[u8]; 4] = [
    b"POST /rooms/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /rooms/a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 150\r\n\r\n",
    b"POST /rooms/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n64\r\n",
    b"\r\n0\r\n\r\n",
];

#[derive(Debug, Default)]
struct Wire {
    to_server: VecDeque<u8>,
    to_client: Vec<u8>,
    /// Bytes that may still be written.
    space: usize,
    ended: bool,
    reset: bool,
    dropped: bool,
    events: Ready,
}

struct Socket(Rc<RefCell<Wire>>);

struct World {
    server: Server<Socket>,
    wires: Vec<Rc<RefCell<Wire>>>,
    ears: Vec<Ear>,
    indexes: Vec<usize>,
    now: Now,
}

pub(crate) fn check(data: &[u8]) {
    let mut world = World::new();
    let mut ops = data.iter().copied();
    while let (Some(op), Some(argument)) = (ops.next(), ops.next()) {
        let who = match op & 0x0f {
            15 => TYPIST,
            other => usize::from(other) % TYPIST,
        };
        match op >> 4 {
            0..=3 => world.send(who, &mut ops.by_ref().take(usize::from(argument))),
            4..=7 if who == TYPIST => {
                let line = LINES[usize::from(argument) % LINES.len()];
                world.send(who, &mut line.iter().copied());
            }
            4..=6 => world.send(who, &mut piece(argument).into_iter()),
            7 => world.send(who, &mut POSTS[usize::from(argument) % 4].iter().copied()),
            8 | 9 => world.make_space(who, usize::from(argument)),
            10 => world.make_space(who, usize::from(argument) * 16),
            11 | 12 => world.now.ms += u64::from(argument) * 16,
            13 => world.end(who),
            14 => world.reset(who),
            _ => world.server.begin_drain(world.now),
        }
        world.tick();
    }
    world.finish();
}

/// What an operation sends whole.
fn piece(choice: u8) -> Vec<u8> {
    let (choice, which) = (usize::from(choice) / 3, choice % 3);
    match which {
        0 => REQUESTS[choice % REQUESTS.len()].into(),
        1 => FRAMES[choice % FRAMES.len()].to_vec(),
        _ => {
            let command = COMMANDS[choice % COMMANDS.len()];
            let mut frame = vec![0x81, 0x80 | command.len() as u8, 0, 0, 0, 0];
            frame.extend_from_slice(command.as_bytes());
            frame
        }
    }
}

impl World {
    fn new() -> Self {
        let now = Now { ms: 0, unix_ms: 0 };
        let page = File {
            path: "/",
            content_type: "text/html",
            bytes: &[b'p'; 500],
        };
        let mut server = Server::new(limits(), Vec::new(), Site::new(&[page]), [1; 32], now);
        let wires: Vec<Rc<RefCell<Wire>>> = (0..CONNECTIONS).map(|_| Rc::default()).collect();
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let admit = |(who, wire): (usize, &Rc<RefCell<Wire>>)| {
            let socket = Socket(Rc::clone(wire));
            let admitted = match who {
                TYPIST => server.admit_lines(socket, peer, now),
                _ => server.admit(socket, peer, now),
            };
            admitted.map_err(|_| "full").expect("there is room")
        };
        let indexes = wires.iter().enumerate().map(admit).collect();
        let ears = (0..CONNECTIONS).map(Ear::of).collect();
        Self {
            server,
            wires,
            ears,
            indexes,
            now,
        }
    }

    fn send(&mut self, who: usize, bytes: &mut dyn Iterator<Item = u8>) {
        let mut wire = self.wires[who].borrow_mut();
        if !wire.ended && !wire.reset {
            wire.to_server.extend(bytes);
            wire.events.readable = true;
        }
    }

    fn make_space(&mut self, who: usize, bytes: usize) {
        let mut wire = self.wires[who].borrow_mut();
        wire.space += bytes;
        wire.events.writable = true;
    }

    fn end(&mut self, who: usize) {
        let mut wire = self.wires[who].borrow_mut();
        wire.ended = true;
        wire.events = Ready {
            readable: true,
            writable: wire.events.writable,
            ending: true,
        };
    }

    fn reset(&mut self, who: usize) {
        let mut wire = self.wires[who].borrow_mut();
        wire.reset = true;
        wire.events = Ready {
            readable: true,
            writable: true,
            ending: true,
        };
    }

    fn tick(&mut self) {
        for (wire, &index) in self.wires.iter().zip(&self.indexes) {
            let mut borrowed = wire.borrow_mut();
            let events = std::mem::take(&mut borrowed.events);
            let dropped = borrowed.dropped;
            drop(borrowed);
            if events != Ready::default() && !dropped {
                self.server.on_ready(index, events);
                self.server.check_invariants().expect("an invariant");
            }
        }
        self.server.budget().begin_tick(u64::MAX);
        self.server.run_reads(self.now);
        self.server.check_invariants().expect("an invariant");
        self.server.end_of_tick(self.now);
        self.server.check_invariants().expect("an invariant");
        self.server.check_tick_ended().expect("an invariant");
        for (wire, ear) in self.wires.iter().zip(&mut self.ears) {
            ear.hear(&std::mem::take(&mut wire.borrow_mut().to_client));
        }
    }

    /// Everyone ends their side and takes all there is: nothing is left.
    fn finish(mut self) {
        for who in 0..CONNECTIONS {
            self.make_space(who, 1 << 20);
            self.end(who);
        }
        for _ in 0..100 {
            self.now.ms += 1000;
            self.tick();
            if self.server.next_deadline_ms().is_none() {
                break;
            }
        }
        assert_eq!(
            (self.server.connection_count(), self.server.room_count()),
            (0, 0)
        );
        assert!(!self.server.has_work() && self.server.next_deadline_ms().is_none());
    }
}

/// What one client makes of what comes: HTTP and frames, until a stream of events begins; or lines.
#[derive(Default)]
struct Ear {
    reader: reader::Reader,
    heard: Vec<u8>,
    is_stream: bool,
    is_line_client: bool,
}

impl Ear {
    fn of(who: usize) -> Self {
        Self {
            is_line_client: who == TYPIST,
            ..Self::default()
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
        if !self.is_stream && !self.is_line_client {
            match self.reader.feed(bytes) {
                Ok(_) => return,
                // The only head that says no length.
                Err(error) => assert!(error.contains("text/event-stream"), "{error}"),
            }
            self.is_stream = true;
            let position = |part: &[u8], from: usize| {
                let mut windows = self.heard[from..].windows(part.len());
                from + windows.position(|window| window == part).expect("seen")
            };
            let head = position(b"text/event-stream", 0);
            self.heard.drain(..position(b"\r\n\r\n", head) + 4);
        }
        while let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            let line = str::from_utf8(&line).expect("it is text").trim_end();
            if self.is_line_client {
                assert!(!line.contains(char::is_control), "{line:?}");
            } else {
                check_line(line);
            }
        }
    }
}

fn check_line(line: &str) {
    match line.split_once(": ") {
        Some(("data", data)) => {
            serde_json::from_str::<serde::de::IgnoredAny>(data).expect("data is JSON");
        }
        Some((field, _)) => assert!(["event", "id", "retry"].contains(&field), "{line:?}"),
        None => assert!(line.is_empty() || line.starts_with(':'), "{line:?}"),
    }
}

fn limits() -> Limits {
    Limits {
        max_message: 200,
        max_queue: 1000,
        max_memory: 8000,
        deflate_min: Some(0),
        ..Limits::default()
    }
}

impl Read for Socket {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        if wire.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if wire.to_server.is_empty() && !wire.ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        wire.to_server.read(space)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        if wire.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let count = bytes.len().min(wire.space);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        wire.space -= count;
        wire.to_client.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Socket {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.borrow_mut().dropped = true;
    }
}
