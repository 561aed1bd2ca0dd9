//! What programs and operators read over HTTP: history, members, rooms, metrics and health.

use serde_json::json;

use crate::codec::http::request::Request;
use crate::codec::http::response::{Problem, Status};
use crate::core::access::Rights;
use crate::core::chat::{Format, RoomName};
use crate::core::id::ConnectionId;
use crate::core::net::pending::Reply;
use crate::core::net::phase::Phase;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::arguments::page_size;
use crate::core::server::doors::http::fields::{number, read_only};
use crate::core::server::doors::http::respond::unavailable;
use crate::core::server::listing::Listing;
use crate::core::server::lists::Asker;
use crate::core::server::readers::{Page, Reader};
use crate::core::store::Excerpt;
use crate::core::stream::Stream;
use crate::limits::{ANSWER_BYTES, DEFAULT_PAGE};

/// The text format of Prometheus.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

impl<S: Stream> Server<S> {
    /// The messages of a room, as `history` at the JSON door.
    pub(in crate::core::server) fn answer_messages(
        &mut self,
        request: &Request<'_>,
        room: &RoomName,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        let before = number(request, "before")?.unwrap_or(u64::MAX);
        let limit = number(request, "limit")?.map_or(DEFAULT_PAGE, page_size);
        let page = Page {
            room: room.clone(),
            query: None,
            before,
            limit,
        };
        let owned = Box::new(reply.clone());
        let reader = |page| Reader::Request { reply: owned, page };
        if self.read_page(&page, now, reader) {
            self.enter(reply.id, Phase::AwaitingStore, u64::MAX);
            return Ok(());
        }
        let mut json = self.history(&page, None, Format::Json.into(), now);
        self.charge_query(request, reply.id, json.len(), now);
        json.own().push(b'\n');
        self.respond_rope(json, reply, now);
        Ok(())
    }

    /// The messages of a room with some words, as `search` at the JSON door.
    pub(in crate::core::server) fn answer_search_request(
        &mut self,
        request: &Request<'_>,
        room: &RoomName,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        let page = Page {
            room: room.clone(),
            query: Some((*request.query_value("q").unwrap_or_default()).into()),
            before: number(request, "before")?.unwrap_or(u64::MAX),
            limit: number(request, "limit")?.map_or(DEFAULT_PAGE, page_size),
        };
        let owned = Box::new(reply.clone());
        let reader = |page| Reader::Request { reply: owned, page };
        if self.search(&page, now, reader)? {
            self.enter(reply.id, Phase::AwaitingStore, u64::MAX);
        } else {
            self.respond_messages(&page, &Excerpt::default(), reply, now);
        }
        Ok(())
    }

    /// A page of messages that the store has found.
    pub(in crate::core::server) fn respond_messages(
        &mut self,
        page: &Page,
        found: &Excerpt,
        reply: &Reply,
        now: Now,
    ) {
        let mut json = self.page_of(page, found, None, Format::Json.into(), now);
        json.own().push(b'\n');
        self.respond_rope(json, reply, now);
    }

    /// Who is in a room, as at the JSON door.
    pub(in crate::core::server) fn answer_members(
        &mut self,
        request: &Request<'_>,
        room: &RoomName,
        reply: &Reply,
        now: Now,
    ) {
        let json = self.members_json(room, None);
        self.respond_event(request, json, reply, now);
    }

    /// The rooms, as `rooms` at the JSON door.
    pub(in crate::core::server) fn answer_list(
        &mut self,
        request: &Request<'_>,
        reply: &Reply,
        now: Now,
    ) {
        let mut listing = Listing::new(Rights::Open, None);
        if self.nodes.is_some() {
            self.enter(reply.id, Phase::AwaitingStore, u64::MAX);
            return self.ask_for_list(Asker::Request(Box::new(reply.clone()), listing), now);
        }
        // An answer holds no more than one scan finds.
        listing.scan(&self.chat, usize::MAX);
        self.respond_event(request, listing.to_json(), reply, now);
    }

    /// The same where it has waited for what is in use at other nodes; `None`: that cannot be said.
    pub(in crate::core::server) fn respond_list(
        &mut self,
        listing: Option<Listing>,
        reply: &Reply,
        now: Now,
    ) {
        let Some(mut listing) = listing else {
            let problem = unavailable("the rooms of other nodes are not known for now");
            return self.respond_problem(&problem, reply, now);
        };
        listing.scan(&self.chat, usize::MAX);
        let mut json = listing.to_json();
        json.push('\n');
        self.respond_json(&json, reply, now);
    }

