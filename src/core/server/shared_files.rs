//! Files that several servers share: their bytes are where all reach them, and their links in the log, which is asked for each
//! file that somebody wants to read. A server itself knows only what is on its way to it.

use crate::codec::http::response::Problem;
use crate::core::budget::cost;
use crate::core::chat::{Holdings, Owner, RoomName};
use crate::core::file::{FileId, FileRequest};
use crate::core::net::pending::{Reply, Upload};
use crate::core::net::phase::Phase;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::doors::http::respond::unavailable;
use crate::core::server::error::CommandError;
use crate::core::server::file_questions::{Question, SharedFiles};
use crate::core::server::file_view::FileView;
use crate::core::server::files::GONE;
use crate::core::store::{
    Answer, FileLink, FilesAnswer, FilesNews, FilesRequest, FilesToForget, Request, Ticket,
};
use crate::core::stream::Stream;
use crate::limits::{FILES_SWEEP_MS, UNANSWERED_SHARE};

impl<S: Stream> Server<S> {
    /// Keeps files in a place that other servers have, too, and their links in the log that they share. To be called after
    /// `use_shared_log`, before the first connection and before `take_over`. Whoever drives the server does as
    /// [`use_files`](Self::use_files) says, and passes on what the log tells by [`on_files_news`](Self::on_files_news).
    pub fn share_files(&mut self, now: Now) {
        self.files.is_on = true;
        self.files.shared = Some(Box::new(SharedFiles::new(now.ms)));
    }

    /// Links were forgotten: the bytes of these files go, and nobody else removes them.
    pub fn on_files_news(&mut self, news: FilesNews) {
        self.budget
            .spend(cost::LOOKUP * news.forgotten.len() as u64);
        let Some(shared) = &mut self.files.shared else {
            return;
        };
        shared.space = news.space;
        let removed = news.forgotten.into_iter();
        let requests = removed.map(|id| FileRequest::Remove { id });
        self.files.requests.extend(requests);
    }

    /// Asks the log something about files, of which the answer is waited for. Says whether it could be asked.
    fn ask_about_files(
        &mut self,
        question: Question,
        request: impl FnOnce(Ticket) -> FilesRequest,
        now: Now,
    ) -> Result<(), Question> {
        let most_bytes = self.limits.max_memory / UNANSWERED_SHARE;
        match (&mut self.files.shared, &mut self.outbox) {
            (Some(shared), Some(outbox)) if shared.bytes <= most_bytes => {
                let ticket = outbox.next_ticket();
                outbox.push(Request::Files(request(ticket)));
                shared.add(ticket, question, now.ms);
                Ok(())
            }
            _ => Err(question),
        }
    }

    /// Has the log keep the link of a file that has come. Its message is published then.
    pub(super) fn link_file(&mut self, upload: Upload, reply: Reply, now: Now) {
        let found = self
            .chat
            .find_or_create_for_publish(&upload.room, &upload.owner, now.ms);
        self.forget_ended();
        let room = match found {
            Ok(room) => room,
            Err(refusal) => {
                self.drop_file(upload.id);
                let problem = CommandError::from(refusal).into();
                return self.respond_problem(&problem, &reply, now);
            }
        };
        let entry = self.files.catalogue.get(upload.id);
        let Some(file) = entry.map(|it| it.file.clone()) else {
            return self.respond_problem(&GONE, &reply, now);
        };
        let (name, epoch) = (upload.room.as_str().into(), self.chat.epoch(room));
        let link = Box::new(FileLink { room: name, file });
        let question = Question::Keep(Box::new((upload, reply)));
        let request = |ticket| FilesRequest::Keep {
            ticket,
            link,
            epoch,
        };
        if let Err(question) = self.ask_about_files(question, request, now) {
            self.conclude_files(question, FilesAnswer::Unavailable, now);
        }
    }

    /// Asks the log where a file belongs that somebody wants to read.
    pub(super) fn find_file(&mut self, view: FileView, now: Now) -> Result<(), Problem> {
        let (id, connection) = (view.id, view.reply.id);
        let request = |ticket| FilesRequest::Find { ticket, id };
        self.ask_about_files(Question::Find(Box::new(view)), request, now)
            .map_err(|_| not_now())?;
        self.enter(connection, Phase::AwaitingStore, u64::MAX);
        Ok(())
    }

