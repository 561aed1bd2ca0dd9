//! The way of a command to a server, where it is a client and waits for what it does: TCP, or TLS over it.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum DialError {
    /// Nobody answers there.
    Unreachable(io::Error),
    /// The handshake of TLS fails.
    Tls(String),
}

#[derive(Debug)]
pub(crate) enum Connection {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Connection {
    /// Connects by TCP. One read or write may take as long as `timeout`.
    pub(crate) fn open(host: &str, port: u16, timeout: Duration) -> Result<Self, DialError> {
        let tcp = connect(host, port, timeout).map_err(DialError::Unreachable)?;
        Ok(Self::Plain(tcp))
    }

    /// The same by TLS, to the owner of a certificate that `config` trusts.
    pub(crate) fn open_tls(
        host: &str,
        port: u16,
        timeout: Duration,
        config: Arc<ClientConfig>,
    ) -> Result<Self, DialError> {
        let tcp = connect(host, port, timeout).map_err(DialError::Unreachable)?;
        let failed = |error: &dyn fmt::Display| DialError::Tls(error.to_string());
        let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(&error))?;
        let session = ClientConnection::new(config, name);
        let mut stream = StreamOwned::new(session.map_err(|error| failed(&error))?, tcp);
        // The handshake, so that what fails in it is told as such.
        stream
            .conn
            .complete_io(&mut stream.sock)
            .map_err(|error| failed(&error))?;
        Ok(Self::Tls(Box::new(stream)))
    }
}

fn connect(host: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the name has no address");
    for socket in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&socket, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                // What is asked for leaves at once, however short it is.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
