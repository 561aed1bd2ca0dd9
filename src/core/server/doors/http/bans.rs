//! Bans over HTTP: `/bans`.

use crate::codec::error_code::ErrorCode;
use crate::codec::http::body;
use crate::codec::http::request::Request;
use crate::codec::http::response::{Problem, Status};
use crate::codec::json::ban::{AskedBan, BanTarget};
use crate::core::net::pending::{Arriving, Pending, Reply};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::doors::admin::admin_name;
use crate::core::server::doors::http::fields::FOREIGN_ORIGIN;
use crate::core::server::doors::http::rooms::check_encoding;
use crate::core::server::error::CommandError;
use crate::core::stream::Stream;

impl<S: Stream> Server<S> {
    /// `GET /bans` lists them, `PUT` sets one, and `DELETE` with `?name=` or `?address=`, and `&room=`, lifts one.
    pub(in crate::core::server) fn answer_bans(
        &mut self,
        request: &Request<'_>,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        if !self.is_origin_allowed(request) {
            return Err(FOREIGN_ORIGIN);
        }
        request.check_query(match request.method {
            "DELETE" => &["name", "address", "room", "token"],
            _ => &["token"],
        })?;
        let rights = self.rights_of_request(request, reply.id, now)?;
        match request.method {
            "GET" | "HEAD" => {
                self.check_runs_it(request, &rights, reply)?;
                let json = self.bans_json(None);
                self.respond_json(&format!("{json}\n"), reply, now);
                Ok(())
            }
            "PUT" => {
                self.check_may_undo(request, &rights, reply)?;
                check_encoding(request)?;
                let body = body::Decoder::new(request.body, self.limits.max_message)?;
                let arriving = Arriving::Ban(admin_name(&rights).into());
                self.begin_body(Pending::new(request, arriving, reply, body), now);
                Ok(())
            }
            "DELETE" => {
                self.check_may_undo(request, &rights, reply)?;
                let target = BanTarget {
                    name: request.query_value("name"),
                    address: request.query_value("address"),
                    room: request.query_value("room"),
                };
                self.lift_ban(&target, &admin_name(&rights))?;
                self.respond_empty(&[], reply, now);
                Ok(())
            }
            _ => {
                let detail = "bans are listed by GET, set by PUT and lifted by DELETE";
                let problem = Problem::new(Status::METHOD_NOT_ALLOWED, detail);
                Err(problem.with(&[("Allow", "DELETE, GET, HEAD, PUT")]))
            }
        }
    }

    /// A ban is whole.
    pub(in crate::core::server) fn on_ban(
        &mut self,
        by: &str,
        body: &[u8],
        reply: &Reply,
        now: Now,
    ) {
        let asked = str::from_utf8(body).map_err(|_| NOT_UTF8);
        let asked = asked.and_then(|text| Ok(AskedBan::parse(text)?));
        match asked.and_then(|asked| self.ban(&asked, by, now)) {
            Ok(record) => {
                let json = serde_json::to_string(&record).unwrap_or_default();
                self.respond_json(&format!("{json}\n"), reply, now);
            }
            Err(refused) => self.respond_problem(&refused.into(), reply, now),
        }
    }
}

const NOT_UTF8: CommandError =
    CommandError::new(ErrorCode::BadJson, "a ban is an object of JSON in UTF-8");
