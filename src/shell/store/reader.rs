//! The thread that reads, so that nothing that is looked for holds up a commit.

use std::sync::mpsc::Receiver;

use super::database::Database;
use super::error::StoreError;
use super::messages::Messages;
use super::tell::{Outcome, Tell};
use super::{messages, rooms, state};
use crate::core::store::{Answer, Contents, Load, Read};
use crate::limits::STORE_RETRY_MS;

/// Bytes of the bodies of one page, so that an answer does not fill the memory.
const MAX_PAGE_BYTES: usize = 4 << 20;

/// Messages that a room begins with, so that the loop is not held up by one. It reads more when somebody asks for it.
const MAX_LOADED: usize = 1_000;

/// What the writer passes on.
#[derive(Debug)]
pub(super) enum Reading {
    Load(Load),
    Read(Read),
}

pub(super) struct Reader {
    database: Database,
    to_read: Receiver<Reading>,
    tell: Tell,
}

impl Reader {
    pub(super) fn new(database: Database, to_read: Receiver<Reading>, tell: Tell) -> Self {
        Self {
            database,
            to_read,
            tell,
        }
    }

    /// Reads until the writer has ended, or the database is of no use.
    pub(super) fn run(self) {
        while let Ok(reading) = self.to_read.recv() {
            let (ticket, answer) = match reading {
                Reading::Load(load) => (load.ticket, self.load(&load)),
                Reading::Read(read) => (read.ticket, self.read(&read)),
            };
            match answer {
                Ok(answer) => self.tell.answer(answer),
                Err(error) if error.may_pass() || matches!(error, StoreError::DamagedRoom(_)) => {
                    log::error!("cannot read what is kept: {error}; {}", error.advice());
                    let retry_ms = STORE_RETRY_MS;
                    self.tell.answer(Answer::Refused { ticket, retry_ms });
                }
                Err(error) => return self.tell.tell([Outcome::Failed(error)]),
            }
        }
    }

    fn load(&self, load: &Load) -> Result<Answer, StoreError> {
        // One view of the file, whatever is written meanwhile.
        let view = self.database.connection.unchecked_transaction()?;
        let ticket = load.ticket;
        let Some(row) = rooms::find(&view, &load.room)? else {
            let contents = None;
            return Ok(Answer::Loaded { ticket, contents });
        };
        if !row.is_sound {
            return Err(StoreError::DamagedRoom(load.room.clone()));
        }
        let room = (&*load.room, &row);
        let most = load.messages.min(MAX_LOADED);
        let contents = Contents {
            read_ms: None,
            epoch: row.epoch,
            offset: row.offset,
            messages: messages::read(&view, room, (0, row.offset + 1), most, load.bytes)?.sound,
            state: state::all(&view, room)?,
            sent: messages::sent_after(&view, &row, load.sent_after_ms)?,
        };
        let contents = Some(Box::new(contents));
        Ok(Answer::Loaded { ticket, contents })
    }

    fn read(&self, read: &Read) -> Result<Answer, StoreError> {
        let view = self.database.connection.unchecked_transaction()?;
        let row = rooms::find(&view, &read.room)?.filter(|row| row.epoch == read.epoch);
        let found = match row {
            None => Messages::default(),
            Some(row) => {
                let between = (read.after, read.before);
                let room = (&*read.room, &row);
                messages::read(&view, room, between, read.limit, MAX_PAGE_BYTES)?
            }
        };
        Ok(found.answer(read.ticket))
    }
}