    /// The pages for operators; `None` for any other path.
    pub(in crate::core::server) fn answer_operator(
        &mut self,
        request: &Request<'_>,
        reply: &Reply,
        now: Now,
    ) -> Option<Result<(), Problem>> {
        let (content_type, body) = match request.path {
            "/healthz" => (TEXT, Ok("ok\n".to_owned())),
            "/readyz" if self.drain.is_begun() => {
                (TEXT, Err(unavailable("the server is shutting down")))
            }
            "/readyz" => (TEXT, Ok("ready\n".to_owned())),
            "/metrics" => {
                let allowed = self.check_operator(request, reply, now);
                (METRICS, allowed.map(|()| self.metrics(now)))
            }
            "/addresses" => {
                let allowed = request.check_query(&[]);
                let allowed = allowed.and_then(|()| self.check_is_here(request, reply));
                (JSON, allowed.map(|()| self.page_addresses_json()))
            }
            _ => return None,
        };
        if !matches!(request.method, "GET" | "HEAD") {
            return Some(Err(read_only()));
        }
        Some(body.map(|body| self.respond_now(content_type, &body, reply, now)))
    }

    /// Sets the addresses of the page for other machines, which `/addresses` answers, and its own: in lines links to files
    /// have the first of the others, or that where there is none.
    pub fn set_page_addresses(&mut self, addresses: Vec<String>, own: &str) {
        self.encoder
            .set_address(addresses.first().map_or(own, String::as_str));
        self.page_addresses = addresses;
    }

    fn page_addresses_json(&self) -> String {
        format!("{}\n", json!({ "addresses": self.page_addresses }))
    }

    /// Only for a page that was opened on this machine, by a name that always means this machine. Another name may be
    /// that of a foreign site that resolves to here, whose page could read the answer (DNS rebinding).
    fn check_is_here(&self, request: &Request<'_>, reply: &Reply) -> Result<(), Problem> {
        let authority = request.authority;
        let is_named = authority.is_some_and(|authority| authority.host.is_this_machine());
        if self.is_local(request, reply.id) && is_named {
            return Ok(());
        }
        let detail = "this is only told to the machine that the server runs on, under localhost";
        Err(Problem::new(Status::FORBIDDEN, detail))
    }

    /// Only for admins, and for clients on this machine.
    fn check_operator(
        &mut self,
        request: &Request<'_>,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        request.check_query(&["token"])?;
        let rights = self.rights_of_request(request, reply.id, now)?;
        self.check_runs_it(request, &rights, reply)
    }

    /// The same for rights that are known.
    pub(in crate::core::server) fn check_runs_it(
        &self,
        request: &Request<'_>,
        rights: &Rights,
        reply: &Reply,
    ) -> Result<(), Problem> {
        if self.is_local(request, reply.id) {
            return Ok(());
        }
        if matches!(rights, Rights::Open) {
            let detail = "this is only told to the machine that the server runs on";
            return Err(Problem::new(Status::FORBIDDEN, detail));
        }
        rights.check_admin()
    }

    /// Whether the address of a request may ask for data now. HTTP has no session that could be charged.
    pub(in crate::core::server) fn admit_query(
        &mut self,
        request: &Request<'_>,
        id: ConnectionId,
        now: Now,
    ) -> Result<(), Problem> {
        let Some(peer) = self.peer(Some(request), id) else {
            return Ok(());
        };
        let admitted = self.addresses.may_ask(peer.ip, now.ms);
        admitted.map_err(|retry_ms| {
            let detail = "too much is asked from your address; ask again after Retry-After";
            Problem::too_many_requests(detail, retry_ms)
        })
    }

    /// Charges an answer of so many bytes to the address, as so many commands.
    pub(in crate::core::server) fn charge_query(
        &mut self,
        request: &Request<'_>,
        id: ConnectionId,
        encoded: usize,
        now: Now,
    ) {
        if let Some(peer) = self.peer(Some(request), id) {
            self.addresses
                .charge(peer.ip, encoded / ANSWER_BYTES, now.ms);
        }
    }

    fn respond_event(&mut self, request: &Request<'_>, mut json: String, reply: &Reply, now: Now) {
        self.charge_query(request, reply.id, json.len(), now);
        json.push('\n');
        self.respond_json(&json, reply, now);
    }
}
