//! Checks of what requests name, and the refusals that several of them share.

use crate::codec::http::request::Request;
use crate::codec::http::response::{Problem, Status};
use crate::core::chat::RoomName;

/// A number in the query.
pub(in crate::core::server) fn number(
    request: &Request<'_>,
    name: &str,
) -> Result<Option<u64>, Problem> {
    let Some(value) = request.query_value(name) else {
        return Ok(None);
    };
    value.parse().map(Some).map_err(|_| {
        let detail = format!("{name} is a whole number, as in {name}=10");
        Problem::detailed(Status::BAD_REQUEST, detail)
    })
}

/// A flag in the query: set if it is there.
pub(in crate::core::server) fn flag(request: &Request<'_>, name: &str) -> Result<bool, Problem> {
    match request.query_value(name).as_deref() {
        None | Some("false" | "0") => Ok(false),
        Some("" | "true" | "1") => Ok(true),
        Some(_) => {
            let detail = format!("{name} is true or false");
            Err(Problem::detailed(Status::BAD_REQUEST, detail))
        }
    }
}

pub(in crate::core::server) const FOREIGN_ORIGIN: Problem = Problem::new(
    Status::FORBIDDEN,
    "pages of this origin may not come in; see --allow-origin",
);

pub(in crate::core::server) fn parse_room(encoded: &str) -> Result<RoomName, Problem> {
    let detail = "a room is named by 1 to 64 letters, digits and - _ . : but no spaces";
    RoomName::parse_encoded(encoded).ok_or(Problem::new(Status::BAD_REQUEST, detail))
}

/// The refusal of a method that is not for reading.
pub(in crate::core::server) fn read_only() -> Problem {
    let detail = "this address only answers GET and HEAD";
    Problem::new(Status::METHOD_NOT_ALLOWED, detail).with(&[("Allow", "GET, HEAD")])
}
