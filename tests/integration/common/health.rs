//! What a fault must leave alone: two who chat, and what the server holds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{Client, Server, eventually};

/// By how many bytes memory may grow from one storm to the next, for allocations that come to lie elsewhere: some of
/// the largest messages there are.
const CREEP: u64 = 4 << 20;

/// Two members that chat on while `storm` blows; no descriptor and no memory of it stays behind.
///
/// It blows again: what the first one's memory was given back to is the allocator, which need not give it to the kernel,
/// but has it at hand for the second. What fills once, as a cache, or an arena of another thread, may do so in a later one:
/// what stays behind makes each of them grow.
pub(crate) fn with_a_healthy_pair(server: &Server, storm: impl Fn() + Sync) {
    let mut pair = (server.client("/ws/pair"), server.client("/ws/pair"));
    pair.0.say("calm");
    pair.1.expect("calm");
    let descriptors = server.open_files();
    let mut blow = || {
        chat_during(&mut pair, &storm);
        eventually("every descriptor of the storm is free", || {
            server.open_files() == descriptors
        });
        pair.1.say("calm again");
        pair.0.expect("calm again");
    };
    blow();
    let mut grown = [0; 3];
    for grown in &mut grown {
        let resident = server.resident_bytes();
        blow();
        *grown = server.resident_bytes().saturating_sub(resident);
        if *grown <= CREEP {
            return;
        }
    }
    panic!("bytes more after each storm: {grown:?}");
}

fn chat_during(pair: &mut (Client, Client), storm: &(impl Fn() + Sync)) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _over = Over(&is_over);
            storm();
        });
        while !is_over.load(Ordering::Relaxed) {
            pair.0.say("tick");
            pair.1.expect("tick");
        }
    });
}

/// Says that a storm is over, even one that panicked.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
