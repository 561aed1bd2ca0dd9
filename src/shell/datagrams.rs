//! The port for datagrams: sockets that are only ever read.

use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::systemd::sockets::{Purpose, Sockets, store};
use crate::core::budget::Stage;
use crate::core::{Now, Server, Stream};
use crate::limits::MAX_DATAGRAM;
use crate::settings::Listen;
use crate::shell::error::RunError;

/// Datagrams taken in one tick from each socket at most, so that a flood of them does not starve the connections.
const BATCH: usize = 128;
/// Ports tried until one is free on both loopback addresses.
const ATTEMPTS: usize = 16;
/// Bytes of datagrams that may wait in the kernel; it takes the smaller of this and net.core.rmem_max.
const KERNEL_BUFFER: usize = 4 << 20;

/// The sockets of the port: one for each address it is bound to, none if it is off.
#[derive(Default)]
pub(super) struct DatagramPort {
    sockets: Vec<DatagramSocket>,
    /// One byte longer than a datagram can be, so that none is cut without its being seen.
    buffer: Vec<u8>,
}

struct DatagramSocket {
    socket: UdpSocket,
    /// There may be more: events come only once.
    is_ready: bool,
}

impl DatagramPort {
    /// The sockets that systemd has passed. If there are none, binds to `--udp-bind`, else to where `--bind` says, else to
    /// loopback: what comes here is from anyone.
    pub(super) fn open(listen: &Listen, passed: &mut Sockets) -> Result<Self, RunError> {
        let mut sockets = adopt(passed)?;
        if let Some(port) = listen.udp_port
            && sockets.is_empty()
        {
            let address = listen.udp_bind.or(listen.bind);
            let bound = match address {
                Some(ip) => bind(SocketAddr::new(ip, port), listen.reuse_port).map(|it| vec![it]),
                None => bind_loopback(port, listen.reuse_port),
            };
            sockets = bound.map_err(|error| refusal(address, port, error))?;
            for socket in &sockets {
                store(Purpose::Datagrams, socket);
            }
        }
        if sockets.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self {
            sockets: sockets.into_iter().map(DatagramSocket::new).collect(),
            buffer: vec![0; MAX_DATAGRAM + 1],
        })
    }

    /// Registers the sockets for events under `token`, which they share.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        for DatagramSocket { socket, .. } in &mut self.sockets {
            registry.register(socket, token, Interest::READABLE)?;
        }
        Ok(())
    }

    /// The sockets, to be handed over.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        self.sockets.iter().map(|it| &it.socket)
    }

    /// Says on a line of its own where the sockets are bound, if there are any. Whoever has closed `out` does not want it.
    pub(super) fn announce(&self, out: &mut impl Write) -> io::Result<()> {
        let sockets = self.sockets.iter();
        let addresses: Vec<String> = sockets
            .map(|it| it.socket.local_addr().map(|address| address.to_string()))
            .collect::<io::Result<_>>()?;
        if !addresses.is_empty() {
            let addresses = addresses.join(" and ");
            let _ = writeln!(out, "parlor listening for datagrams on {addresses}");
        }
        Ok(())
    }

    /// Something has come at one of the sockets.
    pub(super) fn on_ready(&mut self) {
        for socket in &mut self.sockets {
            socket.is_ready = true;
        }
    }

    /// Whether more may be there that no event will tell of.
    pub(super) fn has_more(&self) -> bool {
        self.sockets.iter().any(|it| it.is_ready)
    }

    /// Takes in what has come, a batch from each socket, for as long as their share of the tick lasts.
    pub(super) fn receive<S: Stream>(&mut self, server: &mut Server<S>, now: Now) {
        server.budget().enter(Stage::Datagrams);
        for _ in 0..BATCH {
            if !self.has_more() || !server.budget().is_left() {
                return;
            }
            for socket in self.sockets.iter_mut().filter(|it| it.is_ready) {
                socket.receive(&mut self.buffer, server, now);
            }
        }
    }
}

impl DatagramSocket {
    fn new(socket: UdpSocket) -> Self {
        Self {
            socket,
            is_ready: true,
        }
    }

    /// Takes in one datagram, if there is one.
    fn receive<S: Stream>(&mut self, buffer: &mut [u8], server: &mut Server<S>, now: Now) {
        match self.socket.recv_from(buffer) {
            Ok((length, from)) => {
                // An IPv4 sender at the dual-stack socket is shown as what it is.
                let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                server.on_datagram(from, &buffer[..length], now);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_ready = false,
            // It is of one datagram, and others may wait behind it.
            Err(error) => log::debug!("cannot receive a datagram: {error}"),
        }
    }
}

fn adopt(passed: &mut Sockets) -> Result<Vec<UdpSocket>, RunError> {
    let adopted = passed.take(Purpose::Datagrams).map(|socket| {
        prepare(&socket)?;
        Ok(UdpSocket::from_std(socket.into()))
    });
    adopted
        .collect::<io::Result<_>>()
        .map_err(|error| RunError::new("cannot use a socket that systemd passes", error, ""))
}

/// Both loopback addresses, because a name like localhost may be either, and who sends datagrams is not told of the
/// wrong one. A machine without IPv6 has one.
fn bind_loopback(port: u16, reuse_port: bool) -> io::Result<Vec<UdpSocket>> {
    let attempts = if port == 0 { ATTEMPTS } else { 1 };
    let mut result = Err(ErrorKind::AddrInUse.into());
    for _ in 0..attempts {
        result = try_bind_loopback(port, reuse_port);
        match &result {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            _ => break,
        }
    }
    result
}

fn try_bind_loopback(port: u16, reuse_port: bool) -> io::Result<Vec<UdpSocket>> {
    let v4 = bind((Ipv4Addr::LOCALHOST, port).into(), reuse_port)?;
    let port = v4.local_addr()?.port();
    match bind((Ipv6Addr::LOCALHOST, port).into(), reuse_port) {
        Ok(v6) => Ok(vec![v4, v6]),
        Err(error) if has_no_ipv6(&error) => Ok(vec![v4]),
        Err(error) => Err(error),
    }
}

fn has_no_ipv6(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)
    )
}

fn bind(address: SocketAddr, reuse_port: bool) -> io::Result<UdpSocket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    prepare(&socket)?;
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

/// Makes a burst wait in the kernel while the loop does other things.
fn prepare(socket: &Socket) -> io::Result<()> {
    socket.set_recv_buffer_size(KERNEL_BUFFER)?;
    socket.set_nonblocking(true)
}

fn refusal(address: Option<IpAddr>, port: u16, error: io::Error) -> RunError {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => {
            "another program has this port: choose one with --udp-port, or 0 for any that is free"
        }
        ErrorKind::PermissionDenied => {
            "ports below 1024 are privileged: choose another with --udp-port"
        }
        ErrorKind::AddrNotAvailable => {
            "this machine does not have that address: choose another with --udp-bind"
        }
        _ => "choose another address with --udp-bind and --udp-port",
    };
    let ip = address.unwrap_or(Ipv4Addr::LOCALHOST.into());
    let address = SocketAddr::new(ip, port);
    RunError::new(
        format!("cannot receive datagrams on {address}"),
        error,
        advice,
    )
}
