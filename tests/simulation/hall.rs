//! A server and guests that do as they are told, tick by tick: for runs in which nothing is left to chance.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use parlor::core::handover::HandoverError;
use parlor::core::site::{File, Site};
use parlor::core::{Now, Proxied, Server};
use parlor::settings::Limits;

use crate::plan::PAGE;
use crate::random::Random;
use crate::reader::{Reader, Seen};
use crate::socket::{Journal, Link, Luck, Shared, Socket};
use crate::units;

/// How much later each tick is.
pub(crate) const TICK_MS: u64 = 20;

/// A kernel that does all that it is asked for, and has place for this many bytes towards the client.
const fn good_luck(capacity: usize) -> Luck {
    Luck {
        short_read: 0,
        short_write: 0,
        no_read: 0,
        no_write: 0,
        interrupted: 0,
        capacity,
        keeps: false,
    }
}

pub(crate) struct Hall {
    pub(crate) server: Server<Proxied<Socket>>,
    pub(crate) now: Now,
    guests: Vec<Guest>,
    journal: Journal,
    random: Random,
}

struct Guest {
    link: Shared,
    index: usize,
    reader: Reader,
}

/// A way in besides HTTP.
type Admit = fn(
    &mut Server<Proxied<Socket>>,
    Proxied<Socket>,
    SocketAddr,
    Now,
) -> Result<usize, Proxied<Socket>>;

/// Names a guest for as long as the hall stands.
pub(crate) type GuestId = usize;

impl Hall {
    /// An empty one, with these flags of the command line.
    pub(crate) fn new(flags: &[&str]) -> Self {
        Self::begun_at(1_000_000, flags)
    }

    /// The same, at this time on the server's clock.
    pub(crate) fn begun_at(ms: u64, flags: &[&str]) -> Self {
        Self::with(ms, [0; 32], flags)
    }

    /// The same with another seed.
    pub(crate) fn seeded(seed: [u8; 32], flags: &[&str]) -> Self {
        Self::with(1_000_000, seed, flags)
    }

    /// The same with both.
    pub(crate) fn with(ms: u64, seed: [u8; 32], flags: &[&str]) -> Self {
        let now = Now {
            ms,
            unix_ms: 784_111_777_000,
        };
        let mut limits = Limits::of_flags(flags);
        if limits.max_connections == 0 {
            limits.max_connections = 10_000;
        }
        let page = File {
            path: "/",
            content_type: "text/html",
            bytes: PAGE,
        };
        Self {
            server: Server::new(limits, Vec::new(), Site::new(&[page]), seed, now),
            now,
            guests: Vec::new(),
            journal: Journal::default(),
            random: Random::new(0, 0),
        }
    }

    /// Someone on this machine connects.
    pub(crate) fn connect(&mut self, capacity: usize) -> GuestId {
        let peer = Ipv4Addr::LOCALHOST.into();
        self.connect_from(peer, capacity).expect("there is a place")
    }

    /// Someone connects from here, unless the socket is closed at once.
    pub(crate) fn connect_from(&mut self, peer: IpAddr, capacity: usize) -> Option<GuestId> {
        let guest = self.guests.len();
        let random = Random::new(0, guest as u64);
        let link = Link::new(guest, good_luck(capacity), random, &self.journal);
        let socket = Socket(Rc::clone(&link));
        let socket = if self.server.is_trusted(peer) {
            Proxied::trusted(socket)
        } else {
            Proxied::plain(socket)
        };
        let index = self.server.admit(socket, (peer, 1).into(), self.now).ok()?;
        self.guests.push(Guest {
            link,
            index,
            reader: Reader::default(),
        });
        Some(guest)
    }

    /// Someone comes to the line port.
    pub(crate) fn connect_typist(&mut self, capacity: usize) -> GuestId {
        self.connect_by(Server::admit_lines, capacity)
    }

    /// Someone comes to hand over an export.
    pub(crate) fn connect_import(&mut self) -> GuestId {
        self.connect_by(Server::admit_import, usize::MAX)
    }

