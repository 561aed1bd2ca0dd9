//! A node in Redis: the connections to it, and the rooms that are kept there.

mod bans;
mod command;
mod engine;
mod entry;
mod files;
pub mod links;
mod partition;
mod people;
mod pushed;
mod room;
mod rooms;
pub mod scripts;

use engine::{Engine, Order};

use crate::core::budget::Budget;
use crate::core::store::{Followed, Request};
use crate::core::stream::Stream;
use crate::settings::Limits;
pub use engine::Output;
use links::{LinkEvent, Links};
use partition::Partition;
pub use partition::Slot;

/// A node's end of Redis.
#[derive(Debug)]
pub struct Redis<S> {
    links: Links<S>,
    engine: Engine,
}

impl<S: Stream> Redis<S> {
    /// One that begins without rooms. `wait_ms`: how long a message waits for Redis to be there, in milliseconds; 0: it is refused
    /// at once.
    pub fn new(links: Links<S>, limits: Limits, wait_ms: u64, seed: [u8; 32]) -> Self {
        Self {
            links,
            engine: Engine::new(limits, wait_ms, seed),
        }
    }

    /// The connections, to be driven by the shell.
    pub fn links(&mut self) -> &mut Links<S> {
        &mut self.links
    }

    /// The node has this name, and its server has these rooms already: to be called before the first tick.
    pub fn begin(&mut self, node: &str, followed: Vec<Followed>) {
        self.engine.begin_hearing_nodes(node);
        self.engine.adopt(followed);
    }

    /// Other limits hold from now on.
    pub fn reconfigure(&mut self, limits: &Limits) {
        self.engine.reconfigure(limits);
    }

    /// Takes what the server asks for.
    pub fn on_request(&mut self, request: Request, now_ms: u64) {
        let links = &self.links;
        self.engine
            .on_request(request, |slot| links.is_up(slot), now_ms);
    }

    /// Reads what has come, and does what is due. To be called in every tick, before the server is told anything.
    pub fn receive(&mut self, budget: &Budget, now_ms: u64) {
        self.links.run(budget, now_ms);
        self.take_events(now_ms);
        self.engine.begin_tick(now_ms);
    }

    /// Sends what is asked for. To be called in every tick, after the server's requests are taken.
    pub fn send(&mut self, budget: &Budget, now_ms: u64) {
        self.engine.ask_all();
        self.pass_orders_on(now_ms);
        self.links.flush(budget, now_ms);
        self.take_events(now_ms);
    }

    /// What the server is to be told next. `takes`: whether the members of a room are not too far behind.
    pub fn next_output(&mut self, takes: impl Fn(&str) -> bool) -> Option<Output> {
        self.engine.next_output(takes)
    }

    /// Whether the next tick has work that no event announces.
    pub fn has_work(&self) -> bool {
        self.links.has_work() || self.engine.has_work()
    }

    /// When something is due, in the milliseconds of `Now::ms`.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let deadlines = [
            self.links.next_deadline_ms(),
            self.engine.next_deadline_ms(),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn take_events(&mut self, now_ms: u64) {
        while let Some(event) = self.links.next_event() {
            let is_sharded = match &event {
                LinkEvent::Subscribed { channel } => {
                    let partition = Partition::of_channel(channel);
                    let partition = partition.or_else(|| Partition::of_beginnings(channel));
                    let slot = partition.map_or_else(people::slot, Partition::slot);
                    self.links.is_sharded(slot)
                }
                _ => false,
            };
            self.engine.on_event(event, is_sharded, now_ms);
        }
    }

    fn pass_orders_on(&mut self, now_ms: u64) {
        while let Some(order) = self.engine.next_order() {
            match order {
                Order::Send {
                    slot,
                    command,
                    token,
                } => self.links.send(slot, command, token, now_ms),
                Order::Subscribe { slot, channel } => self.links.subscribe(slot, &channel),
                Order::Unsubscribe { channel } => self.links.unsubscribe(&channel),
            }
        }
    }
}
