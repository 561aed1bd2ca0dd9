//! What a connection's bytes go through.

mod apart;

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use socket2::{SockRef, TcpKeepalive};

use crate::core::Stream;
use crate::core::{Client, Proxied};
use crate::shell::tls::TlsStream;
use apart::Apart;

/// A client's connection, as the server reads and writes it.
pub(super) enum Transport {
    Plain(Proxied<TcpStream>),
    /// Elsewhere, so that the others do not take its place.
    Apart(Box<Apart>),
}

impl Transport {
    /// That of a client that speaks TLS.
    pub(super) fn tls(stream: TlsStream<Proxied<TcpStream>>) -> Self {
        Self::Apart(Box::new(Apart::Tls(stream)))
    }

    /// That of another program of this user's.
    pub(super) fn local(socket: UnixStream) -> Self {
        Self::Apart(Box::new(Apart::Local(socket)))
    }

    /// The socket, if another process can go on with it: it cannot take the keys of TLS, and an import is told to stop.
    pub(super) fn plain(&self) -> Option<&Proxied<TcpStream>> {
        match self {
            Self::Plain(socket) => Some(socket),
            Self::Apart(_) => None,
        }
    }

    /// The socket, to register it for events.
    pub(super) fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Plain(socket) => socket.get_mut(),
            Self::Apart(stream) => stream.source(),
        }
    }

    /// Has TCP ask now and then whether the other end is there. The kernel knows it of a program on this machine.
    pub(super) fn keep_alive(&mut self, keepalive: &TcpKeepalive) -> io::Result<()> {
        let socket = match self {
            Self::Plain(socket) => Some(socket.get_mut()),
            Self::Apart(stream) => stream.tcp(),
        };
        socket.map_or(Ok(()), |socket| {
            SockRef::from(&*socket).set_tcp_keepalive(keepalive)
        })
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

impl Stream for UnixStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Stream for Transport {
    fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown_write(),
            Self::Apart(stream) => stream.shutdown_write(),
        }
    }

    fn client(&self) -> Option<Client> {
        match self {
            Self::Plain(stream) => stream.client(),
            Self::Apart(stream) => stream.client(),
        }
    }

    fn has_shown_certificate(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.has_shown_certificate(),
            Self::Apart(stream) => stream.has_shown_certificate(),
        }
    }

    fn local_port(&self) -> Option<u16> {
        match self {
            Self::Plain(stream) => stream.local_port(),
            Self::Apart(stream) => stream.local_port(),
        }
    }

    fn has_more(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.has_more(),
            Self::Apart(stream) => stream.has_more(),
        }
    }

    fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.has_unsent(),
            Self::Apart(stream) => stream.has_unsent(),
        }
    }

    fn held_bytes(&self) -> usize {
        match self {
            Self::Plain(stream) => stream.held_bytes(),
            Self::Apart(stream) => stream.held_bytes(),
        }
    }
}

impl Read for Transport {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(space),
            Self::Apart(stream) => stream.read(space),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Apart(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write_vectored(slices),
            Self::Apart(stream) => stream.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Apart(stream) => stream.flush(),
        }
    }
}