    fn connect_by(&mut self, admit: Admit, capacity: usize) -> GuestId {
        let guest = self.guests.len();
        let random = Random::new(0, guest as u64);
        let link = Link::new(guest, good_luck(capacity), random, &self.journal);
        let socket = Proxied::plain(Socket(Rc::clone(&link)));
        let peer = (Ipv4Addr::LOCALHOST, 1).into();
        let index = admit(&mut self.server, socket, peer, self.now);
        self.guests.push(Guest {
            link,
            index: index.expect("there is a place"),
            reader: Reader::default(),
        });
        guest
    }

    /// Someone comes into a room.
    pub(crate) fn enter(&mut self, room: usize) -> GuestId {
        self.enter_with(room, usize::MAX)
    }

    /// Someone comes into a room for whom the kernel keeps no more than `capacity` unread bytes.
    pub(crate) fn enter_with(&mut self, room: usize, capacity: usize) -> GuestId {
        let guest = self.connect(capacity);
        assert_eq!(self.ask(guest, &units::upgrade(room)), 101);
        guest
    }

    /// Sends a request, and says which status it is answered with.
    pub(crate) fn ask(&mut self, guest: GuestId, request: &[u8]) -> u16 {
        self.guests[guest].reader.expect_response(false);
        self.send(guest, request);
        self.tick(u64::MAX);
        match &self.read(guest)[..] {
            [Seen::Response { status, .. }] => *status,
            other => panic!("a request was answered with {other:?}"),
        }
    }

    /// Someone comes by the JSON door.
    pub(crate) fn enter_json(&mut self, guest: GuestId) {
        self.enter_json_with(guest, "");
    }

    /// The same with more fields in the request.
    pub(crate) fn enter_json_with(&mut self, guest: GuestId, fields: &str) {
        self.guests[guest].reader.expect_response(false);
        let mut request = units::json_upgrade("/ws");
        let end = request.len() - 2;
        request.splice(end..end, fields.bytes());
        self.send(guest, &request);
        self.tick(u64::MAX);
    }

    /// Sends a request, or its beginning, whose response is read later.
    pub(crate) fn request(&mut self, guest: GuestId, bytes: &[u8]) {
        self.guests[guest].reader.expect_response(false);
        self.send(guest, bytes);
    }

    pub(crate) fn send(&mut self, guest: GuestId, bytes: &[u8]) {
        let mut link = self.guests[guest].link.borrow_mut();
        link.arrive(bytes.iter().copied());
    }

    /// A frame as a client sends it.
    pub(crate) fn frame(&mut self, opcode: u8, payload: &[u8]) -> Vec<u8> {
        units::frame(true, opcode, payload, &mut self.random)
    }

    pub(crate) fn say(&mut self, guest: GuestId, opcode: u8, payload: &[u8]) {
        let frame = self.frame(opcode, payload);
        self.send(guest, &frame);
    }

    /// Ends a guest's side.
    pub(crate) fn end(&mut self, guest: GuestId) {
        self.guests[guest].link.borrow_mut().end();
    }

    /// A guest closes its socket.
    pub(crate) fn hang_up(&mut self, guest: GuestId) {
        self.guests[guest].link.borrow_mut().close();
    }

    /// Sends a frame of `payload`, and more until `bytes` of them wait for the server.
    pub(crate) fn flood(&mut self, guest: GuestId, payload: &[u8], bytes: usize) {
        let frame = self.frame(2, payload);
        self.send(guest, &frame);
        while self.unread(&[guest]) < bytes {
            self.send(guest, &frame);
        }
    }

    /// Whether the kernel has something to report.
    pub(crate) fn has_events(&self) -> bool {
        self.guests
            .iter()
            .any(|guest| guest.link.borrow().has_event())
    }

    /// Bytes of these guests that the server has not read.
    pub(crate) fn unread(&self, guests: &[GuestId]) -> usize {
        let links = guests.iter().map(|&guest| self.guests[guest].link.borrow());
        links.map(|link| link.to_server.len()).sum()
    }

    /// What has come for a guest since it last read.
    pub(crate) fn read(&mut self, guest: GuestId) -> Vec<Seen> {
        let Guest { link, reader, .. } = &mut self.guests[guest];
        let bytes = link.borrow_mut().take(usize::MAX);
        reader.feed(&bytes).expect("the server speaks the protocol")
    }

