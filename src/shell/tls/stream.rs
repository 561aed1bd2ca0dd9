//! TLS over another stream.
//!
//! rustls' unbuffered interface leaves the buffers to its user: what is read, decrypted and encrypted lies in buffers that
//! all connections share. A connection owns only what is unfinished, so an idle one owns none.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem;
use std::rc::Rc;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncryptError, WriteTraffic};

use crate::core::Client;
use crate::core::Stream;
use crate::limits::{MAX_TLS_IDLE_TALK, MAX_TLS_RECORD, MAX_TLS_UNSENT, READ_BUFFER};
use crate::shell::tls::buffers::{Buffers, Outgoing, PIECE, Remainder};
use crate::shell::tls::session::{Peer, pass, pass_alert};

/// The least that is read at once, however little is asked for.
const LEAST_READ: usize = 4 << 10;

/// What is said to someone who speaks HTTP where TLS is spoken.
const NOT_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 59\r\nConnection: close\r\n\r\n\
    This port speaks TLS: use https:// or wss:// in the address";

/// The server's side of TLS over `S`.
///
/// Like a socket it is read until it blocks, and may be written to until it does. Nothing may be written before
/// something has been read, since that it has become writable after the handshake is announced by nothing else.
pub(in crate::shell) struct TlsStream<S: Stream> {
    inner: S,
    session: UnbufferedServerConnection,
    buffers: Rc<RefCell<Buffers>>,
    /// Input as it came, of which the rest is missing. Whatever is asked of the session, it wants to see this.
    tail: Vec<u8>,
    /// Decrypted, and not taken yet.
    plaintext: Remainder,
    /// Encrypted, and not taken by the kernel yet: all that is sent goes through here, in its order.
    unsent: Remainder,
    input: Input,
    output: Output,
}

/// What comes next from the peer.
enum Input {
    /// Its first byte, which tells whether it speaks TLS at all.
    Unknown,
    Open,
    /// What is of no interest any more.
    Ignored,
    /// Nothing, which it has said or not; protocols above know their own end.
    Ended,
    /// Nothing, for this reason, which was not reported yet.
    Failed(io::Error),
}

/// What may still be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Open,
    /// What is unsent, and then the end.
    Ending,
    Ended,
}

impl<S: Stream> TlsStream<S> {
    /// Awaits a handshake from the other end of `inner`.
    pub(super) fn new(
        inner: S,
        session: UnbufferedServerConnection,
        buffers: Rc<RefCell<Buffers>>,
    ) -> Self {
        Self {
            inner,
            session,
            buffers,
            tail: Vec::new(),
            plaintext: Remainder::default(),
            unsent: Remainder::default(),
            input: Input::Unknown,
            output: Output::Open,
        }
    }

    /// What is beneath.
    pub(in crate::shell) fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Reads once from beneath, and decrypts what has come. Says how much came, and how much of it is now in `space`.
    fn fetch(&mut self, buffers: &mut Buffers, space: &mut [u8]) -> io::Result<(usize, usize)> {
        let Buffers {
            incoming, outgoing, ..
        } = buffers;
        let kept = self.tail.len();
        let end = kept + read_size(space);
        let count = self.inner.read(&mut incoming[kept..end])?;
        if count == 0 {
            self.input = Input::Ended;
            return Ok((0, 0));
        }
        match self.input {
            Input::Unknown if incoming[0].is_ascii_alphabetic() => self.turn_away()?,
            Input::Unknown => self.input = Input::Open,
            _ => {}
        }
        if matches!(self.input, Input::Ignored) {
            return Ok((count, 0));
        }
        incoming[..kept].copy_from_slice(&self.tail);
        let mut filled = 0;
        let mut used = 0;
        let input = &mut incoming[..kept + count];
        let passed = pass(&mut self.session, input, &mut used, outgoing, |record| {
            let (taken, left) = record.split_at(record.len().min(space.len() - filled));
            space[filled..][..taken.len()].copy_from_slice(taken);
            filled += taken.len();
            self.plaintext.append(left);
        });
        self.tail = input[used..].to_vec();
        match passed {
            Ok(_) if self.tail.len() > MAX_TLS_RECORD => self.fail("a message is too long"),
            Ok(Peer::Talks) => {}
            Ok(Peer::HasEnded) => self.input = Input::Ended,
            Err(error) => {
                self.fail(error);
                pass_alert(&mut self.session, outgoing);
            }
        }
        if let Err(error) = self.send(outgoing) {
            self.input = Input::Failed(error);
        } else if self.unsent.len() > MAX_TLS_UNSENT {
            self.fail("answers to the protocol's own messages are not taken");
        }
        Ok((count, filled))
    }

    /// The peer has broken the rules of TLS. The session is not asked for anything any more, as it would panic.
    fn fail(&mut self, error: impl Display) {
        self.input = Input::Failed(tls_error(error));
        self.output = Output::Ended;
        self.tail = Vec::new();
    }

    /// Tells someone who speaks no TLS, but most likely HTTP, what to do.
    fn turn_away(&mut self) -> io::Result<()> {
        self.input = Input::Ignored;
        self.output = Output::Ended;
        // Nothing has been sent before, so the kernel takes it whole.
        self.inner.write_all(NOT_HTTP)?;
        self.inner.shutdown_write()
    }

