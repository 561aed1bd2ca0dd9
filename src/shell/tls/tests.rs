//! The stream against rustls' own client, over a wire in memory that takes and gives as little as it likes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use mio::net::TcpStream;
use proptest::prelude::*;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedProtocolVersion,
};

use super::buffers::{Buffers, PIECE};
use super::*;
use crate::core::Proxied;
use crate::limits::{MAX_TLS_IDLE_TALK, MAX_TLS_RECORD, READ_BUFFER};
use crate::shell::transport::Transport;

/// Both directions of a connection.
#[derive(Default)]
struct Wire {
    to_server: VecDeque<u8>,
    client_has_ended: bool,
    to_client: Vec<u8>,
    server_has_ended: bool,
    /// How much the next reads and writes do at most, over and over; 0 blocks. Empty for no limit.
    limits: Vec<usize>,
    reads: usize,
    writes: usize,
    /// What the client's side holds at most before the server's writes block.
    capacity: usize,
}

impl Wire {
    /// The limit of the `count`th read, or write.
    fn limit(&self, count: usize) -> usize {
        match self.limits.len() {
            0 => usize::MAX,
            length => self.limits[count % length],
        }
    }
}

/// The server's end.
#[derive(Clone)]
struct Socket(Rc<RefCell<Wire>>);

