//! Usage of what all rooms share, by owner, for admins; and how they free it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use crate::codec::http::request::Request;
use crate::codec::http::response::{Problem, Status};
use crate::core::access::Rights;
use crate::core::chat::{Holdings, Owner};
use crate::core::net::pending::Reply;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::doors::http::fields::FOREIGN_ORIGIN;
use crate::core::server::doors::http::respond::unavailable;
use crate::core::stream::Stream;

impl<S: Stream> Server<S> {
    /// `GET /usage`: how much each owner holds; with `?address=` or `?person=`, the rooms that one has begun. `DELETE`
    /// with either forgets what that owner has stored.
    pub(super) fn answer_usage(
        &mut self,
        request: &Request<'_>,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        if !matches!(request.method, "GET" | "HEAD" | "DELETE") {
            let detail = "this address answers GET, HEAD and DELETE";
            let problem = Problem::new(Status::METHOD_NOT_ALLOWED, detail);
            return Err(problem.with(&[("Allow", "DELETE, GET, HEAD")]));
        }
        if !self.is_origin_allowed(request) {
            return Err(FOREIGN_ORIGIN);
        }
        request.check_query(&["address", "person", "token"])?;
        let rights = self.rights_of_request(request, reply.id, now)?;
        let whom = owner_in(request)?;
        if request.method == "DELETE" {
            self.check_may_undo(request, &rights, reply)?;
            let whom = whom.ok_or(Problem::new(Status::BAD_REQUEST, WHOM))?;
            let (rooms, values) = self.chat.forget_owner(&whom).unwrap_or_default();
            self.forget_ended();
            let files = self.files.forget_owner(&whom);
            self.forget_links_of(&whom);
            self.forget_push_of(&whom);
            log::warn!(
                "forgot {rooms} rooms, {values} retained values and {files} files of {whom}"
            );
            self.respond_empty(&[], reply, now);
            return Ok(());
        }
        self.check_runs_it(request, &rights, reply)?;
        let json = match whom {
            None if self.files.shared.is_some() => {
                return self.ask_file_usage(self.chat.holdings(), reply, now);
            }
            None => usage_json(&self.chat.holdings(), |owner| self.files.bytes_of(owner)),
            Some(whom) => {
                let (rooms, more) = self.chat.rooms_begun_by(&whom);
                let names: Vec<&str> = rooms.iter().map(|name| name.as_str()).collect();
                format!(
                    "{{\"rooms\":{},\"more\":{more}}}\n",
                    serde_json::json!(names)
                )
            }
        };
        self.respond_json(&json, reply, now);
        Ok(())
    }

    /// The log has said how much the files of each owner take, or does not say it.
    pub(super) fn respond_usage(
        &mut self,
        holdings: &[Holdings],
        file_bytes: Option<Vec<u64>>,
        reply: &Reply,
        now: Now,
    ) {
        let Some(file_bytes) = file_bytes else {
            let detail = "what files take cannot be asked for now; try again soon";
            return self.respond_problem(&unavailable(detail), reply, now);
        };
        let owners = holdings.iter().filter_map(|it| it.owner.as_ref());
        let bytes: BTreeMap<String, u64> = owners.map(Owner::to_text).zip(file_bytes).collect();
        let json = usage_json(holdings, |owner| {
            bytes.get(&owner.to_text()).copied().unwrap_or_default()
        });
        self.respond_json(&json, reply, now);
    }

    /// Only for admins, and, where no tokens are used, for clients on this machine.
    pub(super) fn check_may_undo(
        &self,
        request: &Request<'_>,
        rights: &Rights,
        reply: &Reply,
    ) -> Result<(), Problem> {
        match rights {
            Rights::Open => self.check_runs_it(request, rights, reply),
            _ => rights.check_admin(),
        }
    }
}

const WHOM: &str = "say whose: ?address=192.0.2.1, or ?person=NAME where tokens are asked for";

/// The owner that the query names: an address, for IPv6 any of its /64, as this answer shows it or without the `/64`.
fn owner_in(request: &Request<'_>) -> Result<Option<Owner>, Problem> {
    let (address, person) = (
        request.query_value("address"),
        request.query_value("person"),
    );
    match (address, person) {
        (None, None) => Ok(None),
        (None, Some(name)) => Ok(Some(Owner::Holder(name.as_ref().into()))),
        (Some(text), None) => {
            let ip: Result<IpAddr, _> = text.strip_suffix("/64").unwrap_or(&text).parse();
            let ip = ip.map_err(|_| Problem::new(Status::BAD_REQUEST, WHOM))?;
            Ok(Some(Owner::at(ip)))
        }
        (Some(_), Some(_)) => Err(Problem::new(Status::BAD_REQUEST, WHOM)),
    }
}

fn usage_json(holdings: &[Holdings], file_bytes: impl Fn(&Owner) -> u64) -> String {
    let mut out = "{\"usage\":[".to_owned();
    for (index, holding) in holdings.iter().enumerate() {
        let whom = match &holding.owner {
            Some(owner @ Owner::Address(_)) => format!("\"address\":\"{owner}\","),
            Some(Owner::Holder(name)) => {
                format!("\"person\":{},", serde_json::Value::from(&**name))
            }
            None => String::new(),
        };
        let comma = if index > 0 { "," } else { "" };
        let Holdings {
            rooms,
            message_bytes,
            state_bytes,
            ..
        } = holding;
        let file_bytes = holding.owner.as_ref().map_or(0, &file_bytes);
        // Writing to a String does not fail.
        let _ = write!(
            out,
            "{comma}{{{whom}\"rooms\":{rooms},\"message_bytes\":{message_bytes},\"state_bytes\":{state_bytes},\"file_bytes\":{file_bytes}}}"
        );
    }
    out.push_str("]}\n");
    out
}