    /// Sends what is encrypted, as far as the kernel takes it, and keeps the rest.
    fn send(&mut self, outgoing: &mut Outgoing) -> io::Result<()> {
        let mut bytes = outgoing.take();
        if self.unsent.is_empty() {
            while !bytes.is_empty() {
                match self.inner.write(bytes) {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(count) => bytes = &bytes[count..],
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.unsent.append(bytes);
        Ok(())
    }

    /// Encrypts and sends. `encrypt` is given the session only when that may be.
    fn encrypt(
        &mut self,
        outgoing: &mut Outgoing,
        encrypt: impl FnOnce(&mut Traffic<'_>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> io::Result<()> {
        let mut state = self.session.process_tls_records(&mut self.tail).state;
        match &mut state {
            Ok(ConnectionState::WriteTraffic(traffic)) => {
                let count = encrypt(traffic, outgoing.space()).map_err(tls_error)?;
                outgoing.fill(count);
                self.send(outgoing)
            }
            Ok(_) => Err(ErrorKind::WouldBlock.into()),
            Err(error) => {
                let error = tls_error(error);
                self.output = Output::Ended;
                Err(error)
            }
        }
    }
}

impl<S: Stream> Read for TlsStream<S> {
    /// Fills `space` as far as what has come allows: less means that there is no more, or that `has_more` says so.
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let buffers = Rc::clone(&self.buffers);
        let mut buffers = buffers.borrow_mut();
        let mut filled = self.plaintext.take(space);
        let mut talk = 0;
        while filled < space.len() {
            match mem::replace(&mut self.input, Input::Ended) {
                Input::Ended => return Ok(filled),
                Input::Failed(error) if filled == 0 => return Err(error),
                input => self.input = input,
            }
            if matches!(self.input, Input::Failed(_)) {
                return Ok(filled);
            }
            let wanted = read_size(&space[filled..]);
            let (came, decrypted) = match self.fetch(&mut buffers, &mut space[filled..]) {
                Ok(counts) => counts,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if filled == 0 => return Err(error),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(filled),
                Err(error) => {
                    self.input = Input::Failed(error);
                    return Ok(filled);
                }
            };
            filled += decrypted;
            talk = if decrypted > 0 { 0 } else { talk + came };
            if talk > MAX_TLS_IDLE_TALK {
                self.fail("there is no end of messages of the protocol's own");
            }
            // As of a socket, of which that is the end for now. With nothing to show for it the question has to be asked.
            if came < wanted && filled > 0 {
                return Ok(filled);
            }
        }
        Ok(filled)
    }
}

impl<S: Stream> Write for TlsStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    /// Takes as much as leaves in one call, and nothing while something is unsent.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.output != Output::Open {
            return Err(ErrorKind::BrokenPipe.into());
        }
        self.flush()?;
        let buffers = Rc::clone(&self.buffers);
        let Buffers {
            outgoing, gathered, ..
        } = &mut *buffers.borrow_mut();
        let piece = match slices {
            [slice] => &slice[..slice.len().min(PIECE)],
            _ => gather(slices, gathered),
        };
        self.encrypt(outgoing, |traffic, space| traffic.encrypt(piece, space))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.inner.write(self.unsent.rest()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.unsent.advance(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.output == Output::Ending {
            self.output = Output::Ended;
            self.inner.shutdown_write()?;
        }
        Ok(())
    }
}

impl<S: Stream> Stream for TlsStream<S> {
    /// Says so within TLS, and then beneath it when that has been sent (RFC 8446 section 6.1).
    fn shutdown_write(&mut self) -> io::Result<()> {
        if self.output != Output::Open {
            return Ok(());
        }
        self.output = Output::Ending;
        let buffers = Rc::clone(&self.buffers);
        let outgoing = &mut buffers.borrow_mut().outgoing;
        match self.encrypt(outgoing, close_notify) {
            // There is nobody yet to say it to.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => result?,
        }
        match self.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }

    fn client(&self) -> Option<Client> {
        self.inner.client()
    }

    fn has_more(&self) -> bool {
        !self.plaintext.is_empty() || matches!(self.input, Input::Ended | Input::Failed(_))
    }

    fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    fn held_bytes(&self) -> usize {
        self.tail.capacity() + self.plaintext.held_bytes() + self.unsent.held_bytes()
    }
}

impl<S: Stream> Drop for TlsStream<S> {
    /// Who goes without a word says it at least here.
    fn drop(&mut self) {
        if !matches!(self.input, Input::Unknown | Input::Failed(_)) {
            let _ = self.shutdown_write();
        }
    }
}

type Traffic<'a> = WriteTraffic<'a, ServerConnectionData>;

/// How much to read for `space`: the plaintext of more would have to be kept, and takes memory.
fn read_size(space: &[u8]) -> usize {
    space.len().clamp(LEAST_READ, READ_BUFFER)
}

fn close_notify(traffic: &mut Traffic<'_>, space: &mut [u8]) -> Result<usize, EncryptError> {
    traffic.queue_close_notify(space)
}

fn tls_error(error: impl Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("TLS: {error}"))
}

/// What all of these begin with, in one piece, so that many small messages become few records.
fn gather<'a>(slices: &[IoSlice<'_>], gathered: &'a mut Vec<u8>) -> &'a [u8] {
    gathered.clear();
    for slice in slices {
        let space = PIECE - gathered.len();
        gathered.extend_from_slice(&slice[..slice.len().min(space)]);
    }
    gathered
}
