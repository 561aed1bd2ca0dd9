//! Names under which messages are posted: whether one is somebody's at another node is asked once, and known for a moment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::codec::http::request::Request as HttpRequest;
use crate::core::chat::PersonName;
use crate::core::id::ConnectionId;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::error::{CommandError, NAME_TAKEN};
use crate::core::server::questions::Question;
use crate::core::server::storing::UNAVAILABLE;
use crate::core::store::{PeopleAnswer, PeopleRequest, Request};
use crate::core::stream::Stream;
use crate::limits::{MAX_KNOWN_NAMES, NAME_KNOWN_MS, STORE_TIMEOUT_MS};

/// What is known of names.
#[derive(Debug, Default)]
pub(super) struct KnownNames {
    names: BTreeMap<Box<str>, Knowledge>,
    /// When what is known of each is forgotten, the earliest first.
    due: VecDeque<(u64, Box<str>)>,
}

#[derive(Debug)]
enum Knowledge {
    /// It is asked for. The input of these connections waits for the answer.
    Asked(BTreeSet<ConnectionId>),
    Known(Standing),
}

/// Whose a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Nobodys,
    Somebodys,
    /// The log does not say it.
    Unknown,
}

impl KnownNames {
    fn forget_due(&mut self, now_ms: u64) {
        while let Some((due_ms, _)) = self.due.front()
            && *due_ms <= now_ms
            && let Some((_, name)) = self.due.pop_front()
        {
            self.names.remove(&name);
        }
    }

    fn standing(&self, name: &str) -> Standing {
        match self.names.get(name) {
            Some(Knowledge::Known(standing)) => *standing,
            Some(Knowledge::Asked(_)) | None => Standing::Unknown,
        }
    }

    /// The log has answered. Gives the connections that have waited for that.
    fn learn(&mut self, name: Box<str>, standing: Standing, now_ms: u64) -> BTreeSet<ConnectionId> {
        self.due.push_back((now_ms + NAME_KNOWN_MS, name.clone()));
        match self.names.insert(name, Knowledge::Known(standing)) {
            Some(Knowledge::Asked(waiting)) => waiting,
            Some(Knowledge::Known(_)) | None => BTreeSet::new(),
        }
    }
}

impl<S: Stream> Server<S> {
    /// Whether a request to publish under a name waits until the log has said whether that is somebody's. Then it is read again.
    pub(super) fn waits_for_name(
        &mut self,
        request: &HttpRequest<'_>,
        id: ConnectionId,
        now: Now,
    ) -> bool {
        let publishes = matches!(request.method, "POST" | "PUT");
        if self.nodes.is_none() || !publishes || !request.path.starts_with("/rooms/") {
            return false;
        }
        let name = request.query_value("name");
        let Some(name) = name.and_then(|name| PersonName::parse(&name)) else {
            return false;
        };
        if !self.access.is_open() || self.chat.is_taken(&name) {
            return false;
        }
        let waits = self.ask_whose(&name, id, now);
        if waits {
            self.set_deadline(id, now.ms + 2 * STORE_TIMEOUT_MS);
        }
        waits
    }

    fn ask_whose(&mut self, name: &PersonName, id: ConnectionId, now: Now) -> bool {
        let (Some(nodes), Some(outbox)) = (&mut self.nodes, &mut self.outbox) else {
            return false;
        };
        let known = &mut nodes.known_names;
        known.forget_due(now.ms);
        let shown = name.shown();
        let is_full = known.names.len() >= MAX_KNOWN_NAMES;
        match known.names.get_mut(&*shown) {
            Some(Knowledge::Known(_)) => return false,
            Some(Knowledge::Asked(waiting)) => {
                waiting.insert(id);
                return true;
            }
            None if is_full => return false,
            None => {}
        }
        let shown: Box<str> = (*shown).into();
        let waiting = BTreeSet::from([id]);
        known.names.insert(shown.clone(), Knowledge::Asked(waiting));
        let ticket = outbox.next_ticket();
        let keys = name.keys().map(Into::into).collect();
        outbox.push(Request::People(PeopleRequest::Whose { ticket, keys }));
        nodes.questions.add(ticket, Question::Whose(shown), now.ms);
        true
    }

    /// The log has said whether a name is somebody's, or does not say it.
    pub(super) fn on_whose(&mut self, name: Box<str>, answer: &PeopleAnswer, now: Now) {
        let standing = match answer {
            PeopleAnswer::Free => Standing::Nobodys,
            PeopleAnswer::Taken(_) => Standing::Somebodys,
            _ => Standing::Unknown,
        };
        let Some(nodes) = &mut self.nodes else {
            return;
        };
        for id in nodes.known_names.learn(name, standing, now.ms) {
            self.schedule_read(id);
        }
    }

    /// Refuses a name that is somebody's, here or at another node.
    pub(super) fn check_free(&self, name: &PersonName) -> Result<(), CommandError> {
        if self.chat.is_taken(name) {
            return Err(NAME_TAKEN);
        }
        let nodes = self.nodes.as_ref();
        match nodes.map(|nodes| nodes.known_names.standing(&name.shown())) {
            None | Some(Standing::Nobodys) => Ok(()),
            Some(Standing::Somebodys) => Err(NAME_TAKEN),
            Some(Standing::Unknown) => Err(UNAVAILABLE.into()),
        }
    }
}
