//! Which client a connection or a request comes from, and the limits of its address.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::codec::http::forwarded;
use crate::codec::http::host::{Authority, Host};
use crate::codec::http::request::Request;
use crate::codec::http::response::{Problem, Status};
use crate::codec::proxy::Client;
use crate::core::chat::Format;
use crate::core::ensure::ensure;
use crate::core::id::ConnectionId;
use crate::core::net::addresses::AdmissionError;
use crate::core::net::connection::{AddressSlot, Connection};
use crate::core::net::ending::{EndReason, Ending};
use crate::core::net::peer::Peer;
use crate::core::net::phase::Phase;
use crate::core::network::Network;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::doors::http::respond::unavailable;
use crate::core::stream::Stream;
use crate::limits::{REFUSAL_SLOTS, RETRY_AFTER_SECONDS};

/// Bytes of a Host that an error message repeats: no name is longer (RFC 1035 section 2.3.4).
const MAX_HOST_SHOWN: usize = 253;

impl<S: Stream> Server<S> {
    /// Whether a proxy at this address is trusted to name its clients.
    pub fn is_trusted(&self, ip: IpAddr) -> bool {
        self.addresses.is_trusted(ip)
    }

    /// Whether a connection was accepted only to be told that its address has too many, or opens them too fast.
    pub fn is_over_its_limit(&self, index: usize) -> bool {
        let address_slot = self.connections.get(index).map(|it| it.address_slot);
        matches!(
            address_slot,
            Some(AddressSlot::Refused(
                AdmissionError::TooMany | AdmissionError::TooFast
            ))
        )
    }

    /// The address slot for a new connection. `None` if it cannot even be accepted to be refused.
    pub(super) fn find_address_slot(&mut self, peer: SocketAddr, now: Now) -> Option<AddressSlot> {
        let is_full = self.connections.len() - self.refused >= self.limits.max_connections;
        let address_slot = if is_full {
            AddressSlot::Refused(AdmissionError::Full)
        } else if self.is_trusted(peer.ip()) {
            AddressSlot::Proxy
        } else {
            self.address_slot_for(peer.ip(), now)
        };
        self.note_refusal(address_slot, &peer.into())
    }

    /// The slot that the limits of an address leave for one more connection.
    fn address_slot_for(&mut self, ip: IpAddr, now: Now) -> AddressSlot {
        let Some(network) = self.addresses.network(ip) else {
            return AddressSlot::Free;
        };
        match self.addresses.may_connect(network, now.ms) {
            Ok(()) => AddressSlot::Counted,
            Err(refusal) => AddressSlot::Refused(refusal),
        }
    }

    /// The same slot; `None` if as many refused connections are open as there may be.
    fn note_refusal(&mut self, address_slot: AddressSlot, peer: &Peer) -> Option<AddressSlot> {
        if let AddressSlot::Refused(refusal) = address_slot {
            self.count_refusal(refusal, peer);
            if self.refused >= REFUSAL_SLOTS {
                return None;
            }
        }
        Some(address_slot)
    }

    fn count_refusal(&mut self, refusal: AdmissionError, peer: &Peer) {
        self.counters.count_refusal(refusal);
        log::debug!("refused peer={peer} reason=\"{}\"", refusal.reason());
    }

