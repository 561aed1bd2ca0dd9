//! How a thread of the store tells the loop something.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use mio::Waker;

use super::error::StoreError;
use crate::core::file::{FileAnswer, FileId};
use crate::core::store::Answer;

/// What the threads tell the loop.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Answer),
    /// What a webhook is to be told is kept.
    HookKept {
        webhook: u64,
        room: Box<str>,
        id: Box<str>,
    },
    /// About a file's bytes.
    File(FileAnswer),
    /// The messages of these files are too old, or too many, and gone.
    FilesForgotten(Vec<FileId>),
    /// The pause of this number has begun: nothing is written.
    Paused(u64),
    /// The disk has failed. Nothing is kept from now on, and nothing more is told.
    Failed(StoreError),
}

/// Tells the loop something, and wakes it.
#[derive(Clone, Debug)]
pub(super) struct Tell {
    outcomes: Sender<Outcome>,
    waker: Arc<Waker>,
}

impl Tell {
    pub(super) fn new(outcomes: Sender<Outcome>, waker: Arc<Waker>) -> Self {
        Self { outcomes, waker }
    }

    /// Tells the loop these, and wakes it once.
    pub(super) fn tell(&self, outcomes: impl IntoIterator<Item = Outcome>) {
        let mut is_any = false;
        for outcome in outcomes {
            // A loop that has gone wants to know nothing.
            is_any |= self.outcomes.send(outcome).is_ok();
        }
        if is_any && let Err(error) = self.waker.wake() {
            log::error!("cannot wake the loop: {error}");
        }
    }

    pub(super) fn answer(&self, answer: Answer) {
        self.tell([Outcome::Answer(answer)]);
    }
}