    /// Asks the log how much the files of these take, for a list of what they hold.
    pub(super) fn ask_file_usage(
        &mut self,
        holdings: Vec<Holdings>,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        let owners = holdings.iter().filter_map(|it| it.owner.as_ref());
        let owners: Vec<Box<str>> = owners.map(|owner| owner.to_text().into()).collect();
        if owners.is_empty() {
            self.respond_usage(&holdings, Some(Vec::new()), reply, now);
            return Ok(());
        }
        let question = Question::Usage(Box::new((holdings, reply.clone())));
        let request = |ticket| FilesRequest::Usage { ticket, owners };
        self.ask_about_files(question, request, now)
            .map_err(|_| not_now())?;
        self.enter(reply.id, Phase::AwaitingStore, u64::MAX);
        Ok(())
    }

    /// The answer to a question about files, if it is one.
    pub(super) fn on_files_answer(&mut self, answer: Answer, now: Now) -> Result<(), Answer> {
        let Answer::Files { ticket, answer } = answer else {
            return Err(answer);
        };
        let shared = self.files.shared.as_mut();
        // Another one has come too late, or nobody waits for it any more.
        if let Some(question) = shared.and_then(|it| it.take(ticket)) {
            self.conclude_files(question, answer, now);
        }
        Ok(())
    }

    fn conclude_files(&mut self, question: Question, answer: FilesAnswer, now: Now) {
        match question {
            Question::Keep(asked) => {
                let (upload, reply) = *asked;
                self.on_linked(upload, reply, &answer, now);
            }
            Question::Find(view) => self.on_found_link(&view, answer, now),
            Question::Check => self.on_checked(answer, now),
            Question::Usage(asked) => {
                let (holdings, reply) = *asked;
                let bytes = match answer {
                    FilesAnswer::Usage(bytes) => Some(bytes),
                    _ => None,
                };
                self.respond_usage(&holdings, bytes, &reply, now);
            }
        }
    }

    fn on_linked(&mut self, upload: Upload, reply: Reply, answer: &FilesAnswer, now: Now) {
        let problem = match answer {
            FilesAnswer::Kept => return self.publish_linked(upload, reply, now),
            FilesAnswer::Full(shortage) => shortage.problem(),
            _ => not_now(),
        };
        // It may have been kept.
        self.drop_file(upload.id);
        self.respond_problem(&problem, &reply, now);
    }

    fn on_found_link(&mut self, view: &FileView, answer: FilesAnswer, now: Now) {
        let id = view.reply.id;
        let waits = self
            .get(id)
            .is_some_and(|it| it.phase == Phase::AwaitingStore);
        if !waits {
            return;
        }
        let shown = match answer {
            FilesAnswer::Link(Some(link)) => self.show_link(view, &link, now),
            FilesAnswer::Link(None) => Err(GONE),
            _ => Err(not_now()),
        };
        if let Err(problem) = shown {
            self.respond_problem(&problem, &view.reply, now);
        }
    }

    fn show_link(&mut self, view: &FileView, link: &FileLink, now: Now) -> Result<(), Problem> {
        let room = RoomName::parse(&link.room).ok_or(GONE)?;
        self.show_file(view, &room, &link.file, now)
    }

    /// A file is given up that was to be kept: its bytes go, and its link, if there is one.
    pub(super) fn drop_file(&mut self, id: FileId) {
        self.files.remove(id);
        self.forget_links(FilesToForget::One(id));
    }

    /// Has the log forget links, where it keeps any.
    pub(super) fn forget_links(&mut self, which: FilesToForget) {
        self.files.forget_links(which, self.outbox.as_mut());
    }

    /// What becomes of the files of an owner that others keep.
    pub(super) fn forget_links_of(&mut self, owner: &Owner) {
        self.forget_links(FilesToForget::Owner(owner.to_text().into()));
    }

    /// The message of a file is published: others know it as well as this server now.
    pub(super) fn release_file(&mut self, id: FileId) {
        if self.files.shared.is_some() {
            self.files.catalogue.remove(id);
        }
    }

    /// Gives up what the log does not answer, and asks what is due.
    pub(super) fn look_after_shared_files(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some(shared) = &mut self.files.shared
            && let Some(question) = shared.take_due(now.ms)
        {
            self.budget.spend(cost::LOOKUP);
            self.conclude_files(question, FilesAnswer::Unavailable, now);
        }
        let Some(shared) = self.files.shared.as_mut().filter(|_| !self.is_held) else {
            return;
        };
        // A search has to know whether there are links at all.
        if shared.next_old_ms.min(shared.search.next_ms()) <= now.ms {
            shared.next_old_ms = now.ms + FILES_SWEEP_MS;
            self.forget_links(FilesToForget::Old);
        }
        self.search_for_orphans(now);
    }
}

fn not_now() -> Problem {
    unavailable("what is known of files cannot be asked for, or kept, now; try again soon")
}
