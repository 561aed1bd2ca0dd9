//! HTTP requests that go out: a thread for each receiver, so that a slow one delays only itself. The threads know no room, take
//! calls as values and answer through a channel that wakes the loop.

mod agent;
mod guard;
mod keys;
mod panics;
pub(super) mod words;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::Builder;

use mio::Waker;
use ureq::Agent;

use crate::core::budget::Stage;
use crate::core::hooks::{Call, CallOutcome, CallResult};
use crate::core::{Now, Server, Stream};
use crate::limits::HOOK_TIMEOUT_MS;
use crate::settings::Webhooks;
use crate::shell::error::RunError;
pub(super) use agent::{Answer, Client};
pub(super) use keys::{KeyRequests, try_provider};
pub(super) use panics::guarded;

/// The loop's end of the threads.
pub(super) struct Outgoing {
    client: Client,
    /// By the keys of their webhooks. There are `limits::MAX_WEBHOOKS` at most.
    workers: BTreeMap<u64, SyncSender<Call>>,
    sender: Sender<CallOutcome>,
    outcomes: Receiver<CallOutcome>,
    /// An outcome that the budget of its tick left no place for.
    next: Option<CallOutcome>,
    waker: Arc<Waker>,
}

impl Outgoing {
    /// Begins without threads.
    pub(super) fn new(client: Client, waker: Arc<Waker>) -> Self {
        let (sender, outcomes) = channel();
        Self {
            client,
            workers: BTreeMap::new(),
            sender,
            outcomes,
            next: None,
            waker,
        }
    }

    /// Other settings hold for calls from now on. Threads end with the call that they make.
    pub(super) fn reconfigure(&mut self, client: Client) {
        self.client = client;
        self.workers.clear();
    }

    /// Makes the calls that the server wants to be made, as many as the budget of the tick allows: the others are due in the next.
    pub(super) fn take_calls<S: Stream>(&mut self, server: &mut Server<S>, now: Now) {
        server.budget().enter(Stage::Calling);
        while let Some(call) = server.next_call(now) {
            let (webhook, number) = (call.webhook, call.number);
            if let Err(error) = self.send(call) {
                let result = CallResult::Failed(format!("a thread cannot be started: {error}"));
                let outcome = CallOutcome {
                    webhook,
                    number,
                    result,
                };
                server.on_call_outcome(&outcome, now);
            }
        }
    }

    /// Tells the server what has become of calls, as many as the budget of the tick allows.
    pub(super) fn give_outcomes<S: Stream>(&mut self, server: &mut Server<S>, now: Now) {
        while self.has_outcome() && server.budget().is_left() {
            if let Some(outcome) = self.next.take() {
                server.on_call_outcome(&outcome, now);
            }
        }
    }

    /// Whether there are outcomes that the loop has not taken.
    pub(super) fn has_outcome(&mut self) -> bool {
        if self.next.is_none() {
            self.next = self.outcomes.try_recv().ok();
        }
        self.next.is_some()
    }

    fn send(&mut self, call: Call) -> io::Result<()> {
        let worker = match self.workers.remove(&call.webhook) {
            Some(worker) => worker,
            None => self.start()?,
        };
        let webhook = call.webhook;
        // There is one call at a time: the thread waits for it.
        worker
            .try_send(call)
            .map_err(|_| io::Error::other("it has ended"))?;
        self.workers.insert(webhook, worker);
        Ok(())
    }

    fn start(&self) -> io::Result<SyncSender<Call>> {
        let (calls, to_make) = sync_channel::<Call>(1);
        let agent = self.client.agent(HOOK_TIMEOUT_MS);
        let (outcomes, waker) = (self.sender.clone(), Arc::clone(&self.waker));
        let run = move || work(&agent, &to_make, &outcomes, &waker);
        Builder::new()
            .name("parlor-webhook".to_owned())
            .spawn(run)?;
        Ok(calls)
    }
}

/// Makes calls until the loop has none any more, or is gone.
fn work(agent: &Agent, calls: &Receiver<Call>, outcomes: &Sender<CallOutcome>, waker: &Waker) {
    while let Ok(call) = calls.recv() {
        let outcome = CallOutcome {
            webhook: call.webhook,
            number: call.number,
            result: guarded(|| agent::make(agent, &call)).unwrap_or_else(CallResult::Failed),
        };
        if outcomes.send(outcome).is_err() {
            return;
        }
        if let Err(error) = waker.wake() {
            log::error!("cannot wake the loop: {error}");
        }
    }
}

/// How calls are made by the settings; `None` if there are no webhooks.
///
/// # Errors
/// The certificates that receivers are trusted by cannot be read.
pub(super) fn client(settings: &Webhooks) -> Result<Option<Client>, RunError> {
    let all = settings.all();
    let allowed = &settings.webhook_allow;
    if all.is_empty() {
        return Ok(None);
    }
    match all.iter().any(|it| it.url.is_https()) {
        true => Client::secure(settings.webhook_ca.as_deref(), allowed, "webhooks").map(Some),
        false => Ok(Some(Client::plain(allowed))),
    }
}
