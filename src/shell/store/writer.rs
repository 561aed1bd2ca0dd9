//! The thread that writes: what has gathered while the last commit ran is in the next one.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::database::Database;
use super::error::StoreError;
use super::finder::Finding;
use super::forgetting::Forgetting;
use super::reader::Reading;
use super::rooms::Rooms;
use super::tell::{Outcome, Tell};
use super::{append, bans, files, hooks, people, push, state};
use crate::core::store::{Answer, Append, HookRequest, Request, Stored};
use crate::limits::STORE_RETRY_MS;
use crate::settings::Limits;
use crate::shell::clock::unix_ms;

/// Requests in one commit at most: then a room that is emptied does not wait for a flood.
const MAX_BATCH: usize = 2_000;

/// Bytes of bodies in one commit, after which the rest waits for the next.
const MAX_BATCH_BYTES: usize = 8 << 20;

/// Requests that wait for a disk that is full, before what people change is not kept.
const MAX_AGAIN: usize = 10_000;

/// How long the writer waits for work before it looks for what is to be forgotten.
const IDLE: Duration = Duration::from_millis(500);

/// How often the log says that nothing can be written.
const NOTICE: Duration = Duration::from_secs(60);

/// What the loop sends.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are requests, and a box for each would cost more than the place"
)]
pub(super) enum Job {
    Request(Request),
    Reconfigure(Box<Limits>),
    /// Do nothing more once all before this is done, because another process is to take over.
    Pause(u64),
    /// It has not: go on.
    Resume,
    /// A small disk, for tests.
    #[cfg(test)]
    LimitPages(u32),
}

pub(super) struct Writer {
    database: Database,
    jobs: Receiver<Job>,
    reads: Sender<Reading>,
    searches: Sender<Finding>,
    tell: Tell,
    rooms: Rooms,
    forgetting: Forgetting,
    /// What nobody waits for, and was not written because the disk is full, or the database locked.
    again: VecDeque<Request>,
    /// The last commit was not done because of that.
    is_stuck: bool,
    /// To be begun once what was asked for before is done.
    next_pause: Option<u64>,
    noticed: Option<Instant>,
}

/// What is to be done once a transaction is committed.
#[derive(Default)]
struct Afterwards {
    answers: Vec<Outcome>,
    reads: Vec<Reading>,
    searches: Vec<Finding>,
}

impl Writer {
    pub(super) fn new(
        database: Database,
        jobs: Receiver<Job>,
        (reads, searches): (Sender<Reading>, Sender<Finding>),
        tell: Tell,
        limits: &Limits,
    ) -> Self {
        Self {
            database,
            jobs,
            reads,
            searches,
            tell,
            rooms: Rooms::default(),
            forgetting: Forgetting::new(limits),
            again: VecDeque::new(),
            is_stuck: false,
            next_pause: None,
            noticed: None,
        }
    }

    /// Writes until the loop asks for nothing any more, or the disk has failed.
    pub(super) fn run(mut self) {
        if let Err(error) = self.work() {
            self.database.leave_as_is();
            self.tell.tell([Outcome::Failed(error)]);
        }
    }

    fn work(&mut self) -> Result<(), StoreError> {
        loop {
            match self.jobs.recv_timeout(self.patience()) {
                Ok(job) => {
                    let batch = self.gather(job);
                    self.carry_out(batch)?;
                    // While a full disk does not take what is not answered, there is no pause.
                    if self.again.is_empty()
                        && let Some(number) = self.next_pause.take()
                        && self.pause(number).is_break()
                    {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.carry_out(VecDeque::new())?,
                Err(RecvTimeoutError::Disconnected) => return self.finish(),
            }
            self.forget_some()?;
            self.checkpoint()?;
        }
    }

    /// How long to wait for a job: not at all while there is more to forget, and it can be done.
    fn patience(&self) -> Duration {
        match self.forgetting.has_work() && !self.is_stuck {
            true => Duration::ZERO,
            false => IDLE,
        }
    }

    /// Does nothing before it is told to go on. If the loop is gone then, another process has the database.
    fn pause(&mut self, number: u64) -> ControlFlow<()> {
        self.tell.tell([Outcome::Paused(number)]);
        loop {
            match self.jobs.recv() {
                Ok(Job::Resume) => return ControlFlow::Continue(()),
                Ok(Job::Reconfigure(limits)) => self.forgetting.reconfigure(&limits),
                // The loop gives it nothing else to do.
                Ok(_) => {}
                Err(_) => {
                    self.database.leave_as_is();
                    return ControlFlow::Break(());
                }
            }
        }
    }

    /// The last chance for what the full disk did not take.
    fn finish(&mut self) -> Result<(), StoreError> {
        self.carry_out(VecDeque::new())?;
        match self.again.is_empty() {
            true => self.database.end_in_order(),
            false => Err(StoreError::Failed("it could not be written to".to_owned())),
        }
    }

    /// A job, and those that have gathered behind it.
    fn gather(&mut self, first: Job) -> VecDeque<Request> {
        let mut batch = VecDeque::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Request(request) => {
                    bytes += match &request {
                        Request::Append(append) => append.record.body.len(),
                        Request::Hook(HookRequest::Seal { delivery, .. }) => delivery.body.len(),
                        _ => 0,
                    };
                    batch.push_back(request);
                }
                Job::Reconfigure(limits) => self.forgetting.reconfigure(&limits),
                Job::Pause(number) => {
                    self.next_pause = Some(number);
                    return batch;
                }
                Job::Resume => self.next_pause = None,
                #[cfg(test)]
                Job::LimitPages(pages) => {
                    let sql = format!("PRAGMA max_page_count = {pages}");
                    let set = self.database.connection.query_row(&sql, [], |_| Ok(()));
                    set.expect("it can be limited");
                }
            }
            let has_place = batch.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES;
            next = has_place.then(|| self.jobs.try_recv().ok()).flatten();
        }
        batch
    }

