//! The store of messages on disk: SQLite on three threads beside the loop, which never waits for them.
//!
//! Requests go to the writer, which carries out all that has gathered while the last commit ran in the next one, and
//! answers when that has returned. What only reads goes on from there to the reader, and what searches to the finder: they
//! see all that was asked for before.
//! Answers come back through a channel, and wake the loop.

mod append;
mod archive;
mod bans;
mod database;
mod deadline;
mod directory;
mod error;
mod files;
mod finder;
mod folder;
mod forgetting;
mod hooks;
mod ids;
mod index;
mod messages;
mod orphans;
mod past;
mod people;
mod push;
mod reader;
mod room_row;
mod rooms;
mod schema;
mod search;
mod state;
mod tell;
mod terms;
#[cfg(test)]
mod tests;
mod thread;
mod writer;

use std::collections::BTreeSet;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use mio::Waker;

use crate::core::file::{FileId, FileRequest};
use crate::core::store::{Durability, KeptHooks, KeptPush, Request, Stored};
use crate::core::{Now, Server, Stream};
use crate::settings::Limits;
use crate::shell::error::RunError;
pub(super) use archive::{Archive, ArchivedRoom, Import};
use database::Database;
pub(super) use database::Inventory;
use directory::Directory;
pub(super) use error::StoreError;
use finder::Finder;
pub(super) use folder::Folder;
pub(super) use hooks::IsFor;
use reader::Reader;
use tell::{Outcome, Tell};
use thread::spawn;
use writer::{Job, Writer};

/// What is kept for webhooks, for push, and of bans.
pub(super) type KeptBeside = (KeptHooks, KeptPush, Vec<Box<str>>);

/// The loop's end of the store.
#[derive(Debug)]
pub(super) struct Store {
    /// Gone when it is ending.
    jobs: Option<Sender<Job>>,
    /// The bytes of files; the same.
    folder: Option<Folder>,
    outcomes: Receiver<Outcome>,
    /// An outcome that the budget of its tick left no place for.
    next: Option<Outcome>,
    pauses: Pauses,
    threads: Vec<JoinHandle<()>>,
    /// Locked as long as this is here.
    directory: Directory,
}

/// The pauses of the writer, in which another process can take over.
#[derive(Debug, Default)]
struct Pauses {
    /// The number of the one that it was asked for, which has not ended.
    asked: Option<u64>,
    /// That of the last that began.
    begun: u64,
    count: u64,
}

