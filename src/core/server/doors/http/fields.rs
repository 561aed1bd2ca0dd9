//! Checks of what requests name, and the refusals that several of them share.

use crate::codec::http::request::Request;
use crate::codec::http::response::{Problem, Status};
use crate::codec::json::ban::BanRecord;
use crate::core::access::Rights;
use crate::core::chat::RoomName;
use crate::core::net::pending::Addressed;

/// A number in the query.
pub(in crate::core::server) fn number(
    request: &Request<'_>,
    name: &str,
) -> Result<Option<u64>, Problem> {
    let Some(value) = request.query_value(name) else {
        return Ok(None);
    };
    let is_digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|_| is_digits);
    number.map(Some).ok_or_else(|| {
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

/// The rooms of a list with commas between them, if it is one: no room has a comma in its name.
pub(in crate::core::server) fn rooms_of_list(
    encoded: &str,
) -> Option<Result<Vec<RoomName>, Problem>> {
    let encoded = encoded.replace("%2C", ",").replace("%2c", ",");
    let is_list = encoded.contains(',') && !encoded.contains('/');
    is_list.then(|| encoded.split(',').map(parse_room).collect())
}

/// The refusal of a method that is not for reading.
pub(in crate::core::server) fn read_only() -> Problem {
    let detail = "this address only answers GET and HEAD";
    Problem::new(Status::METHOD_NOT_ALLOWED, detail).with(&[("Allow", "GET, HEAD")])
}

/// The first of several rooms, and all of them with the right to speak there. Refused is who may speak in none.
pub(in crate::core::server) fn addressed(
    rooms: Vec<RoomName>,
    rights: &Rights,
    ban_in: impl Fn(&RoomName) -> Option<BanRecord>,
) -> Result<(RoomName, Vec<Addressed>), Problem> {
    let first = rooms[0].clone();
    if !rooms.iter().any(|room| rights.may_publish(room)) {
        rights.check_publish(&first)?;
    }
    let rooms = rooms.into_iter().map(|room| Addressed {
        is_allowed: rights.may_publish(&room),
        ban: ban_in(&room).map(Box::new),
        room,
    });
    Ok((first, rooms.collect()))
}
