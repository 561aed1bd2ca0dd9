//! The thread that searches, and reads the numbers that keys had, so that no page of history waits behind that.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::database::Database;
use super::deadline::Deadline;
use super::error::StoreError;
use super::messages::Messages;
use super::tell::{Outcome, Tell};
use super::{past, rooms, search};
use crate::core::store::{Answer, Past, ReadPast, Search, Ticket};
use crate::limits::STORE_RETRY_MS;
use crate::shell::error::RunError;

/// How long one search may take: others wait behind it.
const MAX_TIME: Duration = Duration::from_millis(500);

/// What the writer passes on.
#[derive(Debug)]
pub(super) enum Finding {
    Search(Search),
    Past(ReadPast),
}

impl Finding {
    fn ticket(&self) -> Ticket {
        match self {
            Self::Search(search) => search.ticket,
            Self::Past(past) => past.ticket,
        }
    }
}

pub(super) struct Finder {
    database: Database,
    to_find: Receiver<Finding>,
    tell: Tell,
    deadline: Deadline,
}

impl Finder {
    pub(super) fn new(
        database: Database,
        to_find: Receiver<Finding>,
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
        while let Ok(finding) = self.to_find.recv() {
            let found = self.deadline.within(MAX_TIME, || match &finding {
                Finding::Search(search) => self.find(search),
                Finding::Past(past) => self.read_past(past),
            });
            match found {
                Ok(answer) => self.tell.answer(answer),
                Err(
                    error @ (StoreError::TooLong
                    | StoreError::Misunderstood(_)
                    | StoreError::Full
                    | StoreError::Busy),
                ) => {
                    log::warn!("a search was given up: {error}");
                    self.tell.answer(Answer::Refused {
                        ticket: finding.ticket(),
                        retry_ms: STORE_RETRY_MS,
                    });
                }
                Err(error) => return self.tell.tell([Outcome::Failed(error)]),
            }
        }
    }

    fn read_past(&self, request: &ReadPast) -> Result<Answer, StoreError> {
        let view = self.database.connection.unchecked_transaction()?;
        let row = rooms::find(&view, &request.room)?.filter(|row| row.epoch == request.epoch);
        let past = match row {
            None => Past::default(),
            Some(row) => past::read(&view, &row, request, MAX_TIME / 2)?,
        };
        Ok(Answer::Past {
            ticket: request.ticket,
            past,
        })
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
