//! What admins may do: close a person's connections, and empty a room.

use percent_encoding::percent_decode_str;

use crate::codec::error_code::ErrorCode;
use crate::codec::http::request::Request;
use crate::codec::http::response::{Problem, Status};
use crate::codec::json::event::Event;
use crate::codec::ws::close::CloseReason;
use crate::core::access::Rights;
use crate::core::chat::{Format, PersonName, RoomId, RoomName};
use crate::core::id::ConnectionId;
use crate::core::net::connection::Connection;
use crate::core::net::door::Door;
use crate::core::net::ending::Ending;
use crate::core::net::pending::Reply;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::doors::http::fields::FOREIGN_ORIGIN;
use crate::core::server::error::{CommandError, NO_SUCH_USER};
use crate::core::store::PeopleRequest;
use crate::core::stream::Stream;

impl<S: Stream> Server<S> {
    /// `DELETE /people/{name}`: closes a person's connections.
    pub(in crate::core::server) fn answer_people(
        &mut self,
        request: &Request<'_>,
        name: &str,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        if request.method != "DELETE" {
            let detail = "people are closed by DELETE, and seen in a room's /members";
            let problem = Problem::new(Status::METHOD_NOT_ALLOWED, detail);
            return Err(problem.with(&[("Allow", "DELETE")]));
        }
        if !self.is_origin_allowed(request) {
            return Err(FOREIGN_ORIGIN);
        }
        request.check_query(&["token"])?;
        let rights = self.rights_of_request(request, reply.id, now)?;
        rights.check_admin()?;
        // A name that is not UTF-8 must not be taken for another one.
        let name = percent_decode_str(name).decode_utf8().map_err(|_| {
            let detail = "the name in the path is not UTF-8; a letter like \u{e9} is %C3%A9 there";
            Problem::new(Status::BAD_REQUEST, detail)
        })?;
        match self.close_user(&name, &rights, now) {
            true => {
                self.respond_empty(&[], reply, now);
                Ok(())
            }
            false => Err(NO_SUCH_USER.into()),
        }
    }

    /// The rights of an admin who sends a command.
    pub(in crate::core::server) fn check_is_admin(
        &self,
        id: ConnectionId,
    ) -> Result<Rights, CommandError> {
        let rights = self.access.rights(id);
        match rights.is_admin() {
            true => Ok(rights),
            false => Err(CommandError::new(
                ErrorCode::NotAllowed,
                "only an admin's token allows that",
            )),
        }
    }

    /// Closes all connections of a person, at any door and any node. Returns whether there were any, as far as that is known:
    /// other nodes are told, and do not answer.
    pub(in crate::core::server) fn close_user(
        &mut self,
        name: &str,
        by: &Rights,
        now: Now,
    ) -> bool {
        let Some(name) = PersonName::of_token(name.trim()) else {
            return false;
        };
        let was_here = self.close_person(&name, &admin_name(by), now);
        let name = (&*name.shown()).into();
        self.ask_nodes(PeopleRequest::Close { name });
        was_here || self.nodes.is_some()
    }

    /// Closes those at this node. Returns whether there were any.
    pub(in crate::core::server) fn close_person(
        &mut self,
        name: &PersonName,
        by: &str,
        now: Now,
    ) -> bool {
        let mut connections = self.access.connections_of(name);
        // The others are closing already.
        connections.retain(|id| self.get(*id).is_some_and(Connection::is_member));
        if connections.is_empty() {
            return false;
        }
        log::warn!("{by} closes {}", name.shown());
        for id in connections {
            self.close(id, Ending::Announce(CloseReason::Removed), now);
        }
        true
    }

    /// Removes all members from a room, at any node, and forgets its history and state. The next member to join begins it anew.
    pub(in crate::core::server) fn empty_room(&mut self, name: &RoomName, by: &Rights, now: Now) {
        let Some(room) = self.chat.find(name) else {
            return self.empty_elsewhere(name);
        };
        log::warn!("{} empties the room {name}", admin_name(by));
        self.remove_members(room, now);
    }

    /// Removes all members from a room, and forgets it.
    pub(in crate::core::server) fn remove_members(&mut self, room: RoomId, now: Now) {
        for format in Format::ALL {
            let members = self.chat.members(room.audience(format));
            for member in members.iter().flat_map(|members| members.iter()) {
                self.remove_from_room(member.id, room, CloseReason::Emptied, now);
            }
        }
        self.chat.end_if_empty(room);
        self.forget_ended();
    }

    /// Removes a member from a room, and tells the client. At a door that leads to one room, that closes the
    /// connection.
    pub(in crate::core::server) fn remove_from_room(
        &mut self,
        id: ConnectionId,
        room: RoomId,
        reason: CloseReason,
        now: Now,
    ) {
        let door = self.get(id).map(|connection| &connection.door);
        let is_line = matches!(door, Some(Door::Lines { .. }));
        if !is_line && !matches!(door, Some(Door::Json { .. })) {
            return self.close(id, Ending::Announce(reason), now);
        }
        let (Some(person), Some(name)) = (self.person(id), self.chat.room_name(room).cloned())
        else {
            return;
        };
        self.lagging.forget(id, room);
        self.followers.forget_room(id, &name);
        self.chat.leave(id, person, room, now.ms);
        self.forget_ended();
        if is_line {
            let text = format!("* you are out of {name}: {}\n", reason.phrase());
            return self.send_line(id, &text);
        }
        self.send(
            id,
            &Event::Left {
                room: name.as_str(),
                reason: reason.phrase(),
            },
        );
    }
}

/// Who an admin is, for the log and for those who ask who did it.
pub(in crate::core::server) fn admin_name(rights: &Rights) -> String {
    let grant = rights.grant();
    grant.map_or_else(|| "an admin".to_owned(), |it| it.name.shown().to_string())
}
