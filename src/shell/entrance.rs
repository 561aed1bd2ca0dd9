//! The ports: who waits there is accepted and taken in.

use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Poll, Token};
use socket2::TcpKeepalive;

use crate::core::Now;
use crate::core::{EndReason, Proxied, Server};
use crate::shell::accepting::Accepting;
use crate::shell::tls::Tls;
use crate::shell::transport::Transport;

/// Connections accepted in one tick, so that a storm of them does not starve those already in.
const ACCEPT_BATCH: usize = 128;
/// Silence after which TCP asks whether the other end of a line connection is there, and how often.
const KEEPALIVE: Duration = Duration::from_secs(60);

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

impl Entrance {
    pub(super) fn new(listener: TcpListener, takes: &'static str, admit: Admit) -> Self {
        Self {
            listener,
            takes,
            admit,
            tls: None,
            accepting: Accepting::default(),
        }
    }

    /// Someone is waiting.
    pub(super) fn on_waiting(&mut self) {
        self.accepting.on_waiting();
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
                Err(error) if self.accepting.on_error(&error, server, now) => {}
                Err(_) => return,
            }
        }
    }

    pub(super) fn may_accept(&self, server: &Server<Transport>, now: Now) -> bool {
        self.accepting.may_accept(server, now)
    }

    pub(super) fn retry_ms(&self) -> Option<u64> {
        self.accepting.retry_ms()
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
                Ok(stream) => Transport::tls(stream),
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
            .register(transport.source(), Token(index), interest)
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
    if let Err(error) = transport.keep_alive(&keepalive) {
        log::debug!("cannot keep a connection alive: {error}");
    }
    server.admit_lines(transport, peer, now)
}