    /// Counts the connection by its slot from now on.
    pub(super) fn take_address_slot(&mut self, id: ConnectionId, address_slot: AddressSlot) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        connection.address_slot = address_slot;
        let ip = connection.peer.ip;
        match address_slot {
            AddressSlot::Free | AddressSlot::Proxy => {}
            AddressSlot::Counted => {
                self.addresses.enter(Network::of(ip));
            }
            AddressSlot::Refused(_) => self.refused += 1,
        }
    }

    /// Frees the slot of a connection that has ended.
    pub(super) fn free_address_slot(&mut self, connection: &Connection<S>, now: Now) {
        match connection.address_slot {
            AddressSlot::Free | AddressSlot::Proxy => {}
            AddressSlot::Counted => {
                // Whatever proxies are trusted now.
                let network = Network::of(connection.peer.ip);
                self.addresses.leave(network, now.ms);
            }
            AddressSlot::Refused(_) => self.refused -= 1,
        }
    }

    /// Called after each read. When a trusted proxy's header has been read, the connection counts for the client that
    /// it names.
    pub(super) fn on_proxy_header(&mut self, id: ConnectionId, now: Now) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        if connection.address_slot != AddressSlot::Proxy
            || matches!(connection.phase, Phase::Closed { .. })
        {
            return;
        }
        let Some(client) = connection.socket.client() else {
            return;
        };
        let Client::At(address) = client else {
            connection.address_slot = AddressSlot::Free;
            return;
        };
        connection.peer = address.into();
        let address_slot = self.address_slot_for(address.ip(), now);
        match self.note_refusal(address_slot, &address.into()) {
            Some(address_slot) => {
                self.take_address_slot(id, address_slot);
                self.refuse_line_client(id, now);
                // At the line port they are in a room already.
                self.put_out(id, now);
            }
            None => self.close(id, Ending::Abort(EndReason::TooManyFromAddress), now),
        }
    }

    /// Where nothing is asked first there is no other moment to say it.
    fn refuse_line_client(&mut self, id: ConnectionId, now: Now) {
        if let Some(connection) = self.get(id)
            && let AddressSlot::Refused(refusal) = connection.address_slot
            && connection.door.facts().words == Some(Format::Lines)
        {
            self.send_line(id, refusal.line());
            self.close(id, Ending::Flush(refusal.reason()), now);
        }
    }

    /// The client that a request comes from, if a trusted proxy names one: it sends the requests of many clients over
    /// one connection.
    fn client(&self, request: &Request<'_>, id: ConnectionId) -> Option<IpAddr> {
        let connection = self.get(id)?;
        if connection.socket.client() == Some(Client::Unknown) {
            // The client is unknown, so its own fields are not trusted.
            return None;
        }
        let peer = connection.peer.ip;
        let client = forwarded::client(request, peer, |ip| self.is_trusted(ip));
        (client != peer).then_some(client)
    }

    /// The peer that a request, or anything else on a connection, comes from.
    pub(super) fn peer(&self, request: Option<&Request<'_>>, id: ConnectionId) -> Option<Peer> {
        let client = request.and_then(|request| self.client(request, id));
        let client = client.map(Peer::from);
        client.or_else(|| self.get(id).map(|connection| connection.peer))
    }

    /// Whether a token from this peer is verified: not after too many bad ones from its address.
    pub(super) fn may_try_token(&self, peer: Option<Peer>, now: Now) -> bool {
        peer.is_none_or(|peer| self.addresses.may_try_token(peer.ip, now.ms))
    }

    /// Checks the limits of the address of a client that a proxy names, before its stream or WebSocket opens. No other
    /// request follows on that connection. Pass the result to `count_client` once it is open.
    pub(super) fn check_client(
        &mut self,
        request: &Request<'_>,
        id: ConnectionId,
        now: Now,
    ) -> Result<Option<(Peer, AddressSlot)>, Problem> {
        let Some(ip) = self.client(request, id) else {
            return Ok(None);
        };
        let (peer, address_slot) = (Peer::from(ip), self.address_slot_for(ip, now));
        if let AddressSlot::Refused(refusal) = address_slot {
            self.count_refusal(refusal, &peer);
            return Err(refusal.problem());
        }
        Ok(Some((peer, address_slot)))
    }

    /// Counts the connection for that client from now on.
    pub(super) fn count_client(&mut self, client: Option<(Peer, AddressSlot)>, id: ConnectionId) {
        if let Some((peer, address_slot)) = client
            && let Some(connection) = self.get_mut(id)
        {
            connection.peer = peer;
            self.take_address_slot(id, address_slot);
        }
    }

    /// Whether a request comes from this machine. Clients of a proxy on it are elsewhere, unless the proxy says
    /// otherwise.
    pub(super) fn is_local(&self, request: &Request<'_>, id: ConnectionId) -> bool {
        let is_ours = request
            .authority
            .is_none_or(|authority| self.hosts.is_ours(authority.host));
        let is_forwarded = is_forwarded(request) || request.has("via");
        self.get(id).is_some_and(|connection| {
            let is_direct = connection.peer.is_loopback() && connection.socket.client().is_none();
            is_direct && is_ours && !is_forwarded
        })
    }

    /// Refuses a request for a host name that may have been pointed at this machine (DNS rebinding): a page from there
    /// would count as one of ours. A client that sends no Host is no browser.
    pub(super) fn check_host(
        &self,
        request: &Request<'_>,
        id: ConnectionId,
    ) -> Result<(), Problem> {
        let Some(authority) = request.authority else {
            return Ok(());
        };
        let is_direct = self.is_direct(request, authority, id);
        let Host::Name(name) = authority.host else {
            return Ok(());
        };
        if self.hosts.admits(authority.host, is_direct) {
            return Ok(());
        }
        let name = &name[..name.len().min(MAX_HOST_SHOWN)];
        let detail = format!(
            "{name} is no name of this server: ask for localhost or an address, or start it with --allow-host {name}; \
             a proxy on this machine has to set X-Forwarded-For"
        );
        Err(Problem::detailed(Status::MISDIRECTED_REQUEST, detail))
    }

    /// Whether a request comes from a program on this machine, without a proxy and without TLS, so that a page of a
    /// foreign site could have caused it. A page can set `X-Forwarded-For`, but neither `Via` (a forbidden header name
    /// of the Fetch standard) nor the Host, where its browser puts the port that it connects to. That is ours; a proxy
    /// on the same machine has another.
    fn is_direct(&self, request: &Request<'_>, authority: Authority<'_>, id: ConnectionId) -> bool {
        let Some(connection) = self.get(id) else {
            return false;
        };
        let socket = &connection.socket;
        let is_named = socket.client().is_some() || socket.has_shown_certificate();
        if is_named || !connection.peer.is_loopback() {
            return false;
        }
        let port = socket.local_port();
        let may_be_a_page = || port.is_none_or(|port| authority.may_be_at(port));
        !request.has("via") && (!is_forwarded(request) || may_be_a_page())
    }

    /// Why a connection is refused, if it is.
    pub(super) fn refusal(&self, id: ConnectionId) -> Option<AdmissionError> {
        match self.get(id)?.address_slot {
            AddressSlot::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Every connection is counted once, for its address.
    pub(super) fn check_address_slots(&self) -> Result<(), String> {
        let mut counted: BTreeMap<Network, u32> = BTreeMap::new();
        let mut refused = 0;
        for (_, connection) in &self.connections {
            let ip = connection.peer.ip;
            match connection.address_slot {
                AddressSlot::Counted if ip.to_canonical().is_loopback() => {
                    return Err("someone is counted for nobody".to_owned());
                }
                AddressSlot::Counted => *counted.entry(Network::of(ip)).or_default() += 1,
                AddressSlot::Refused(_) => refused += 1,
                AddressSlot::Free | AddressSlot::Proxy => {}
            }
        }
        ensure(
            refused == self.refused,
            "the refused are not those that are counted",
        )?;
        ensure(refused <= REFUSAL_SLOTS, "too many wait to be refused")?;
        self.addresses.check(&counted)
    }
}

/// Whether the request says for which client it was forwarded.
fn is_forwarded(request: &Request<'_>) -> bool {
    request.has("forwarded") || request.has("x-forwarded-for")
}

impl AdmissionError {
    /// The label for metrics.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::TooMany => "address_connections",
            Self::TooFast => "address_rate",
        }
    }

    /// The reason for the log.
    pub(super) fn reason(self) -> EndReason {
        match self {
            Self::Full => EndReason::ServerFull,
            Self::TooMany => EndReason::TooManyFromAddress,
            Self::TooFast => EndReason::TooOftenFromAddress,
        }
    }

    /// The line sent at the line port.
    pub(super) fn line(self) -> &'static str {
        match self {
            Self::Full => "* the parlor is full, try again later\n",
            Self::TooMany => "! too many connections from your address\n",
            Self::TooFast => "! too many new connections from your address, try again later\n",
        }
    }

    /// The answer to a request.
    pub(super) fn problem(self) -> Problem {
        let detail = match self {
            Self::Full => return unavailable("the server is full"),
            Self::TooMany => "there are too many connections from your address",
            Self::TooFast => "too many new connections come from your address",
        };
        Problem::new(Status::TOO_MANY_REQUESTS, detail)
            .with(&[("Retry-After", RETRY_AFTER_SECONDS)])
    }
}