impl Store {
    /// Opens the store in a directory, which is made if there is none. Gives what is kept for these webhooks, too, of which
    /// a function says whether one is told of a room, for push, and of bans.
    ///
    /// # Errors
    /// It cannot be used, and what to do then.
    pub(super) fn open(
        path: &Path,
        durability: Durability,
        limits: &Limits,
        (webhooks, is_for): (&[u64], &IsFor<'_>),
        waker: Arc<Waker>,
    ) -> Result<(Self, Inventory, KeptBeside), RunError> {
        let directory = Directory::open(path)?;
        let cannot_open = |error: StoreError| error.at_start(path);
        let database = Database::open(&directory.database()).map_err(cannot_open)?;
        database.begin(durability, limits).map_err(cannot_open)?;
        let hooks = hooks::begin(&database.connection, webhooks, is_for).map_err(cannot_open)?;
        let push = push::all(&database.connection).map_err(cannot_open)?;
        let bans = bans::all(&database.connection).map_err(cannot_open)?;
        let kept = (hooks, push, bans);
        let (store, inventory) = Self::start(directory, database, &BTreeSet::new(), limits, waker)?;
        Ok((store, inventory, kept))
    }

    /// The states of alarms in the rooms for which a function says yes, each with the name of its room.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn alarms(
        &self,
        is_for: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<(Box<str>, Stored)>, RunError> {
        let opened = Database::open_to_read(&self.directory.database());
        let alarms = opened.and_then(|it| state::alarms(&it.connection, is_for));
        alarms.map_err(|error| error.at_start(self.directory.path()))
    }

    /// What is kept of push.
    ///
    /// # Errors
    /// The same.
    pub(super) fn push(&self) -> Result<KeptPush, RunError> {
        let opened = Database::open_to_read(&self.directory.database());
        let kept = opened.and_then(|it| push::all(&it.connection));
        kept.map_err(|error| error.at_start(self.directory.path()))
    }

    /// Opens the one that another server has, which is paused and has given this one its lock. `arriving`: files that have
    /// not come to their end.
    ///
    /// # Errors
    /// The same.
    pub(super) fn take_over(
        path: &Path,
        lock: OwnedFd,
        arriving: &BTreeSet<FileId>,
        limits: &Limits,
        waker: Arc<Waker>,
    ) -> Result<(Self, Inventory), RunError> {
        let directory = Directory::take_over(path, lock);
        let opened = Database::open(&directory.database());
        let database = opened.map_err(|error| error.at_start(path))?;
        Self::start(directory, database, arriving, limits, waker)
    }

    fn start(
        directory: Directory,
        database: Database,
        arriving: &BTreeSet<FileId>,
        limits: &Limits,
        waker: Arc<Waker>,
    ) -> Result<(Self, Inventory), RunError> {
        let cannot_open = |error: StoreError| error.at_start(directory.path());
        let mut inventory = database.inventory().map_err(cannot_open)?;
        let reading = Database::open_to_read(&directory.database()).map_err(cannot_open)?;
        let (jobs, to_write) = channel();
        let (outcome_sender, outcomes) = channel();
        let (reads, to_read) = channel();
        let tell = Tell::new(outcome_sender, waker);
        let kept = inventory
            .files
            .iter()
            .map(|placed| placed.file.id)
            .collect();
        let tell_of_file = {
            let tell = tell.clone();
            move |answer| tell.tell([Outcome::File(answer)])
        };
        let (folder, found) = Folder::open(&directory.files(), &kept, arriving, tell_of_file)?;
        inventory
            .files
            .retain(|placed| found.contains(&placed.file.id));
        for id in kept.difference(&found) {
            files::forget(&database.connection, *id).map_err(cannot_open)?;
        }
        let finding = Database::open_to_read(&directory.database()).map_err(cannot_open)?;
        let (searches, to_find) = channel();
        let reader = Reader::new(reading, to_read, tell.clone());
        let finder = Finder::new(finding, to_find, tell.clone())?;
        let writer = Writer::new(database, to_write, (reads, searches), tell, limits);
        let threads = [
            spawn("parlor-finder", || finder.run())?,
            spawn("parlor-reader", || reader.run())?,
            spawn("parlor-writer", || writer.run())?,
        ];
        let store = Self {
            jobs: Some(jobs),
            folder: Some(folder),
            outcomes,
            next: None,
            pauses: Pauses::default(),
            threads: threads.into(),
            directory,
        };
        Ok((store, inventory))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Hands over what the server asks for.
    pub(super) fn take_requests<S: Stream>(&self, server: &mut Server<S>) {
        while let Some(request) = server.next_request() {
            self.send(Job::Request(request));
        }
        let Some(folder) = &self.folder else {
            return;
        };
        while let Some(request) = server.next_file_request() {
            if let FileRequest::Remove { id } = request {
                self.send(Job::Request(Request::ForgetFile { id }));
            }
            folder.ask(request);
        }
    }

    /// Does what it was asked for so far, and then nothing until `resume`: it is not to be given requests meanwhile. Says
    /// whether it does nothing now.
    pub(super) fn pause(&mut self) -> bool {
        if self.pauses.asked.is_none() {
            self.pauses.count += 1;
            self.pauses.asked = Some(self.pauses.count);
            self.send(Job::Pause(self.pauses.count));
        }
        self.pauses.asked == Some(self.pauses.begun)
    }

    pub(super) fn is_pausing(&self) -> bool {
        self.pauses.asked.is_some()
    }

    /// Nobody takes over now: it goes on.
    pub(super) fn resume(&mut self) {
        if self.pauses.asked.take().is_some() {
            self.send(Job::Resume);
        }
    }

    /// What a server that takes over is given.
    pub(super) fn lock(&self) -> BorrowedFd<'_> {
        self.directory.lock()
    }

    /// It is this process's now, and others that find the directory locked are told so.
    pub(super) fn claim(&mut self) {
        if let Err(error) = self.directory.claim() {
            log::warn!("cannot write to {}/lock: {error}", self.path().display());
        }
    }

    /// Other limits hold for what is kept.
    pub(super) fn reconfigure(&self, limits: &Limits) {
        self.send(Job::Reconfigure(Box::new(limits.clone())));
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // Of a writer that has failed the loop is told otherwise.
            let _ = jobs.send(job);
        }
    }

    /// Passes answers to the server, as many as the budget of the tick allows.
    ///
    /// # Errors
    /// The disk has failed.
    pub(super) fn give_answers<S: Stream>(
        &mut self,
        server: &mut Server<S>,
        now: Now,
    ) -> Result<(), StoreError> {
        while self.has_answer() && server.budget().is_left() {
            match self.next.take() {
                Some(Outcome::Answer(answer)) => server.on_answer(answer, now),
                Some(Outcome::HookKept { webhook, room, id }) => {
                    server.on_hook_kept(webhook, &room, &id, now);
                }
                Some(Outcome::File(answer)) => server.on_file_answer(answer, now),
                Some(Outcome::FilesForgotten(ids)) => server.on_files_forgotten(&ids),
                Some(Outcome::Paused(number)) => self.pauses.begun = number,
                Some(Outcome::Failed(error)) => return Err(error),
                None => break,
            }
        }
        Ok(())
    }

    /// Whether there are answers that the loop has not taken.
    pub(super) fn has_answer(&mut self) -> bool {
        if self.next.is_none() {
            self.next = self.outcomes.try_recv().ok();
        }
        self.next.is_some()
    }

    /// Writes all that it was asked for, and ends.
    ///
    /// # Errors
    /// Not all of it could be written.
    pub(super) fn close(mut self) -> Result<(), StoreError> {
        self.jobs = None;
        if let Some(folder) = self.folder.take() {
            folder.close();
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::error!("a thread of the store has panicked");
            }
        }
        while self.has_answer() {
            if let Some(Outcome::Failed(error)) = self.next.take() {
                return Err(error);
            }
        }
        Ok(())
    }
}
