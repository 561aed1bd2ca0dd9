//! Bans as they outlive a server: on disk, in a log that several share, and over a handover.

use crate::codec::json::ban::BanRecord;
use crate::core::ban::{Ban, Bans};
use crate::core::budget::cost;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::store::{BanRequest, Request};
use crate::core::stream::Stream;

impl<S: Stream> Server<S> {
    /// Begins with the bans that a store has kept, in JSON. To be called after `use_store`, and before the first connection.
    pub fn use_bans(&mut self, kept: &[Box<str>], now: Now) {
        self.load_bans(kept.iter().filter_map(|text| read_ban(text)), now);
    }

    /// A ban was kept at any node that shares the log, this one as well, or is no more.
    pub(in crate::core::server) fn on_ban_elsewhere(
        &mut self,
        id: &str,
        text: Option<&str>,
        now: Now,
    ) {
        match text {
            None => {
                self.banning.bans.remove(id);
            }
            Some(text) => self.load_bans(read_ban(text).into_iter(), now),
        }
    }

    /// These are all bans of the log.
    pub(in crate::core::server) fn replace_bans(&mut self, texts: &[Box<str>], now: Now) {
        self.budget.spend(cost::LOOKUP * texts.len() as u64);
        self.banning.bans = Bans::default();
        self.use_bans(texts, now);
    }

    /// The log has lost them.
    pub(in crate::core::server) fn keep_bans_again(&mut self) {
        log::warn!("Redis has lost the bans: those that are known here are kept again");
        let bans = self.banning.bans.iter();
        let requests: Vec<BanRequest> = bans.map(kept).collect();
        for request in requests {
            self.ask_store_of_ban(request);
        }
    }

    /// Asks whoever keeps bans, if anything does.
    pub(in crate::core::server) fn ask_store_of_ban(&mut self, request: BanRequest) {
        if let Some(outbox) = &mut self.outbox {
            outbox.push(Request::Ban(request));
        }
    }

    /// All bans, for a server that takes over.
    pub(in crate::core::server) fn ban_records(&self) -> Vec<&BanRecord> {
        self.banning.bans.iter().map(Ban::record).collect()
    }

    /// Begins with the bans of another server, in place of those that a store has kept. Without `told` that one knew none.
    pub(in crate::core::server) fn take_over_bans(
        &mut self,
        told: Option<Vec<BanRecord>>,
        now: Now,
    ) {
        if let Some(told) = told {
            self.banning.bans = Bans::default();
            self.load_bans(told.into_iter(), now);
        }
    }

    /// These hold from now on.
    fn load_bans(&mut self, records: impl Iterator<Item = BanRecord>, now: Now) {
        for ban in records.filter_map(Ban::of_record) {
            if let Err(refused) = self.begin_ban(ban, now) {
                log::error!("not all bans hold: {}", refused.message);
                return;
            }
        }
    }
}

/// A ban that was kept.
fn read_ban(text: &str) -> Option<BanRecord> {
    let read = serde_json::from_str(text);
    read.inspect_err(|error| log::error!("a ban that was kept cannot be read: {error}"))
        .ok()
}

/// As it is kept.
pub(super) fn text_of(ban: &Ban) -> Box<str> {
    let text = serde_json::to_string(ban.record());
    text.unwrap_or_default().into()
}

/// What asks a store to keep it.
pub(super) fn kept(ban: &Ban) -> BanRequest {
    BanRequest::Keep {
        id: ban.id().into(),
        text: text_of(ban),
    }
}
