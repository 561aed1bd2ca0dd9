//! The thread that searches, so that no page of history waits behind a search.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::database::Database;
use super::deadline::Deadline;
use super::error::StoreError;
use super::messages::Messages;
use super::tell::{Outcome, Tell};
use super::{rooms, search};
use crate::core::store::{Answer, Search};
use crate::limits::STORE_RETRY_MS;
use crate::shell::error::RunError;

/// How long one search may take: others wait behind it.
const MAX_TIME: Duration = Duration::from_millis(500);

pub(super) struct Finder {
    database: Database,
    to_find: Receiver<Search>,
    tell: Tell,
    deadline: Deadline,
}

impl Finder {
    pub(super) fn new(
        database: Database,
        to_find: Receiver<Search>,
        tell: Tell,
    ) -> Result<Self, RunError> {
        let deadline = Deadline::new(database.connection.get_interrupt_handle())?;
        Ok(Self {
            database,
            to_find,
            tell,
            deadline,
        })
    }

    /// Searches until the writer has ended, or the database is of no use.
    pub(super) fn run(self) {
        while let Ok(search) = self.to_find.recv() {
            match self.deadline.within(MAX_TIME, || self.find(&search)) {
                Ok(answer) => self.tell.answer(answer),
                Err(
                    error @ (StoreError::TooLong
                    | StoreError::Misunderstood(_)
                    | StoreError::Full
                    | StoreError::Busy),
                ) => {
                    log::warn!("a search was given up: {error}");
                    self.tell.answer(Answer::Refused {
                        ticket: search.ticket,
                        retry_ms: STORE_RETRY_MS,
                    });
                }
                Err(error) => return self.tell.tell([Outcome::Failed(error)]),
            }
        }
    }

    fn find(&self, search: &Search) -> Result<Answer, StoreError> {
        let view = self.database.connection.unchecked_transaction()?;
        let row = rooms::find(&view, &search.room)?.filter(|row| row.epoch == search.epoch);
        let found = match row {
            None => Messages::default(),
            Some(row) => search::find(&view, &row, search)?,
        };
        Ok(found.answer(search.ticket))
    }
}