impl Read for Socket {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        if wire.to_server.is_empty() && wire.client_has_ended {
            return Ok(0);
        }
        wire.reads += 1;
        let limit = wire.limit(wire.reads).min(space.len());
        match wire.to_server.read(&mut space[..limit])? {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        assert!(!wire.server_has_ended, "written after the end");
        let space = wire.capacity - wire.to_client.len();
        wire.writes += 1;
        let count = wire.limit(wire.writes).min(space).min(bytes.len());
        wire.to_client.extend_from_slice(&bytes[..count]);
        match count {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Socket {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.borrow_mut().server_has_ended = true;
        Ok(())
    }
}

/// A server's stream and a client on one wire.
struct Pair {
    wire: Rc<RefCell<Wire>>,
    server: TlsStream<Socket>,
    client: ClientConnection,
    /// What the server has read.
    heard: Vec<u8>,
    /// What the client has read.
    got: Vec<u8>,
    server_saw_end: bool,
}

impl Pair {
    fn new(version: &'static SupportedProtocolVersion) -> Self {
        let wire = Rc::new(RefCell::new(Wire {
            capacity: usize::MAX,
            ..Wire::default()
        }));
        let (server, client) = configs(version);
        let session = UnbufferedServerConnection::new(server).unwrap();
        let buffers = Rc::new(RefCell::new(Buffers::new()));
        let name = ServerName::try_from("parlor.test").unwrap();
        Self {
            server: TlsStream::new(Socket(Rc::clone(&wire)), session, buffers),
            client: ClientConnection::new(client, name).unwrap(),
            wire,
            heard: Vec::new(),
            got: Vec::new(),
            server_saw_end: false,
        }
    }

    /// The same after the handshake.
    fn connected(version: &'static SupportedProtocolVersion) -> Self {
        let mut pair = Self::new(version);
        pair.settle().unwrap();
        assert!(!pair.client.is_handshaking());
        pair
    }

    /// The client sends and takes what it can.
    fn client_turn(&mut self) {
        let mut wire = self.wire.borrow_mut();
        let came = std::mem::take(&mut wire.to_client);
        let mut came = came.as_slice();
        while !came.is_empty() {
            self.client.read_tls(&mut came).unwrap();
            self.client.process_new_packets().unwrap();
            match self.client.reader().read_to_end(&mut self.got) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
                _ => {}
            }
        }
        while self.client.wants_write() {
            self.client.write_tls(&mut wire.to_server).unwrap();
        }
    }

    /// The server reads as the core does: until a read is short and nothing says that there is more.
    fn server_turn(&mut self, space: usize) -> io::Result<()> {
        let mut space = vec![0; space];
        loop {
            match self.server.read(&mut space) {
                Ok(0) => {
                    self.server_saw_end = true;
                    return Ok(());
                }
                Ok(count) => {
                    self.heard.extend_from_slice(&space[..count]);
                    if count < space.len() && !self.server.has_more() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Both take turns until nothing is under way, however often the wire blocks.
    fn settle(&mut self) -> io::Result<()> {
        let turns = 2 + self.wire.borrow().limits.len();
        let mut quiet = 0;
        while quiet < turns {
            let before = (
                self.heard.len(),
                self.got.len(),
                self.wire.borrow().to_server.len(),
                self.server.held_bytes(),
            );
            self.client_turn();
            self.server_turn(READ_BUFFER)?;
            match self.server.flush() {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
            let is_empty =
                self.wire.borrow().to_server.is_empty() && self.wire.borrow().to_client.is_empty();
            let after = (
                self.heard.len(),
                self.got.len(),
                self.wire.borrow().to_server.len(),
                self.server.held_bytes(),
            );
            quiet = if before == after && is_empty {
                quiet + 1
            } else {
                0
            };
        }
        Ok(())
    }

    /// Writes all of `bytes` as the core does, the client reading whenever the wire is full.
    fn server_says(&mut self, mut bytes: &[u8]) {
        assert!(!self.client.is_handshaking());
        while !bytes.is_empty() {
            match self.server.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.client_turn(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn limit(&self, limits: &[usize]) {
        self.wire.borrow_mut().limits = limits.to_vec();
    }
}

fn configs(version: &'static SupportedProtocolVersion) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["parlor.test".to_owned()]).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let certificate = made.cert.der().clone();
    let certified = CertifiedKey::from_der(vec![certificate.clone()], key, &provider).unwrap();
    let server = configure(Arc::clone(&provider), certified).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (server, Arc::new(client))
}

/// Bytes that are easy to tell apart.
fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

#[test]
fn both_versions_both_directions_and_nothing_kept() {
    for version in [&TLS12, &TLS13] {
        let mut pair = Pair::connected(version);
        let (question, answer) = (noise(300_000), noise(200_001));
        for part in question.chunks(60_000) {
            pair.client.writer().write_all(part).unwrap();
            pair.settle().unwrap();
        }
        assert!(pair.heard == question, "{version:?}");
        pair.server_says(&answer);
        pair.settle().unwrap();
        assert!(pair.got == answer, "{version:?}");
        assert_eq!(pair.server.held_bytes(), 0);
    }
}

#[test]
fn a_plain_connection_stays_as_small_as_its_socket() {
    assert_eq!(size_of::<Transport>(), size_of::<Proxied<TcpStream>>());
}

#[test]
fn what_the_wire_did_not_take_leaves_when_it_does() {
    let mut pair = Pair::new(&TLS13);
    pair.wire.borrow_mut().capacity = 100;
    pair.client_turn();
    pair.server_turn(READ_BUFFER).unwrap();
    // The server's part of the handshake is longer than that, and nothing but `flush` is called for it.
    assert!(pair.server.has_unsent());
    while pair.server.has_unsent() {
        assert_eq!(
            pair.server.flush().unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        pair.client_turn();
        let _ = pair.server.flush();
    }
    pair.settle().unwrap();
    assert!(!pair.client.is_handshaking());
    // Of a message the same: the writer believes that it is sent.
    assert_eq!(pair.server.write(&noise(1000)).unwrap(), 1000);
    assert_eq!(
        pair.server.write(b"more").unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    pair.settle().unwrap();
    assert!(pair.got == noise(1000));
}

#[test]
fn the_end_is_said_behind_what_is_unsent() {
    for version in [&TLS12, &TLS13] {
        let mut pair = Pair::connected(version);
        pair.wire.borrow_mut().capacity = 100;
        assert_eq!(pair.server.write(&noise(1000)).unwrap(), 1000);
        pair.server.shutdown_write().unwrap();
        assert!(!pair.wire.borrow().server_has_ended);
        assert_eq!(
            pair.server.write(b"more").unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        pair.settle().unwrap();
        assert!(pair.wire.borrow().server_has_ended);
        assert!(pair.got == noise(1000));
        // A clean end, and no error: close_notify has come.
        assert_eq!(pair.client.reader().read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn whoever_is_dropped_says_goodbye() {
    let mut pair = Pair::connected(&TLS13);
    let wire = Rc::clone(&pair.wire);
    let other = Pair::new(&TLS13);
    drop(std::mem::replace(&mut pair.server, other.server));
    assert!(wire.borrow().server_has_ended);
    pair.client_turn();
    assert_eq!(pair.client.reader().read(&mut [0]).unwrap(), 0);
}

#[test]
fn data_and_the_end_in_one_read_are_both_seen() {
    for version in [&TLS12, &TLS13] {
        let mut pair = Pair::connected(version);
        pair.client.writer().write_all(b"all").unwrap();
        pair.client.send_close_notify();
        pair.client_turn();
        // One event, after which nothing else will tell.
        pair.server_turn(READ_BUFFER).unwrap();
        assert_eq!(pair.heard, b"all");
        assert!(pair.server_saw_end);
        // Who has said all may still listen.
        pair.server_says(b"you, too");
        pair.settle().unwrap();
        assert_eq!(pair.got, b"you, too");
    }
}

#[test]
fn an_end_without_a_word_is_an_end() {
    let mut pair = Pair::connected(&TLS13);
    pair.wire.borrow_mut().client_has_ended = true;
    pair.server_turn(READ_BUFFER).unwrap();
    assert!(pair.server_saw_end);
    let mut early = Pair::new(&TLS13);
    early.wire.borrow_mut().client_has_ended = true;
    early.server_turn(READ_BUFFER).unwrap();
    assert!(early.server_saw_end);
}

#[test]
fn what_does_not_fit_is_kept_for_the_next_read() {
    let mut pair = Pair::connected(&TLS13);
    pair.client.writer().write_all(&noise(60_000)).unwrap();
    pair.client_turn();
    let mut first = [0; 10];
    assert_eq!(pair.server.read(&mut first).unwrap(), 10);
    assert!(pair.server.held_bytes() <= MAX_TLS_RECORD + (4 << 10));
    pair.heard.extend_from_slice(&first);
    pair.server_turn(1000).unwrap();
    assert!(pair.heard == noise(60_000));
    assert_eq!(pair.server.held_bytes(), 0);
}

#[test]
fn many_small_pieces_become_few_records_and_one_write() {
    let mut pair = Pair::connected(&TLS13);
    let bytes = noise(64 * 100);
    let slices: Vec<_> = bytes.chunks(100).map(IoSlice::new).collect();
    let writes = pair.wire.borrow().writes;
    assert_eq!(pair.server.write_vectored(&slices).unwrap(), bytes.len());
    assert_eq!(pair.wire.borrow().writes - writes, 1);
    // A header of 5 bytes, the type and a tag of 16.
    assert_eq!(pair.wire.borrow().to_client.len(), bytes.len() + 22);
    let long = noise(PIECE);
    let slices = [
        IoSlice::new(&long[..10]),
        IoSlice::new(&long),
        IoSlice::new(&long),
    ];
    assert_eq!(pair.server.write_vectored(&slices).unwrap(), PIECE);
    pair.settle().unwrap();
    assert!(pair.got == [&bytes[..], &long[..10], &long[..PIECE - 10]].concat());
}

#[test]
fn new_keys_while_it_goes_on() {
    let mut pair = Pair::connected(&TLS13);
    for round in 0..20 {
        pair.client.refresh_traffic_keys().unwrap();
        pair.client.writer().write_all(&[round]).unwrap();
        pair.settle().unwrap();
        pair.server_says(&[round]);
        pair.settle().unwrap();
    }
    assert_eq!(pair.heard, (0..20).collect::<Vec<u8>>());
    assert_eq!(pair.got, (0..20).collect::<Vec<u8>>());
}

#[test]
fn who_speaks_http_is_told_what_to_do() {
    let mut pair = Pair::new(&TLS13);
    let request = b"GET / HTTP/1.1\r\nHost: parlor.test\r\n\r\n";
    pair.wire.borrow_mut().to_server.extend(request);
    pair.server_turn(READ_BUFFER).unwrap();
    let answer = String::from_utf8(pair.wire.borrow().to_client.clone()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        head.contains(&format!("Content-Length: {}\r\n", body.len())),
        "{answer}"
    );
    assert!(pair.wire.borrow().server_has_ended);
    pair.wire.borrow_mut().client_has_ended = true;
    pair.server_turn(READ_BUFFER).unwrap();
    assert!(pair.server_saw_end);
}

#[test]
fn who_goes_on_without_saying_anything_is_cut_off() {
    let endless = |first: &[u8], more: &[u8]| {
        let mut pair = Pair::new(&TLS13);
        pair.wire.borrow_mut().to_server.extend(first);
        while pair.wire.borrow().to_server.len() < 2 * MAX_TLS_IDLE_TALK {
            pair.wire.borrow_mut().to_server.extend(more);
        }
        let error = pair.server_turn(READ_BUFFER).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(
            pair.server.held_bytes() <= 1024,
            "{}",
            pair.server.held_bytes()
        );
    };
    endless(b"GET ", b"and nothing else");
    // A handshake message of 65,535 bytes, in records of 16 KiB.
    endless(&[22, 3, 1, 64, 0, 1, 0, 255, 255], &[0; 16]);
    // One that is announced byte by byte.
    endless(&[], &[22, 3, 1, 0, 1, 1]);
    // Warnings.
    endless(&[], &[21, 3, 1, 0, 2, 1, 90]);
}

#[test]
fn a_failure_ends_it_and_is_told() {
    let mut pair = Pair::connected(&TLS13);
    pair.client.writer().write_all(b"before").unwrap();
    pair.client_turn();
    pair.wire.borrow_mut().to_server.extend([23, 3, 3, 0, 20]);
    pair.wire.borrow_mut().to_server.extend([0; 20]);
    let error = pair.server_turn(READ_BUFFER).unwrap_err();
    assert_eq!(pair.heard, b"before");
    assert!(error.to_string().starts_with("TLS: "), "{error}");
    assert!(pair.server_turn(READ_BUFFER).is_ok() && pair.server_saw_end);
    assert_eq!(
        pair.server.write(b"x").unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
    pair.server.shutdown_write().unwrap();
    let mut alert = &std::mem::take(&mut pair.wire.borrow_mut().to_client)[..];
    pair.client.read_tls(&mut alert).unwrap();
    let told = pair.client.process_new_packets().unwrap_err();
    assert_eq!(
        told,
        Error::AlertReceived(rustls::AlertDescription::BadRecordMac)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// However little the wire takes and gives, and whenever it blocks, the same arrives on both sides.
    #[test]
    fn any_split_gives_the_same(
        limits in prop::collection::vec(prop_oneof![0..2usize, 1..100usize, 1000..40_000usize], 1..12)
            .prop_filter("some must get through", |limits| limits.iter().any(|&limit| limit > 20)),
        question in 0..60_000usize,
        answer in 0..70_000usize,
        is_old in any::<bool>(),
    ) {
        let mut pair = Pair::new(if is_old { &TLS12 } else { &TLS13 });
        pair.limit(&limits);
        pair.client.writer().write_all(&noise(question)).unwrap();
        pair.settle().unwrap();
        prop_assert!(pair.heard.len() <= question);
        prop_assert!(noise(question).starts_with(&pair.heard));
        pair.server_says(&noise(answer));
        pair.server.shutdown_write().unwrap();
        pair.settle().unwrap();
        prop_assert!(pair.heard == noise(question), "{} of {question}", pair.heard.len());
        prop_assert!(pair.got == noise(answer));
        prop_assert!(pair.wire.borrow().server_has_ended);
        prop_assert_eq!(pair.server.held_bytes(), 0);
    }

    /// Whatever is wrong with what comes, and wherever, the stream fails and does not panic; and goes on failing.
    #[test]
    fn what_is_broken_anywhere_breaks_no_more(
        at in 0..3000usize,
        mask in 1..=255u8,
        cut in any::<bool>(),
        is_old in any::<bool>(),
        limits in prop::collection::vec(1..3000usize, 1..4),
    ) {
        let mut pair = Pair::new(if is_old { &TLS12 } else { &TLS13 });
        pair.limit(&limits);
        let mut sent = 0;
        pair.client.writer().write_all(&noise(1000)).unwrap();
        for _ in 0..8 {
            let before = pair.wire.borrow().to_server.len();
            let came = std::mem::take(&mut pair.wire.borrow_mut().to_client);
            let mut came = &came[..];
            while !came.is_empty() && pair.client.read_tls(&mut came).is_ok() {
                let _ = pair.client.process_new_packets();
            }
            let mut wire = pair.wire.borrow_mut();
            while pair.client.wants_write() {
                pair.client.write_tls(&mut wire.to_server).unwrap();
            }
            let new = wire.to_server.len() - before;
            if (sent..sent + new).contains(&at) {
                wire.to_server[before + at - sent] ^= mask;
                if cut {
                    wire.to_server.truncate(before + at - sent + 1);
                }
            }
            sent += new;
            drop(wire);
            let _ = pair.server_turn(READ_BUFFER);
            let _ = pair.server.write(b"answer");
            let _ = pair.server.flush();
        }
        let _ = pair.server.shutdown_write();
        let _ = pair.server_turn(READ_BUFFER);
        prop_assert!(noise(1000).starts_with(&pair.heard));
    }
}
