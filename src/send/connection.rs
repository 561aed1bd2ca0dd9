//! The way to a server: TCP, or TLS over it.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::{SendError, tls};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For one read or write: a server may take a while to have a long file on its disk.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The address of a server: `http://localhost:8080`, or what is in a folder of a proxy, `https://chat.example/parlor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    is_tls: bool,
    authority: String,
    path: String,
}

impl ServerAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// What is expected of one.
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str =
            "expected the server's address, such as http://localhost:8080 or https://chat.example";
        let (scheme, rest) = text.split_once("://").ok_or(EXPECTED)?;
        let is_tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(EXPECTED.to_owned()),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_plain = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['?', '#', '@'])
        };
        if authority.is_empty() || !is_plain(authority) || !is_plain(path) {
            return Err(EXPECTED.to_owned());
        }
        Ok(Self {
            is_tls,
            authority: authority.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
        })
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// The folder that the server is in; empty for none.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The host, without the brackets of IPv6, and the port.
    fn host_and_port(&self) -> (&str, u16) {
        let port = self.authority.rsplit_once(':');
        let port = port.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let usual = if self.is_tls { 443 } else { 80 };
        let (host, port) = port.unwrap_or((&self.authority, usual));
        let inside = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        (inside.unwrap_or(host), port)
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[derive(Debug)]
pub(super) enum Connection {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Connection {
    pub(super) fn open(address: &ServerAddress, ca_file: Option<&Path>) -> Result<Self, SendError> {
        let tcp = connect(address).map_err(|error| {
            let what = format!(
                "cannot connect to {address}: {error}; name a server that runs with --server"
            );
            SendError::new(what)
        })?;
        if !address.is_tls {
            return Ok(Self::Plain(tcp));
        }
        let (host, _) = address.host_and_port();
        let no_tls = |error: &dyn fmt::Display| {
            SendError::new(format!(
                "cannot speak TLS to {address}: {error}; see --ca-file"
            ))
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|error| no_tls(&error))?;
        let config = tls::client_config(ca_file, "--ca-file")?;
        let session = ClientConnection::new(config, name);
        let mut stream = StreamOwned::new(session.map_err(|error| no_tls(&error))?, tcp);
        // The handshake, so that what fails in it is told as such.
        stream
            .conn
            .complete_io(&mut stream.sock)
            .map_err(|error| no_tls(&error))?;
        Ok(Self::Tls(Box::new(stream)))
    }
}

fn connect(address: &ServerAddress) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the name has no address");
    for socket in address.host_and_port().to_socket_addrs()? {
        match TcpStream::connect_timeout(&socket, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers() {
        for (text, shown, host, port) in [
            (
                "http://localhost:8080",
                "http://localhost:8080",
                "localhost",
                8080,
            ),
            (
                "https://chat.example/",
                "https://chat.example",
                "chat.example",
                443,
            ),
            ("http://[::1]:90/", "http://[::1]:90", "::1", 90),
            ("http://[::1]", "http://[::1]", "::1", 80),
            (
                "https://chat.example/parlor/",
                "https://chat.example/parlor",
                "chat.example",
                443,
            ),
        ] {
            let address = ServerAddress::parse(text).unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(address.host_and_port(), (host, port), "{text}");
        }
        for bad in [
            "",
            "localhost:8080",
            "ws://localhost",
            "http://",
            "http://a b",
            "http://a/?x",
            "http://u@h",
        ] {
            assert!(ServerAddress::parse(bad).is_err(), "{bad}");
        }
    }
}