    /// Takes so many bytes of what has come for a guest, or as many as there are.
    pub(crate) fn sip(&mut self, guest: GuestId, most: usize) -> Vec<u8> {
        self.guests[guest].link.borrow_mut().take(most)
    }

    /// The server has said that it will send a guest no more.
    pub(crate) fn has_ended(&self, guest: GuestId) -> bool {
        self.guests[guest].link.borrow().server_ended
    }

    /// Reads what has come for these guests, whatever it is.
    pub(crate) fn discard(&mut self, guests: &[GuestId]) {
        for &guest in guests {
            self.guests[guest].link.borrow_mut().take(usize::MAX);
        }
    }

    /// From now on what is written to a guest is kept before the kernel, as TLS keeps it, until `widen`.
    pub(crate) fn keep(&mut self, guest: GuestId) {
        self.guests[guest].link.borrow_mut().keep();
    }

    /// From now on the kernel has place for all that comes.
    pub(crate) fn widen(&mut self) {
        for guest in &self.guests {
            guest.link.borrow_mut().widen();
        }
    }

    /// The server has closed a guest's socket.
    pub(crate) fn is_gone(&self, guest: GuestId) -> bool {
        self.guests[guest].link.borrow().dropped
    }

    /// Another server takes over, with these limits: all guests, or those that are handed over.
    pub(crate) fn hand_over(
        &mut self,
        limits: Limits,
        is_handed_over: impl Fn(GuestId) -> bool,
    ) -> Result<(), HandoverError> {
        let next = Server::new(limits, Vec::new(), Site::new(&[]), [7; 32], self.now);
        self.hand_over_to(next, is_handed_over)
    }

    /// The same: this server does.
    pub(crate) fn hand_over_to(
        &mut self,
        mut next: Server<Proxied<Socket>>,
        is_handed_over: impl Fn(GuestId) -> bool,
    ) -> Result<(), HandoverError> {
        let state = self.server.state()?;
        let taken = self.guests.iter().enumerate();
        let taken = taken.filter(|(guest, _)| is_handed_over(*guest));
        let taken: BTreeSet<usize> = taken.map(|(_, guest)| guest.index).collect();
        let sockets = self.server.sockets();
        let sockets = sockets.filter(|(index, _)| taken.contains(index));
        let sockets = sockets.map(|(index, it)| {
            let socket = it.get_ref().hand_over();
            (index, Proxied::resume(socket, it.state()))
        });
        let sockets = sockets.collect();
        next.take_over(&state, sockets, self.now)?;
        next.check_invariants().expect("an invariant, at once");
        self.server = next;
        Ok(())
    }

    /// One tick of the loop, whose writing half may take so many units: with 0 it hands out one slice.
    pub(crate) fn tick(&mut self, length: u64) {
        self.begin_tick();
        self.end_tick(length);
    }

    /// One tick of the loop as the shell has it, which may take so many units in all.
    pub(crate) fn whole_tick(&mut self, length: u64) {
        self.server.budget().begin_tick(length);
        self.run_reads();
        self.end_of_tick();
    }

    /// The reading half of a tick.
    pub(crate) fn begin_tick(&mut self) {
        self.server.budget().begin_tick(u64::MAX);
        self.run_reads();
    }

    fn run_reads(&mut self) {
        self.now.ms += TICK_MS;
        for guest in &self.guests {
            let event = guest.link.borrow_mut().take_event();
            if let Some(ready) = event {
                self.server.on_ready(guest.index, ready);
            }
        }
        self.server.run_reads(self.now);
    }

    /// The writing half.
    pub(crate) fn end_tick(&mut self, length: u64) {
        self.server.budget().begin_tick(length);
        self.end_of_tick();
    }

    fn end_of_tick(&mut self) {
        self.server.end_of_tick(self.now);
        self.server.check_invariants().expect("an invariant");
        for guest in &self.guests {
            assert_eq!(guest.link.borrow().misuse, None);
        }
        self.journal.borrow_mut().clear();
    }
}
