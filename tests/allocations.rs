//! What the steady path allocates: a message that is relayed to a room costs its room, not its receivers.

use std::alloc::System;
use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use parlor::core::site::Site;
use parlor::core::{Now, Ready, Server, Stream};
use parlor::settings::Limits;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const HANDSHAKE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// A text of one byte, with a mask of zeros.
const MESSAGE: &[u8] = b"\x81\x81\0\0\0\0x";
const NOW: Now = Now { ms: 0, unix_ms: 0 };

/// A peer that sends what it is given and takes all; itself it allocates nothing.
#[derive(Debug, Default)]
struct Peer {
    to_server: &'static [u8],
    received: usize,
}

#[derive(Debug)]
struct Socket(Rc<RefCell<Peer>>);

impl Read for Socket {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self.0.borrow_mut().to_server.read(space) {
            Ok(0) => Err(ErrorKind::WouldBlock.into()),
            result => result,
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().received += bytes.len();
        Ok(bytes.len())
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

struct Room {
    server: Server<Socket>,
    peers: Vec<Rc<RefCell<Peer>>>,
}

impl Room {
    /// A room of `count` members who only listen.
    fn of(count: usize) -> Self {
        let flags = ["--max-connections", "1000000", "--history", "256"];
        let limits = Limits::of_flags(&flags);
        let mut room = Self {
            server: Server::new(limits, Vec::new(), Site::new(&[]), [1; 32], NOW),
            peers: Vec::with_capacity(count),
        };
        for member in 0..count {
            let peer = Rc::<RefCell<Peer>>::default();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
            let index = room.server.admit(Socket(Rc::clone(&peer)), address, NOW);
            assert_eq!(index.ok(), Some(member));
            room.peers.push(peer);
            room.send(member, HANDSHAKE);
        }
        room
    }

    /// One tick in which one member sends `bytes`.
    fn send(&mut self, member: usize, bytes: &'static [u8]) {
        self.peers[member].borrow_mut().to_server = bytes;
        let ready = Ready {
            readable: true,
            writable: true,
            ending: false,
        };
        self.server.on_ready(member, ready);
        self.server.budget().begin_tick(u64::MAX);
        self.server.run_reads(NOW);
        self.server.end_of_tick(NOW);
    }

    fn received(&self) -> usize {
        self.peers.iter().map(|peer| peer.borrow().received).sum()
    }
}

/// More than a room remembers: from then on each message takes the place of another.
const WARMUP: usize = 300;

/// Allocations of `rounds` messages, after some to warm up.
fn allocations(members: usize, rounds: usize) -> usize {
    let mut room = Room::of(members);
    for _ in 0..WARMUP {
        room.send(0, MESSAGE);
    }
    let before = room.received();
    let region = Region::new(ALLOCATOR);
    for _ in 0..rounds {
        room.send(0, MESSAGE);
    }
    let stats = region.change();
    // Two bytes of header, and the one that was said.
    assert_eq!(room.received() - before, 3 * rounds * members);
    stats.allocations + stats.reallocations
}

/// One test, because the allocator counts for all threads.
#[test]
fn the_steady_path() {
    for members in [1, 2, 1000, 5000] {
        let count = allocations(members, 100);
        println!("{members} members: {count} allocations for 100 messages");
        assert!(count <= 100, "{members} members: {count} allocations");
    }
    let region = Region::new(ALLOCATOR);
    let room = Room::of(10_000);
    let stats = region.change();
    let held = stats.bytes_allocated - stats.bytes_deallocated;
    // What stands for the kernel's side is not the server's.
    let peers = 10_000 * (size_of::<Rc<RefCell<Peer>>>() + size_of::<RefCell<Peer>>() + 16);
    let each = (held - peers) / 10_000;
    println!("an idle connection holds {each} bytes");
    assert!(each <= 512, "an idle connection holds {each} bytes");
    drop(room);
}
