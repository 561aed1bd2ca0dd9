//! What a connection's bytes go through.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;

use crate::core::Stream;
use crate::core::{Client, Proxied};
use crate::shell::tls::TlsStream;

/// A client's connection, as the server reads and writes it.
pub(super) enum Transport {
    Plain(Proxied<TcpStream>),
    /// Elsewhere, so that the others do not take its place.
    Tls(Box<TlsStream<Proxied<TcpStream>>>),
}

impl Transport {
    /// The socket, if another process can go on with it: it cannot take the keys of TLS.
    pub(super) fn plain(&self) -> Option<&Proxied<TcpStream>> {
        match self {
            Self::Plain(socket) => Some(socket),
            Self::Tls(_) => None,
        }
    }

    /// The socket, to register it for events.
    pub(super) fn socket_mut(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket.get_mut(),
            Self::Tls(stream) => stream.inner_mut().get_mut(),
        }
    }
}

impl Stream for TcpStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn local_port(&self) -> Option<u16> {
        self.local_addr().ok().map(|address| address.port())
    }
}

impl Stream for Transport {
    fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.shutdown_write(),
            Self::Tls(stream) => stream.shutdown_write(),
        }
    }

    fn client(&self) -> Option<Client> {
        match self {
            Self::Plain(socket) => socket.client(),
            Self::Tls(stream) => stream.client(),
        }
    }

    fn has_shown_certificate(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    fn local_port(&self) -> Option<u16> {
        match self {
            Self::Plain(socket) => socket.local_port(),
            Self::Tls(stream) => stream.local_port(),
        }
    }

    fn has_more(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.has_more(),
        }
    }

    fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.has_unsent(),
        }
    }

    fn held_bytes(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(stream) => stream.held_bytes(),
        }
    }
}

impl Read for Transport {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(space),
            Self::Tls(stream) => stream.read(space),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write_vectored(slices),
            Self::Tls(stream) => stream.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
