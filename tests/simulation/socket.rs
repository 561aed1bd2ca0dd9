//! A socket in memory: what the kernel keeps of one connection, and how it behaves with bad luck.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::rc::Rc;

use parlor::core::{Ready, Stream};

use crate::random::Random;

/// What the server did to a socket, in the order in which it did it: the model follows it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    /// It has read all bytes up to this position of the stream.
    Read { life: usize, upto: u64 },
    /// It has read the end of the stream.
    ReadEnd { life: usize },
    /// It was told that the connection is broken.
    Failed { life: usize },
    /// It has closed the socket.
    Dropped { life: usize },
}

pub(crate) type Journal = Rc<RefCell<Vec<Entry>>>;
pub(crate) type Shared = Rc<RefCell<Link>>;

/// How the kernel behaves; chances in a thousand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Luck {
    /// A read gives less than is there.
    pub(crate) short_read: usize,
    /// A write takes less than there is place for.
    pub(crate) short_write: usize,
    /// A read finds nothing, though there is something.
    pub(crate) no_read: usize,
    /// A write is refused, though there is place.
    pub(crate) no_write: usize,
    pub(crate) interrupted: usize,
    /// Bytes that fit between the server's write and the client's read.
    pub(crate) capacity: usize,
    /// Between the server and the kernel lies something that takes bytes before the kernel does, as TLS is.
    pub(crate) keeps: bool,
}

/// Bytes that such a thing takes at once.
const KEPT_BYTES: usize = 500;

/// One connection, seen from the kernel.
#[derive(Debug)]
pub(crate) struct Link {
    life: usize,
    luck: Luck,
    random: Random,
    journal: Journal,
    /// Arrived and not read by the server.
    pub(crate) to_server: VecDeque<u8>,
    /// Written by the server and not taken by the kernel.
    kept: VecDeque<u8>,
    /// The server's end is to be said behind that.
    is_ending: bool,
    /// Written by the server and not read by the client.
    pub(crate) to_client: VecDeque<u8>,
    /// The client sends no more.
    pub(crate) client_ended: bool,
    /// The client reads no more either; what is written is answered with a reset.
    pub(crate) client_gone: bool,
    pub(crate) reset: bool,
    /// The server has shut its side.
    pub(crate) server_ended: bool,
    /// How many servers have the socket: two while one takes over from the other.
    holders: usize,
    /// The server has closed the socket.
    pub(crate) dropped: bool,
    /// It did so with unread bytes: what it had written is lost.
    pub(crate) overtaken: bool,
    /// The last write was refused: the server waits to be told that there is place.
    write_blocked: bool,
    events: Ready,
    read_count: u64,
    /// What the server did wrong.
    pub(crate) misuse: Option<&'static str>,
}

impl Link {
    pub(crate) fn new(life: usize, luck: Luck, random: Random, journal: &Journal) -> Shared {
        Rc::new(RefCell::new(Self {
            life,
            luck,
            random,
            journal: Rc::clone(journal),
            to_server: VecDeque::new(),
            kept: VecDeque::new(),
            is_ending: false,
            to_client: VecDeque::new(),
            client_ended: false,
            client_gone: false,
            reset: false,
            server_ended: false,
            holders: 1,
            dropped: false,
            overtaken: false,
            write_blocked: false,
            events: Ready {
                writable: true,
                ..Ready::default()
            },
            read_count: 0,
            misuse: None,
        }))
    }

    /// Bytes arrive from the client.
    pub(crate) fn arrive(&mut self, bytes: impl Iterator<Item = u8>) {
        self.to_server.extend(bytes);
        self.events.readable = true;
    }

    /// The client's FIN arrives.
    pub(crate) fn end(&mut self) {
        self.client_ended = true;
        self.events.readable = true;
        self.events.ending = true;
    }

    /// The client closes its socket: no more is read, and what arrives is answered with a reset.
    pub(crate) fn close(&mut self) {
        self.end();
        self.client_gone = true;
    }

    /// A reset arrives.
    pub(crate) fn reset(&mut self) {
        self.reset = true;
        self.to_server.clear();
        self.to_client.clear();
        self.events = Ready {
            readable: true,
            writable: true,
            ending: true,
        };
    }

    /// From now on bytes are kept before the kernel, which takes none.
    pub(crate) fn keep(&mut self) {
        self.luck.keeps = true;
        self.set_capacity(0);
    }

