//! What the server asks about bans, and what other nodes say of them.

use crate::codec::resp::Reply;
use crate::core::redis::bans;
use crate::core::redis::engine::question::Question;
use crate::core::redis::engine::{Engine, Output};
use crate::core::redis::people;
use crate::core::store::{BanRequest, PeopleNews};
use crate::limits::MAX_BANS;

impl Engine {
    pub(super) fn on_ban_request(&mut self, request: BanRequest) {
        match bans::change(&request, self.is_sharded) {
            Some(command) => self.question(people::slot(), Question::Ban(request), command),
            None => self.compare_bans(),
        }
    }

    /// Asks whether anything was missed, behind what could not be asked before.
    pub(super) fn compare_bans(&mut self) {
        for request in std::mem::take(&mut self.bans.again) {
            self.on_ban_request(request);
        }
        let command = bans::compare(self.bans.version);
        self.question(people::slot(), Question::CompareBans, command);
    }

    /// Redis could not be asked: it is when it is there again.
    pub(super) fn put_ban_off(&mut self, request: &BanRequest) {
        if self.bans.again.len() < MAX_BANS {
            self.bans.again.push(request.clone());
        }
    }

    /// Another node, or this one, has changed a ban.
    pub(super) fn on_ban_said(&mut self, id: Box<str>, text: Option<Box<str>>) {
        self.bans.version += 1;
        let news = PeopleNews::Ban { id, text };
        self.outputs.push_back(Output::PeopleNews(news));
    }

    /// Redis has kept a ban, or has as many as there may be.
    pub(super) fn on_ban_kept(&mut self, reply: &Reply) {
        let words = reply.array().unwrap_or_default();
        if words.first().and_then(Reply::text) == Some("full") {
            self.complain("keep a ban beside 10,000 others", reply);
        }
    }

    pub(super) fn on_bans_compared(&mut self, reply: &Reply) {
        let Some(compared) = bans::compared(reply) else {
            return self.complain("say who is banned", reply);
        };
        let Some(kept) = compared else { return };
        let was_known = std::mem::replace(&mut self.bans.version, kept.version) > 0;
        // A Redis that has lost all has no version.
        let news = match kept.version {
            0 if was_known => PeopleNews::BansLost,
            _ => PeopleNews::Bans(kept.texts),
        };
        self.outputs.push_back(Output::PeopleNews(news));
    }
}
