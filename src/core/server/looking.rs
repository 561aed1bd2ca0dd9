//! Who is in a room at other nodes is looked up before the first comes in here, or somebody is told who is there: from then on
//! other nodes tell it. Nothing is kept of a room that has nobody here, for longer than a moment.

use std::rc::Rc;

use crate::core::budget::cost;
use crate::core::chat::{RoomName, Told};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::loading::{Readiness, Wanted};
use crate::core::server::nodes::told;
use crate::core::store::{Here, PeopleRequest, Request};
use crate::core::stream::Stream;

impl<S: Stream> Server<S> {
    /// Whether what is about a room can be done now. What is not known, and wanted for it, is asked for.
    pub(super) fn readiness_for(&mut self, room: &RoomName, wanted: Wanted, now: Now) -> Readiness {
        let readiness = self.readiness(room, now);
        if readiness != Readiness::Ready || wanted == Wanted::Room {
            return readiness;
        }
        self.look_up(room, now)
    }

    /// Asks who is in a room elsewhere, if that is not known. What the log does not say in time is told later, as presence.
    fn look_up(&mut self, room: &RoomName, now: Now) -> Readiness {
        if self.nodes.is_none() || self.chat.knows_elsewhere(room) {
            return Readiness::Ready;
        }
        let Some(outbox) = &mut self.outbox else {
            return Readiness::Ready;
        };
        match self.loading.readiness(room, now.ms) {
            Readiness::Loading => Readiness::Loading,
            Readiness::Unavailable => Readiness::Ready,
            Readiness::Ready => {
                let ticket = outbox.next_ticket();
                let name = room.as_str().into();
                let request = PeopleRequest::Look { ticket, room: name };
                outbox.push(Request::People(request));
                self.loading.begin(room, Wanted::Members, ticket, now.ms);
                Readiness::Loading
            }
        }
    }

    /// The log says who is in a room at other nodes.
    pub(super) fn on_looked_up(&mut self, room: &RoomName, nodes: Vec<(Box<str>, Here)>, now: Now) {
        let count: usize = nodes.iter().map(|(_, here)| here.present.len()).sum();
        self.budget.spend(cost::LOOKUP * count as u64);
        let nodes = nodes.into_iter();
        let told: Vec<(Rc<str>, Told)> = nodes
            .map(|(node, here)| (node.into(), told(here)))
            .collect();
        self.chat.on_looked_up(room, told, now.ms);
    }
}