    /// Carries out a batch in one transaction, and answers when it is committed. If the disk is full, or the database
    /// locked, none of it is done: who waits is refused, and the rest is tried again.
    fn carry_out(&mut self, batch: VecDeque<Request>) -> Result<(), StoreError> {
        let mut requests = std::mem::take(&mut self.again);
        requests.extend(batch);
        if requests.is_empty() {
            return Ok(());
        }
        let mut afterwards = Afterwards::default();
        match self.commit(&requests, &mut afterwards) {
            Ok(()) => {
                // What was written to a file that is gone is lost, and must not be acknowledged.
                self.database.check_is_there()?;
                self.is_stuck = false;
                self.tell.tell(afterwards.answers);
            }
            Err(error) if error.may_pass() => {
                self.rooms.forget_all();
                self.is_stuck = true;
                self.notice(&error);
                let refusals = self.put_off(requests);
                self.tell.tell(refusals);
            }
            Err(error) => return Err(error),
        }
        for reading in afterwards.reads {
            // A reader that has failed has told the loop.
            let _ = self.reads.send(reading);
        }
        for search in afterwards.searches {
            let _ = self.searches.send(search);
        }
        Ok(())
    }

    fn commit(
        &mut self,
        requests: &VecDeque<Request>,
        afterwards: &mut Afterwards,
    ) -> Result<(), StoreError> {
        for request in requests {
            match request {
                Request::Load(load) => afterwards.reads.push(Reading::Load(load.clone())),
                Request::Read(read) => afterwards.reads.push(Reading::Read(read.clone())),
                Request::Search(search) => {
                    afterwards.searches.push(Finding::Search(search.clone()));
                }
                Request::ReadPast(past) => {
                    afterwards.searches.push(Finding::Past(past.clone()));
                }
                _ => {}
            }
        }
        if afterwards.reads.len() + afterwards.searches.len() == requests.len() {
            return Ok(());
        }
        self.database.connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = self.write_all(requests, afterwards);
        let end = match done {
            Ok(()) => self.database.connection.execute_batch("COMMIT"),
            Err(_) => Ok(()),
        };
        let result = done.and(end.map_err(StoreError::from));
        if result.is_err() && !self.database.connection.is_autocommit() {
            // What cannot be undone either is undone when the file is opened next.
            let _ = self.database.connection.execute_batch("ROLLBACK");
        }
        result
    }

    fn write_all(
        &mut self,
        requests: &VecDeque<Request>,
        afterwards: &mut Afterwards,
    ) -> Result<(), StoreError> {
        for request in requests {
            if let Some(answer) = self.write(request)? {
                afterwards.answers.push(Outcome::Answer(answer));
            }
            if let Request::Hook(HookRequest::Seal { delivery, .. }) = request {
                afterwards.answers.push(Outcome::HookKept {
                    webhook: delivery.webhook,
                    room: delivery.room.clone(),
                    id: delivery.id.clone(),
                });
            }
        }
        self.rooms.write(&self.database.connection, unix_ms())
    }

    fn write(&mut self, request: &Request) -> Result<Option<Answer>, StoreError> {
        let connection = &self.database.connection;
        match request {
            // What is shared is not asked of a disk.
            Request::Load(_)
            | Request::Read(_)
            | Request::Search(_)
            | Request::ReadPast(_)
            | Request::Shared(_) => {}
            Request::Append(append) => return self.append(append).map(Some),
            Request::ForgetRoom { room, epoch } => {
                let found = self.rooms.find(connection, room)?;
                if found.is_some_and(|row| row.epoch == *epoch) {
                    self.rooms.forget(connection, room)?;
                }
            }
            Request::ForgetState {
                room,
                epoch,
                key,
                offset,
            } => {
                let found = self.rooms.find(connection, room)?;
                if let Some(row) = found.filter(|row| row.epoch == *epoch) {
                    state::remove(connection, row.id, key, *offset)?;
                }
            }
            Request::ForgetFile { id } => files::forget(connection, *id)?,
            Request::KeepPerson(person) => people::keep(connection, person)?,
            Request::ForgetPerson { number } => people::forget(connection, *number)?,
            // A directory has one server.
            Request::People(_) | Request::Files(_) => {}
            Request::Ban(request) => bans::carry_out(connection, request)?,
            Request::Hook(request) => hooks::carry_out(connection, request)?,
            Request::Push(request) => push::carry_out(connection, request)?,
        }
        Ok(None)
    }

