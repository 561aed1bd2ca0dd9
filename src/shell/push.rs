//! Pushes that go out: a thread for each call that may be on its way, started when it is needed. Which are, and that one slow
//! push service does not have all of them, the server decides. The threads know no room, take calls as values and answer through
//! a channel that wakes the loop.

mod call;
mod signer;

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use mio::Waker;
use ureq::Agent;

use crate::core::push::{PushCall, PushOutcome, PushResult};
use crate::core::{Now, Server, Stream};
use crate::limits::{MAX_PUSH_CALLS, PUSH_TIMEOUT_MS};
use crate::settings::Settings;
use crate::shell::error::RunError;
use crate::shell::outgoing::{Answer, Client, guarded};
use crate::shell::push_key;
use signer::Signer;

/// With what calls are made by the settings.
pub(super) struct Means {
    agent: Agent,
    signer: Signer,
    /// The public key that calls are signed with.
    key: String,
}

impl Means {
    /// `None` if push is off.
    ///
    /// # Errors
    /// The key is no good, or the certificates that push services are trusted by cannot be read.
    pub(super) fn new(settings: &Settings) -> Result<Option<Self>, RunError> {
        let key = push_key::load(settings)?;
        let Some((key, contact)) = key.zip(settings.push.push_contact.as_ref()) else {
            return Ok(None);
        };
        let (ca_file, allowed) = (&settings.hooks.webhook_ca, &settings.hooks.webhook_allow);
        let client = Client::secure(ca_file.as_deref(), allowed, "push services")?;
        Ok(Some(Self {
            agent: client.agent(PUSH_TIMEOUT_MS),
            key: key.public_text(),
            signer: Signer::new(key, contact.as_str()),
        }))
    }

    /// Makes a call, and waits for what is answered.
    ///
    /// # Errors
    /// There was no answer, or there could be no request, and why.
    pub(super) fn send(&self, call: &PushCall) -> Result<Answer, String> {
        call::send(&self.agent, &self.signer, call).map(Answer::read)
    }

    /// The same, with the first bytes of what the push service says, so many at most.
    ///
    /// # Errors
    /// The same.
    pub(super) fn ask(&self, call: &PushCall, bytes: u64) -> Result<(Answer, Vec<u8>), String> {
        let response = call::send(&self.agent, &self.signer, call)?;
        Ok(Answer::read_with_text(response, bytes))
    }
}

/// The loop's end of the threads.
pub(super) struct PushSender {
    means: Arc<Means>,
    threads: usize,
    /// Calls that threads have, or that wait for one.
    running: usize,
    jobs: Sender<Job>,
    to_do: Arc<Mutex<Receiver<Job>>>,
    sender: Sender<PushOutcome>,
    outcomes: Receiver<PushOutcome>,
    /// An outcome that the budget of its tick left no place for.
    next: Option<PushOutcome>,
    waker: Arc<Waker>,
}

/// What a thread is to do.
struct Job {
    call: PushCall,
    means: Arc<Means>,
}

impl PushSender {
    /// Begins without threads.
    pub(super) fn new(means: Means, waker: Arc<Waker>) -> Self {
        let (jobs, to_do) = channel();
        let (sender, outcomes) = channel();
        Self {
            means: Arc::new(means),
            threads: 0,
            running: 0,
            jobs,
            to_do: Arc::new(Mutex::new(to_do)),
            sender,
            outcomes,
            next: None,
            waker,
        }
    }

    /// Other settings hold for calls from now on, but for another key: whoever has subscribed has been told the first.
    pub(super) fn reconfigure(&mut self, means: Means) {
        match means.key == self.means.key {
            true => self.means = Arc::new(means),
            false => log::error!(
                "pushes are signed as before: the key of --push-key is another, which a restart would use"
            ),
        }
    }

    /// Makes the calls that the server wants to be made, `limits::MAX_PUSH_CALLS` at once at most.
    pub(super) fn take_calls<S: Stream>(&mut self, server: &mut Server<S>, now: Now) {
        while let Some(call) = server.next_push(now) {
            if let Err(failed) = self.make(call) {
                server.on_push_outcome(&failed, now);
            }
        }
    }

    /// Tells the server what has become of calls, as many as the budget of the tick allows.
    pub(super) fn give_outcomes<S: Stream>(&mut self, server: &mut Server<S>, now: Now) {
        while self.has_outcome() && server.budget().is_left() {
            if let Some(outcome) = self.next.take() {
                server.on_push_outcome(&outcome, now);
            }
        }
    }

    /// Whether there are outcomes that the loop has not taken.
    pub(super) fn has_outcome(&mut self) -> bool {
        if self.next.is_none() {
            self.next = self.outcomes.try_recv().ok();
            self.running -= usize::from(self.next.is_some());
        }
        self.next.is_some()
    }

    /// Hands a call to a thread.
    fn make(&mut self, call: PushCall) -> Result<(), PushOutcome> {
        self.start_if_needed().map_err(|error| PushOutcome {
            number: call.number,
            result: PushResult::Failed(format!("a thread cannot be started: {error}")),
        })?;
        self.running += 1;
        let means = Arc::clone(&self.means);
        // The receiver is here, too.
        let _ = self.jobs.send(Job { call, means });
        Ok(())
    }

    fn start_if_needed(&mut self) -> io::Result<()> {
        if self.running < self.threads || self.threads == MAX_PUSH_CALLS {
            return Ok(());
        }
        let (to_do, outcomes) = (Arc::clone(&self.to_do), self.sender.clone());
        let waker = Arc::clone(&self.waker);
        let run = move || work(&to_do, &outcomes, &waker);
        let started = Builder::new().name("parlor-push".to_owned()).spawn(run);
        match started {
            Ok(_) => self.threads += 1,
            // Those that there are do it one after the other.
            Err(_) if self.threads > 0 => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Makes calls until the loop is gone.
fn work(to_do: &Mutex<Receiver<Job>>, outcomes: &Sender<PushOutcome>, waker: &Waker) {
    loop {
        // One thread waits for a call, the others for that one.
        let job = to_do.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { call, means }) = job else {
            return;
        };
        let outcome = PushOutcome {
            number: call.number,
            result: call::result(guarded(|| means.send(&call)).flatten()),
        };
        if outcomes.send(outcome).is_err() {
            return;
        }
        if let Err(error) = waker.wake() {
            log::error!("cannot wake the loop: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