    pub(crate) fn widen(&mut self) {
        self.set_capacity(usize::MAX);
    }

    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.luck.capacity = capacity;
    }

    /// The client reads.
    pub(crate) fn take(&mut self, most: usize) -> Vec<u8> {
        let count = most.min(self.to_client.len());
        self.to_client.drain(..count).collect()
    }

    /// The next event, once. Mostly it also tells of what was told before and still holds, as epoll does.
    pub(crate) fn take_event(&mut self) -> Option<Ready> {
        let has_place = self.to_client.len() < self.luck.capacity || self.client_gone;
        if self.write_blocked && has_place {
            self.write_blocked = false;
            self.events.writable = true;
        }
        if self.dropped || self.events == Ready::default() {
            return None;
        }
        let mut event = std::mem::take(&mut self.events);
        event.ending |= self.client_ended || self.reset;
        if self.random.chance(700) {
            event.readable |= !self.to_server.is_empty() || self.client_ended || self.reset;
            event.writable |= has_place;
        }
        Some(event)
    }

    pub(crate) fn has_event(&self) -> bool {
        let has_place = self.to_client.len() < self.luck.capacity || self.client_gone;
        !self.dropped && (self.events != Ready::default() || self.write_blocked && has_place)
    }

    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.reset {
            self.note(Entry::Failed { life: self.life });
            return Err(ErrorKind::ConnectionReset.into());
        }
        if self.random.chance(self.luck.interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        if self.to_server.is_empty() {
            if self.client_ended {
                self.note(Entry::ReadEnd { life: self.life });
                return Ok(0);
            }
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.random.chance(self.luck.no_read) {
            self.events.readable = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut count = space.len().min(self.to_server.len());
        if self.random.chance(self.luck.short_read) {
            count = self.random.between(1, count);
        }
        for (place, byte) in space.iter_mut().zip(self.to_server.drain(..count)) {
            *place = byte;
        }
        // Whoever gets less than it asked for takes it that there is no more: the rest has come just now.
        self.events.readable |= !self.to_server.is_empty();
        self.read_count += count as u64;
        self.note(Entry::Read {
            life: self.life,
            upto: self.read_count,
        });
        Ok(count)
    }

    /// What the server writes: to the kernel, or to what lies before it.
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.luck.keeps {
            return self.write_through(slices);
        }
        if self.is_ending {
            self.misuse = Some("written to after its end");
        }
        self.flush()?;
        let bytes = slices.iter().flat_map(|slice| slice.iter().copied());
        self.kept.extend(bytes.take(KEPT_BYTES));
        let count = self.kept.len();
        match self.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(count),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.kept.is_empty() {
            let bytes: Vec<u8> = self.kept.iter().copied().collect();
            match self.write_through(&[IoSlice::new(&bytes)]) {
                Ok(count) => drop(self.kept.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.is_ending {
            self.is_ending = false;
            self.server_ended = true;
        }
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        if self.reset {
            return Err(ErrorKind::NotConnected.into());
        }
        self.is_ending = true;
        match self.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    fn write_through(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.server_ended {
            self.misuse = Some("written to after its end");
        }
        if self.reset || self.client_gone {
            self.note(Entry::Failed { life: self.life });
            return Err(ErrorKind::BrokenPipe.into());
        }
        if self.random.chance(self.luck.interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        let place = self.luck.capacity.saturating_sub(self.to_client.len());
        if place == 0 || self.random.chance(self.luck.no_write) {
            self.write_blocked = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        if total == 0 {
            self.misuse = Some("written to without bytes");
        }
        let mut count = total.min(place);
        if self.random.chance(self.luck.short_write) {
            count = self.random.between(1, count);
        }
        let bytes = slices.iter().flat_map(|slice| slice.iter());
        self.to_client.extend(bytes.take(count));
        Ok(count)
    }

    fn note(&self, entry: Entry) {
        self.journal.borrow_mut().push(entry);
    }
}

/// The server's end of a link.
#[derive(Debug)]
pub(crate) struct Socket(pub(crate) Shared);

impl Socket {
    /// The same for another server, which is told at once what it is ready for, as epoll does with a socket that is new to it.
    pub(crate) fn hand_over(&self) -> Self {
        let mut link = self.0.borrow_mut();
        link.holders += 1;
        link.events = Ready {
            readable: !link.to_server.is_empty() || link.client_ended || link.reset,
            writable: true,
            ending: link.client_ended || link.reset,
        };
        Self(Rc::clone(&self.0))
    }
}

impl Read for Socket {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(space)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.borrow_mut().write(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

impl Stream for Socket {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.borrow_mut().shutdown_write()
    }

    fn has_unsent(&self) -> bool {
        !self.0.borrow().kept.is_empty()
    }

    fn held_bytes(&self) -> usize {
        self.0.borrow().kept.len()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut link = self.0.borrow_mut();
        link.holders -= 1;
        if link.holders > 0 {
            return;
        }
        link.dropped = true;
        // The kernel answers unread bytes with a reset, and that overtakes what was written.
        if !link.to_server.is_empty() {
            link.overtaken = true;
            link.to_client.clear();
        }
        link.note(Entry::Dropped { life: link.life });
    }
}
