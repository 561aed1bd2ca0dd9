//! The folder of files that several servers share, beside Redis: the loop's end of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use mio::Waker;

use super::store::Folder;
use crate::core::file::FileAnswer;
use crate::core::{Now, Server, Stream};
use crate::shell::error::RunError;

/// The folder, and what its threads have answered.
pub(super) struct SharedFolder {
    folder: Folder,
    answers: Receiver<FileAnswer>,
    /// An answer that the budget of its tick left no place for.
    next: Option<FileAnswer>,
}

impl SharedFolder {
    /// Opens the folder, which is made if it is missing.
    ///
    /// # Errors
    /// It cannot be used, and what to do then.
    pub(super) fn open(path: &Path, waker: &Arc<Waker>) -> Result<Self, RunError> {
        let (sender, answers) = channel();
        let waker = Arc::clone(waker);
        let tell = move |answer| {
            // The loop has ended.
            if sender.send(answer).is_ok()
                && let Err(error) = waker.wake()
            {
                log::error!("cannot wake the loop: {error}");
            }
        };
        Ok(Self {
            folder: Folder::share(path, tell)?,
            answers,
            next: None,
        })
    }

    /// Passes on what the server asks for.
    pub(super) fn take_requests<S: Stream>(&self, server: &mut Server<S>) {
        while let Some(request) = server.next_file_request() {
            self.folder.ask(request);
        }
    }

    /// Passes answers to the server, as many as the budget of the tick allows.
    pub(super) fn give_answers<S: Stream>(&mut self, server: &mut Server<S>, now: Now) {
        while self.has_answer() && server.budget().is_left() {
            if let Some(answer) = self.next.take() {
                server.on_file_answer(answer, now);
            }
        }
    }

    /// Whether there are answers that the loop has not taken.
    pub(super) fn has_answer(&mut self) -> bool {
        if self.next.is_none() {
            self.next = self.answers.try_recv().ok();
        }
        self.next.is_some()
    }

    /// Does all that it was asked for, and ends.
    pub(super) fn close(self) {
        self.folder.close();
    }
}
