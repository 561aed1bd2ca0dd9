//! Where to connect to, and from where.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

use mio::net::TcpStream;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tungstenite::http::Uri;

/// Connections that need no source address of their own: the kernel picks the port when it knows the destination.
const WITHOUT_SOURCE: usize = 4_000;

/// Connections from one source address before another is taken. The kernel has 28,232 ports for each by default, but
/// a port stays taken for a minute after its connection, and finding a free one gets slow long before they run out.
const PER_SOURCE: usize = 250;

/// Of 127.0.0.0/8; enough for a million connections a minute.
const MAX_SOURCES: usize = 250;

/// The server's address and the addresses to connect from.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The server is on a loopback address, of which there are many.
    can_spread: bool,
    /// How many addresses, from 127.0.0.1 on; 0 leaves the choice to the kernel.
    sources: usize,
    next_source: usize,
}

impl Target {
    /// Resolves the URL's host; an IPv4 address is preferred, since only there are loopback addresses to spread over.
    pub(crate) fn new(uri: &Uri, connections: usize) -> Result<Target, String> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let default_port = match uri.scheme_str() {
            Some("wss") => 443,
            Some("nats") => 4222,
            _ => 80,
        };
        let found: Vec<SocketAddr> = (host, uri.port_u16().unwrap_or(default_port))
            .to_socket_addrs()
            .map_err(|error| format!("{host}: {error}"))?
            .collect();
        let address = *found
            .iter()
            .find(|address| address.is_ipv4())
            .or(found.first())
            .ok_or(format!("{host}: no address"))?;
        let can_spread = address.is_ipv4() && address.ip().is_loopback();
        let sources = if can_spread && connections > WITHOUT_SOURCE {
            connections.div_ceil(PER_SOURCE).min(MAX_SOURCES)
        } else {
            0
        };
        Ok(Target {
            address,
            can_spread,
            sources,
            next_source: 0,
        })
    }

    /// Starts to connect without waiting; the socket becomes writable when it is done. Where one source address has no
    /// port left, another may.
    pub(crate) fn connect(&mut self) -> io::Result<TcpStream> {
        let mut tries = if self.can_spread { MAX_SOURCES } else { 0 };
        loop {
            match self.connect_from_next() {
                Err(error) if tries > 0 && is_port_shortage(&error) => {
                    self.sources = MAX_SOURCES;
                    tries -= 1;
                }
                result => return result,
            }
        }
    }

    fn connect_from_next(&mut self) -> io::Result<TcpStream> {
        let socket = Socket::new(
            Domain::for_address(self.address),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        if self.sources > 0 {
            let source = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + self.next_source as u32);
            self.next_source = (self.next_source + 1) % self.sources;
            socket.bind(&SocketAddr::new(IpAddr::V4(source), 0).into())?;
        }
        match socket.connect(&self.address.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => {
                Err(error)
            }
            _ => Ok(TcpStream::from_std(socket.into())),
        }
    }
}

/// The source address has no port left: said by bind() where there is one, else by connect().
pub(crate) fn is_port_shortage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable
    )
}
