//! The listening socket and the limit on open files.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::TcpListener;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};

use super::systemd::sockets::{Purpose, Sockets, store};
use crate::limits::{MAX_CONNECTIONS, REFUSAL_SLOTS};
use crate::settings::Listen;
use crate::shell::error::RunError;

/// Connections that may wait to be accepted; the kernel takes the smaller of this and net.core.somaxconn.
pub(super) const BACKLOG: i32 = 4096;

/// Bytes of a connection's send buffer in the kernel, which takes twice as many for its own needs too (socket(7)). Left to
/// itself it lets the buffer of a peer that does not read grow to megabytes, which no limit of ours counts.
const SEND_BUFFER: usize = 256 << 10;

/// Descriptors that are not connections: the standard three, the poll, the listener, signals, and some to spare.
const OWN_DESCRIPTORS: usize = 32;

/// What this machine is called on its network: its name, and what multicast DNS makes of it (RFC 6762).
pub(super) fn own_names() -> Vec<String> {
    let system = rustix::system::uname();
    let Ok(name) = system.nodename().to_str() else {
        return Vec::new();
    };
    let label = name.split('.').next().unwrap_or(name);
    if label.is_empty() {
        return Vec::new();
    }
    vec![name.to_owned(), label.to_owned(), format!("{label}.local")]
}

/// The listener for HTTP, and the one for lines if there is one: those that systemd has passed, or new ones.
pub(super) fn open(
    listen: &Listen,
    passed: &mut Sockets,
) -> Result<(TcpListener, Option<TcpListener>), RunError> {
    let http = match adopt(passed, Purpose::Http)? {
        Some(listener) => listener,
        None => begin(Purpose::Http, listen.port, listen)?,
    };
    let lines = match (adopt(passed, Purpose::Lines)?, listen.line_port) {
        (None, Some(port)) => Some(begin(Purpose::Lines, port, listen)?),
        (adopted, _) => adopted,
    };
    Ok((http, lines))
}

fn adopt(passed: &mut Sockets, purpose: Purpose) -> Result<Option<TcpListener>, RunError> {
    let Some(socket) = passed.take(purpose).next() else {
        return Ok(None);
    };
    prepare(&socket)
        .map_err(|error| RunError::new("cannot use a socket that systemd passes", error, ""))?;
    Ok(Some(TcpListener::from_std(socket.into())))
}

/// A new listener, which a service manager keeps for the next process.
fn begin(purpose: Purpose, port: u16, settings: &Listen) -> Result<TcpListener, RunError> {
    let listener = listen(settings.bind, port, settings.reuse_port)?;
    store(purpose, &listener);
    Ok(listener)
}

/// Listens on `address`, or on all addresses of both families.
fn listen(address: Option<IpAddr>, port: u16, reuse_port: bool) -> Result<TcpListener, RunError> {
    let result = match address {
        Some(ip) => bind(SocketAddr::new(ip, port), reuse_port),
        None => bind((Ipv6Addr::UNSPECIFIED, port).into(), reuse_port).or_else(|error| {
            // A machine without IPv6.
            if error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) {
                bind((Ipv4Addr::UNSPECIFIED, port).into(), reuse_port)
            } else {
                Err(error)
            }
        }),
    };
    result.map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::AddrInUse => {
                "another program has this port: choose one with --port, or 0 for any that is free"
            }
            ErrorKind::PermissionDenied => {
                "ports below 1024 are privileged: choose another with --port"
            }
            ErrorKind::AddrNotAvailable => {
                "this machine does not have that address: choose another with --bind"
            }
            _ => "choose another address with --bind and --port",
        };
        let ip = address.unwrap_or(Ipv6Addr::UNSPECIFIED.into());
        RunError::new(
            format!("cannot listen on {}", SocketAddr::new(ip, port)),
            error,
            advice,
        )
    })
}

fn bind(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restart does not have to wait for the last one's connections to time out.
    socket.set_reuse_address(true)?;
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    prepare(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Sets what accepted sockets inherit, which saves system calls for each.
fn prepare(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_nonblocking(true)
}

/// Raises the soft limit on open files to the hard one, and says how many connections it allows. A wish for more, unless
/// 0, is an error.
pub(super) fn connections_allowed(wish: usize) -> Result<usize, RunError> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        log::warn!("cannot raise the limit on open files: {error}");
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let allowed = connections_for(descriptors);
    if wish > allowed || allowed == 0 {
        let wished = if wish > 0 {
            format!(", not for {wish}")
        } else {
            String::new()
        };
        return Err(RunError {
            what: format!(
                "a limit of {descriptors} open files leaves place for {allowed} connections{wished}"
            ),
            cause: None,
            advice: "raise that limit (ulimit -n, LimitNOFILE=) or lower --max-connections",
        });
    }
    Ok(if wish == 0 { allowed } else { wish })
}

/// How many connections a limit on open files allows.
pub(super) fn connections_for(descriptors: u64) -> usize {
    usize::try_from(descriptors)
        .unwrap_or(usize::MAX)
        .saturating_sub(OWN_DESCRIPTORS + REFUSAL_SLOTS)
        .min(MAX_CONNECTIONS)
}
