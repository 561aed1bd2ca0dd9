//! What is no plain TCP connection.

use std::io::{self, IoSlice, Read, Write};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};

use crate::core::Stream;
use crate::core::{Client, Proxied};
use crate::shell::tls::TlsStream;

/// A connection over TLS, or that of another program of this user's.
#[expect(
    clippy::large_enum_variant,
    reason = "imports are few, and this is in a box"
)]
pub(in crate::shell) enum Apart {
    Tls(TlsStream<Proxied<TcpStream>>),
    Local(UnixStream),
}

impl Apart {
    /// The socket, to register it for events.
    pub(super) fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tls(stream) => stream.inner_mut().get_mut(),
            Self::Local(socket) => socket,
        }
    }

    /// The socket, if it is one of TCP.
    pub(super) fn tcp(&mut self) -> Option<&mut TcpStream> {
        match self {
            Self::Tls(stream) => Some(stream.inner_mut().get_mut()),
            Self::Local(_) => None,
        }
    }
}

impl Stream for Apart {
    fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => stream.shutdown_write(),
            Self::Local(stream) => stream.shutdown_write(),
        }
    }

    fn client(&self) -> Option<Client> {
        match self {
            Self::Tls(stream) => stream.client(),
            Self::Local(stream) => stream.client(),
        }
    }

    fn has_shown_certificate(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    fn local_port(&self) -> Option<u16> {
        match self {
            Self::Tls(stream) => stream.local_port(),
            Self::Local(stream) => stream.local_port(),
        }
    }

    fn has_more(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.has_more(),
            Self::Local(stream) => stream.has_more(),
        }
    }

    fn has_unsent(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.has_unsent(),
            Self::Local(stream) => stream.has_unsent(),
        }
    }

    fn held_bytes(&self) -> usize {
        match self {
            Self::Tls(stream) => stream.held_bytes(),
            Self::Local(stream) => stream.held_bytes(),
        }
    }
}

impl Read for Apart {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tls(stream) => stream.read(space),
            Self::Local(stream) => stream.read(space),
        }
    }
}

impl Write for Apart {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tls(stream) => stream.write(bytes),
            Self::Local(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tls(stream) => stream.write_vectored(slices),
            Self::Local(stream) => stream.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => stream.flush(),
            Self::Local(stream) => stream.flush(),
        }
    }
}
