//! Push over HTTP: the key that browsers have to know, and subscriptions of programs, under ids that they choose.

use crate::codec::error_code::ErrorCode;
use crate::codec::http::body;
use crate::codec::http::request::Request;
use crate::codec::http::response::{Problem, Status};
use crate::codec::json::push;
use crate::core::access::Rights;
use crate::core::chat::Owner;
use crate::core::net::pending::{Arriving, Pending, Reply, Subscribing};
use crate::core::now::Now;
use crate::core::push::{Person, Subscriber};
use crate::core::server::Server;
use crate::core::server::doors::http::fields::{FOREIGN_ORIGIN, read_only};
use crate::core::server::doors::http::files::UNKNOWN_SECRET;
use crate::core::server::doors::http::respond::unavailable;
use crate::core::server::doors::http::rooms::{PREFLIGHT, check_encoding};
use crate::core::server::error::CommandError;
use crate::core::server::storing::UNAVAILABLE;
use crate::core::stream::Stream;

/// Push is off.
const OFF: Problem = Problem::new(
    Status::NOT_FOUND,
    "push is off: the operator of this server turns it on with --push-contact",
);

impl<S: Stream> Server<S> {
    /// Answers a request for what is at `/push`.
    pub(in crate::core::server) fn answer_push(
        &mut self,
        request: &Request<'_>,
        path: &str,
        reply: &Reply,
        now: Now,
    ) {
        let reply = Reply {
            sharing: self.sharing(request),
            ..reply.clone()
        };
        if let Err(problem) = self.serve_push(request, path, &reply, now) {
            self.respond_problem(&problem, &reply, now);
        }
    }

    fn serve_push(
        &mut self,
        request: &Request<'_>,
        path: &str,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        if !self.is_origin_allowed(request) {
            return Err(FOREIGN_ORIGIN);
        }
        if self.drain.is_begun() {
            return Err(unavailable("the server is shutting down"));
        }
        if request.method == "OPTIONS" {
            self.respond_empty(&PREFLIGHT, reply, now);
            return Ok(());
        }
        request.check_query(&["token"])?;
        let key = self.pushing.as_ref().map(|it| it.key.clone()).ok_or(OFF)?;
        if path == "key" {
            if !matches!(request.method, "GET" | "HEAD") {
                return Err(read_only());
            }
            // It is in base64url, which JSON need not escape.
            self.respond_json(&format!("{{\"key\":\"{key}\"}}\n"), reply, now);
            return Ok(());
        }
        let id = path.strip_prefix("subscriptions/").ok_or(NO_SUCH)?;
        check_id(id)?;
        let rights = self.rights_of_request(request, reply.id, now)?;
        rights.check_login()?;
        self.check_ban_of_request(request, &rights, None, reply)?;
        let owner = self.owner_of_request(request, &rights, reply.id);
        match request.method {
            "PUT" => self.begin_subscription(request, (id, owner), &rights, reply, now),
            "DELETE" => self.end_subscription((id, &owner), reply, now),
            _ => {
                let detail = "a subscription is put there by PUT, and ended by DELETE";
                let problem = Problem::new(Status::METHOD_NOT_ALLOWED, detail);
                Err(problem.with(&[("Allow", "DELETE, OPTIONS, PUT")]))
            }
        }
    }

    /// Begins to read a subscription.
    fn begin_subscription(
        &mut self,
        request: &Request<'_>,
        (id, owner): (&str, Owner),
        rights: &Rights,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        check_encoding(request)?;
        self.check_lookalike(rights)?;
        let pushing = self.pushing.as_ref();
        if pushing.is_some_and(|it| it.push.is_of_another(id, &owner)) {
            return Err(OF_ANOTHER);
        }
        let person = match (request.value("parlor-resume"), rights) {
            (Some(secret), Rights::Open) => {
                let author = self.chat.author_by_secret(secret).ok_or(UNKNOWN_SECRET)?;
                Some(Person::Visitor {
                    id: author.id,
                    name: Some(author.name.to_string().into()),
                })
            }
            _ => self.subscriber(rights, None, owner.clone()).person,
        };
        let subscribing = Subscribing {
            id: id.into(),
            owner,
            person,
            rooms: rights.grant().map(|it| it.claims.subscribe.clone()),
        };
        let body = body::Decoder::new(request.body, self.limits.max_message)?;
        let arriving = Arriving::Subscription(subscribing);
        self.begin_body(Pending::new(request, arriving, reply, body), now);
        Ok(())
    }

    /// A subscription is whole.
    pub(in crate::core::server) fn on_subscription(
        &mut self,
        subscribing: Subscribing,
        body: &[u8],
        reply: &Reply,
        now: Now,
    ) {
        match self.put_subscription(subscribing, body, now) {
            Ok(()) => self.respond_empty(&[], reply, now),
            Err(problem) => self.respond_problem(&problem.into(), reply, now),
        }
    }

    fn put_subscription(
        &mut self,
        subscribing: Subscribing,
        body: &[u8],
        now: Now,
    ) -> Result<(), CommandError> {
        let Subscribing {
            id,
            owner,
            person,
            rooms,
        } = subscribing;
        self.chat.may_post(&owner, now)?;
        let text = str::from_utf8(body).map_err(|_| NOT_UTF8)?;
        let asked = push::parse(text)?;
        let id = Some(id);
        let subscriber = Subscriber {
            person,
            owner,
            id,
            readable: Vec::new(),
        };
        self.subscribe(asked, rooms.as_deref(), subscriber, now)
    }

    fn end_subscription(
        &mut self,
        (id, owner): (&str, &Owner),
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        let may = self.chat.may_post(owner, now);
        may.map_err(CommandError::from)?;
        let pushing = self.pushing.as_mut();
        if pushing
            .as_ref()
            .is_some_and(|it| !it.push.takes_subscriptions())
        {
            return Err(CommandError::from(UNAVAILABLE).into());
        }
        if !pushing.is_some_and(|it| it.push.unsubscribe_by_id(id, owner)) {
            return Err(NO_SUBSCRIPTION);
        }
        self.ask_store_of_push();
        self.respond_empty(&[], reply, now);
        Ok(())
    }
}

fn check_id(id: &str) -> Result<(), Problem> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    match (16..=64).contains(&id.len()) && id.bytes().all(is_plain) {
        true => Ok(()),
        false => Err(BAD_ID),
    }
}

const NO_SUCH: Problem = Problem::new(
    Status::NOT_FOUND,
    "push has /push/key and /push/subscriptions/ID",
);

const BAD_ID: Problem = Problem::new(
    Status::BAD_REQUEST,
    "the id of a subscription is 16 to 64 letters, digits, - and _ that nobody can guess, as `openssl rand -hex 16` makes it",
);

const OF_ANOTHER: Problem = Problem::new(
    Status::CONFLICT,
    "this id is that of somebody else's subscription: choose another, as `openssl rand -hex 16` makes it",
);

const NO_SUBSCRIPTION: Problem = Problem::new(
    Status::NOT_FOUND,
    "there is no subscription of yours with this id: it has ended, or was never put there",
);

const NOT_UTF8: CommandError = CommandError::new(
    ErrorCode::BadJson,
    "a subscription is an object of JSON in UTF-8",
);
