//! The ports: who waits there is accepted and taken in.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Poll, Token};
use rustix::io::Errno;
use socket2::{SockRef, TcpKeepalive};

use crate::core::Now;
use crate::core::{EndReason, Proxied, Server};
use crate::shell::tls::Tls;
use crate::shell::transport::Transport;

/// Connections accepted in one tick, so that a storm of them does not starve those already in.
const ACCEPT_BATCH: usize = 128;
/// Silence after which TCP asks whether the other end of a line connection is there, and how often.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// When to try accepting again after the machine was out of descriptors or memory.
const ACCEPT_PAUSE_MS: u64 = 1000;

/// A port, and who comes in there.
pub(super) struct Entrance {
    pub(super) listener: TcpListener,
    /// What is sent there, in a word.
    pub(super) takes: &'static str,
    admit: Admit,
    /// For those who come in here to speak.
    pub(super) tls: Option<Tls>,
    accepting: Accepting,
}

/// How a socket is taken in.
type Admit = fn(&mut Server<Transport>, Transport, SocketAddr, Now) -> Result<usize, Transport>;

/// What is known of a listener, whose events come only once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepting {
    /// Nobody is waiting; an event will tell.
    Idle,
    /// Someone may be waiting.
    Ready,
    /// Out of descriptors or memory: until then, or until a connection has ended.
    Paused { until_ms: u64, connections: usize },
}

impl Entrance {
    pub(super) fn new(listener: TcpListener, takes: &'static str, admit: Admit) -> Self {
        Self {
            listener,
            takes,
            admit,
            tls: None,
            accepting: Accepting::Idle,
        }
    }

    /// Someone is waiting. A pause is not cut short: whoever comes next would find no descriptor either.
    pub(super) fn on_waiting(&mut self) {
        if self.accepting == Accepting::Idle {
            self.accepting = Accepting::Ready;
        }
    }

    /// Takes in a batch of those who wait.
    pub(super) fn accept(&mut self, server: &mut Server<Transport>, poll: &Poll, now: Now) {
        if !self.may_accept(server, now) {
            return;
        }
        self.accepting = Accepting::Ready;
        for _ in 0..ACCEPT_BATCH {
            if !server.has_room() || !server.budget().is_left() {
                return;
            }
            match self.listener.accept() {
                Ok((socket, peer)) => self.take_in(server, poll, socket, peer, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.accepting = Accepting::Idle;
                    return;
                }
                Err(error) if is_shortage(&error) => {
                    log::warn!(
                        "cannot accept for now: {error}; raise the limit on open files (ulimit -n)"
                    );
                    let (until_ms, connections) =
                        (now.ms + ACCEPT_PAUSE_MS, server.connection_count());
                    self.accepting = Accepting::Paused {
                        until_ms,
                        connections,
                    };
                    return;
                }
                // The peer has gone while it waited (accept(2)); so may the next not have.
                Err(error) => log::debug!("cannot accept: {error}"),
            }
        }
    }

    pub(super) fn may_accept(&self, server: &Server<Transport>, now: Now) -> bool {
        match self.accepting {
            Accepting::Idle => false,
            Accepting::Ready => server.has_room(),
            Accepting::Paused {
                until_ms,
                connections,
            } => now.ms >= until_ms || server.connection_count() < connections,
        }
    }

    pub(super) fn retry_ms(&self) -> Option<u64> {
        match self.accepting {
            Accepting::Paused { until_ms, .. } => Some(until_ms),
            Accepting::Idle | Accepting::Ready => None,
        }
    }

    fn take_in(
        &self,
        server: &mut Server<Transport>,
        poll: &Poll,
        socket: TcpStream,
        peer: SocketAddr,
        now: Now,
    ) {
        // An IPv4 peer on the dual-stack socket is shown as what it is.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let socket = if server.is_trusted(peer.ip()) {
            Proxied::trusted(socket)
        } else {
            Proxied::plain(socket)
        };
        let transport = match &self.tls {
            None => Transport::Plain(socket),
            Some(tls) => match tls.accept(socket) {
                Ok(stream) => Transport::Tls(Box::new(stream)),
                Err(error) => return log::warn!("cannot begin a TLS connection: {error}"),
            },
        };
        let Ok(index) = (self.admit)(server, transport, peer, now) else {
            return;
        };
        if self.tls.is_some() && server.is_over_its_limit(index) {
            // To be told so takes a handshake, which is what the limit is to save.
            return server.abandon(index, EndReason::TooManyFromAddress, now);
        }
        let Some(transport) = server.socket_mut(index) else {
            return;
        };
        // Once, for both, edge-triggered: there is no re-registration per write.
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = poll
            .registry()
            .register(transport.socket_mut(), Token(index), interest)
        {
            log::warn!("cannot poll a connection: {error}");
            server.abandon(index, EndReason::CannotBePolled, now);
        }
    }
}

/// Whoever types lines may be silent for hours: TCP finds out who is gone.
pub(super) fn admit_lines(
    server: &mut Server<Transport>,
    mut transport: Transport,
    peer: SocketAddr,
    now: Now,
) -> Result<usize, Transport> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE);
    if let Err(error) = SockRef::from(&*transport.socket_mut()).set_tcp_keepalive(&keepalive) {
        log::debug!("cannot keep a connection alive: {error}");
    }
    server.admit_lines(transport, peer, now)
}

fn is_shortage(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}
