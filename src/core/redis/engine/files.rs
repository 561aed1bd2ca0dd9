//! What the server asks about links of files. What Redis does not answer is asked again for a while, where that is of use: to
//! forget a link, and, as messages are, to keep one. Each can be done twice.

use std::collections::VecDeque;

use crate::codec::resp::Reply;
use crate::core::redis::engine::{Engine, Output, Purpose};
use crate::core::redis::files;
use crate::core::store::{Answer, FilesAnswer, FilesRequest, FilesToForget};
use crate::limits::{ASK_AGAIN_MS, FILES_AT_ONCE, FORGET_FILES_MS, MAX_FILES_AGAIN};

/// A request, and how long it is asked again.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    request: FilesRequest,
    until_ms: u64,
}

/// What is asked again, and when, the earliest first.
#[derive(Debug, Default)]
pub(super) struct Again {
    due: VecDeque<(u64, Asked)>,
}

impl Again {
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.due.front().map(|(due_ms, _)| *due_ms)
    }

    /// Gives it back if its time is over by then, or there is no place for it.
    fn add(&mut self, due_ms: u64, asked: Asked) -> Result<(), Asked> {
        if due_ms > asked.until_ms || self.due.len() >= MAX_FILES_AGAIN {
            return Err(asked);
        }
        self.due.push_back((due_ms, asked));
        Ok(())
    }

    fn take_due(&mut self, now_ms: u64) -> Option<Asked> {
        self.due.front().filter(|(due_ms, _)| *due_ms <= now_ms)?;
        self.due.pop_front().map(|(_, asked)| asked)
    }

    /// A file is to be forgotten, so its link is not kept any more.
    fn drop_keeping(&mut self, forgotten: &FilesToForget) {
        let FilesToForget::One(forgotten) = forgotten else {
            return;
        };
        self.due.retain(|(_, asked)| match &asked.request {
            FilesRequest::Keep { link, .. } => link.file.id != *forgotten,
            _ => true,
        });
    }
}

impl Engine {
    pub(super) fn on_files(&mut self, request: FilesRequest) {
        let patience_ms = match &request {
            FilesRequest::Keep { .. } => self.wait_ms,
            FilesRequest::Forget(_) => FORGET_FILES_MS,
            FilesRequest::Find { .. } | FilesRequest::Check { .. } | FilesRequest::Usage { .. } => {
                0
            }
        };
        if let FilesRequest::Forget(which) = &request {
            self.files_again.drop_keeping(which);
        }
        let until_ms = self.now_ms + patience_ms;
        self.ask_about_files(Asked { request, until_ms });
    }

    fn ask_about_files(&mut self, asked: Asked) {
        let command = files::command(&asked.request, &self.limits);
        self.send(files::slot(), Purpose::Files(asked), command);
    }

    /// Asks again what is due.
    pub(super) fn ask_about_files_again(&mut self) {
        while let Some(asked) = self.files_again.take_due(self.now_ms) {
            self.ask_about_files(asked);
        }
    }

    pub(super) fn on_files_reply(&mut self, asked: Asked, reply: &Reply) {
        if reply.is_error() {
            self.complain("do what it is asked about files", reply);
            return self.on_files_failed(asked);
        }
        if let FilesRequest::Forget(_) = &asked.request {
            return self.on_files_forgotten(asked, reply);
        }
        let answer = files::answer(&asked.request, reply);
        if answer.is_none() {
            self.complain("give what is known of files", reply);
        }
        self.answer_about_files(&asked.request, answer.unwrap_or(FilesAnswer::Unavailable));
    }

    fn on_files_forgotten(&mut self, asked: Asked, reply: &Reply) {
        let Some(news) = files::forgotten(reply) else {
            return self.complain("say which files it has forgotten", reply);
        };
        let is_more = news.forgotten.len() >= FILES_AT_ONCE;
        self.outputs.push_back(Output::FilesNews(news));
        if is_more {
            self.on_files(asked.request);
        }
    }

    /// Something was not answered. It may have been done.
    pub(super) fn on_files_failed(&mut self, asked: Asked) {
        let due_ms = self.now_ms + ASK_AGAIN_MS;
        if let Err(asked) = self.files_again.add(due_ms, asked) {
            self.answer_about_files(&asked.request, FilesAnswer::Unavailable);
        }
    }

    fn answer_about_files(&mut self, request: &FilesRequest, answer: FilesAnswer) {
        if let Some(ticket) = request.ticket() {
            let answer = Answer::Files { ticket, answer };
            self.outputs.push_back(Output::Answer(answer));
        }
    }
}
