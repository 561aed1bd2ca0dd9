//! Files that no link leads to, where several servers keep files in one place: a server was killed while it took one, or while
//! it removed one. They are looked for in parts, by the first digit of their ids, and removed by whoever finds them.

use crate::core::budget::cost;
use crate::core::file::{FileId, FileRequest};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::store::{FilesAnswer, FilesRequest, Request};
use crate::core::stream::Stream;
use crate::limits::{FILES_AT_ONCE, ORPHANS_SEARCH_MS, STORE_TIMEOUT_MS};

/// First digits of ids.
const DIGITS: u8 = 16;

/// What is done where the log has no link at all.
const LEFT_ALONE: &str =
    "they are left alone, because this may be another Redis, or one that has lost its data";

/// How far a search has come.
#[derive(Debug)]
pub(super) struct Search {
    next_ms: u64,
    /// The digit that is looked at; `None` between two searches.
    digit: Option<u8>,
    /// Files that are there, and of which the log was not asked yet.
    unchecked: Vec<FileId>,
}

impl Search {
    pub(super) fn beginning_at(next_ms: u64) -> Self {
        Self {
            next_ms,
            digit: None,
            unchecked: Vec::new(),
        }
    }

    /// When the next one begins; never before the one that goes on ends.
    pub(super) fn next_ms(&self) -> u64 {
        self.next_ms
    }

    fn begin(&mut self) {
        *self = Self {
            digit: Some(0),
            ..Self::beginning_at(u64::MAX)
        };
    }

    fn end(&mut self, now_ms: u64, wait_ms: u64) {
        *self = Self::beginning_at(now_ms + wait_ms);
    }
}

impl<S: Stream> Server<S> {
    /// Begins a search that is due.
    pub(super) fn search_for_orphans(&mut self, now: Now) {
        if let Some(shared) = &mut self.files.shared
            && shared.search.next_ms <= now.ms
        {
            shared.search.begin();
            self.ask_which_are_there();
        }
    }

    fn ask_which_are_there(&mut self) {
        let digit = self.files.shared.as_ref().and_then(|it| it.search.digit);
        let Some(digit) = digit else {
            return;
        };
        let arriving = self.files.catalogue.ids();
        let arriving = arriving.filter(|id| id.first_digit() == digit).collect();
        let request = FileRequest::Sweep { digit, arriving };
        self.files.requests.push_back(request);
    }

    /// These files are there.
    pub(super) fn on_found_files(&mut self, ids: Vec<FileId>, now: Now) {
        self.budget.spend(cost::LOOKUP * ids.len() as u64);
        if let Some(shared) = &mut self.files.shared {
            shared.search.unchecked = ids;
            self.go_on_searching(now);
        }
    }

    /// Asks the log about more files, or looks at the next digit.
    fn go_on_searching(&mut self, now: Now) {
        let is_held = self.is_held;
        let (Some(shared), Some(outbox)) = (&mut self.files.shared, &mut self.outbox) else {
            return;
        };
        let search = &mut shared.search;
        let Some(digit) = search.digit else {
            return;
        };
        // The server that takes the place of this one searches itself.
        if is_held {
            return search.end(now.ms, STORE_TIMEOUT_MS);
        }
        let count = search.unchecked.len().min(FILES_AT_ONCE);
        let ids: Vec<FileId> = search.unchecked.drain(..count).collect();
        if !ids.is_empty() {
            let ticket = outbox.next_ticket();
            outbox.push(Request::Files(FilesRequest::Check { ticket, ids }));
            shared.await_check(ticket, now.ms);
        } else if digit + 1 < DIGITS {
            search.digit = Some(digit + 1);
            self.ask_which_are_there();
        } else {
            search.end(now.ms, ORPHANS_SEARCH_MS);
        }
    }

    fn end_search(&mut self, now: Now, wait_ms: u64) {
        if let Some(shared) = &mut self.files.shared {
            shared.search.end(now.ms, wait_ms);
        }
    }

    /// The log says which files have no link. If it does not, that is asked again in a while.
    pub(super) fn on_checked(&mut self, answer: FilesAnswer, now: Now) {
        let FilesAnswer::Orphans(orphans) = answer else {
            return self.end_search(now, STORE_TIMEOUT_MS);
        };
        let count = orphans.len();
        if count > 0 && self.files.space().files == 0 {
            log::error!("{count} files and more have no link, and no other has: {LEFT_ALONE}");
            return self.end_search(now, ORPHANS_SEARCH_MS);
        }
        if count > 0 {
            log::warn!(
                "removes {count} files that have no link: a node ended while it took them, or removed them"
            );
        }
        // What arrives here has no link yet.
        let catalogue = &self.files.catalogue;
        let orphans = orphans
            .into_iter()
            .filter(|id| catalogue.get(*id).is_none());
        let requests = orphans.map(|id| FileRequest::Remove { id });
        self.files.requests.extend(requests);
        self.go_on_searching(now);
    }
}