    fn append(&mut self, append: &Append) -> Result<Answer, StoreError> {
        if let Some(conflict) = self.conflict(append)? {
            return Ok(conflict);
        }
        let connection = &self.database.connection;
        let row = match self.rooms.open(connection, &append.room, append.epoch) {
            Err(error @ (StoreError::TooManyRooms | StoreError::DamagedRoom(_))) => {
                self.notice(&error);
                return Ok(refused(append));
            }
            row => row?,
        };
        let stored = Stored {
            offset: append
                .offset
                .unwrap_or((row.offset + 1).max(append.not_before)),
            at_ms: append.at_ms,
            record: append.record.clone(),
        };
        append::append(connection, row, &stored)?;
        if let Some(file) = &append.file {
            files::keep(connection, row.id, stored.offset, file)?;
        }
        self.forgetting.note_append(&append.room, row);
        Ok(Answer::Accepted {
            ticket: append.ticket,
            offset: stored.offset,
            at_ms: stored.at_ms,
        })
    }

    /// The answer to a message that wants the state of its key to be another one.
    fn conflict(&mut self, append: &Append) -> Result<Option<Answer>, StoreError> {
        let Some((condition, key)) = append.condition.zip(append.record.key.as_deref()) else {
            return Ok(None);
        };
        let connection = &self.database.connection;
        let found = self.rooms.find(connection, &append.room)?;
        let current = match found.filter(|row| row.epoch == append.epoch) {
            Some(row) => state::get(connection, row.id, key)?,
            None => None,
        };
        let offset = current.as_ref().map(|it| it.offset);
        let holds = condition.holds(append.epoch, offset);
        Ok((!holds).then(|| Answer::Conflict {
            ticket: append.ticket,
            current: current.map(Box::new),
        }))
    }

    /// Those who wait are refused; what nobody waits for stays to be tried again, in its order.
    fn put_off(&mut self, requests: VecDeque<Request>) -> Vec<Outcome> {
        let (mut refusals, mut lost) = (Vec::new(), 0);
        for request in requests {
            match request {
                Request::Load(_)
                | Request::Read(_)
                | Request::Search(_)
                | Request::ReadPast(_)
                | Request::Shared(_) => {}
                Request::Append(append) if append.offset.is_none() => {
                    refusals.push(Outcome::Answer(refused(&append)));
                }
                Request::KeepPerson(_) | Request::ForgetPerson { .. }
                    if self.again.len() >= MAX_AGAIN =>
                {
                    // Who comes is not held back by a disk that is full. Who is not forgotten now is soon after a restart.
                    lost += 1;
                }
                request => self.again.push_back(request),
            }
        }
        if lost > 0 {
            log::error!("too much waits to be written: the changes of {lost} people are not kept");
        }
        refusals
    }

    /// Not all can be written for now, which the log says now and then.
    fn notice(&mut self, error: &StoreError) {
        let now = Instant::now();
        let is_due = self
            .noticed
            .is_none_or(|at| now.duration_since(at) >= NOTICE);
        if is_due {
            self.noticed = Some(now);
            log::error!(
                "{error}: messages are refused until that has changed; {}",
                error.advice()
            );
        }
    }

    /// One slice of what is to be forgotten, while nothing waits to be written.
    fn forget_some(&mut self) -> Result<(), StoreError> {
        let done = self.forgetting.slice(&mut self.database, &mut self.rooms);
        match done {
            Err(error) if error.may_pass() => {
                self.rooms.forget_all();
                self.is_stuck = true;
                self.notice(&error);
                Ok(())
            }
            Err(error) => Err(error),
            Ok(files) => {
                if !files.is_empty() {
                    self.tell.tell([Outcome::FilesForgotten(files)]);
                }
                Ok(())
            }
        }
    }

    /// After the answers: nobody waits for it.
    fn checkpoint(&self) -> Result<(), StoreError> {
        match self.database.checkpoint() {
            // The log grows until it can be done.
            Err(error) if error.may_pass() => Ok(()),
            done => done,
        }
    }
}

fn refused(append: &Append) -> Answer {
    Answer::Refused {
        ticket: append.ticket,
        retry_ms: STORE_RETRY_MS,
    }
}
