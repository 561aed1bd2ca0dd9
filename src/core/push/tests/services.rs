//! Services that want to be left alone, and calls of subscriptions that are gone.

use super::world::{ALARM, World, holder, wanted};
use crate::core::push::{Push, PushOutcome, PushResult};
use crate::core::store::KeptPush;
use crate::limits::MAX_PUSH_CALLS;

#[test]
fn a_service_says_how_long_it_is_to_be_left_alone() {
    let mut world = World::new();
    world.subscribe("push/ana", holder("ana"), wanted(&["*"], ALARM));
    world.subscribe("push/ben", holder("ben"), wanted(&["*"], ALARM));
    world.raise("info");
    let call = world.leaving().remove(0);
    let outcome = PushOutcome {
        number: call.number,
        result: PushResult::Answered {
            status: 429,
            retry_ms: Some(120_000),
        },
    };
    world.push.on_outcome(&outcome, world.now);
    // An answer to a call that is over is ignored.
    world.push.on_outcome(&outcome, world.now);
    let until_ms = world.now.ms + 120_000;
    assert_eq!(world.push.next_due_ms(), Some(until_ms));
    assert!(world.leaving().is_empty(), "it holds for both");
    world.subscribe("other/cy", holder("cy"), wanted(&["*"], ALARM));
    world.raise("warning");
    world.deliver();
    assert_eq!(world.got("other/cy"), ["raised"]);
    let state = rmp_serde::to_vec_named(&world.push.state()).unwrap();
    world.push = Push::new(KeptPush::default(), false, [8; 32]);
    world.push.take_over(rmp_serde::from_slice(&state).unwrap());
    assert_eq!(world.push.next_due_ms(), Some(until_ms));
    world.pass(120_000);
    world.deliver();
    assert_eq!(world.got("push/ana"), ["raised"]);
    assert_eq!(world.got("push/ben"), ["raised"]);
}

/// Its call has a thread until it comes to its end.
#[test]
fn a_subscription_that_ends_makes_no_place_for_more_calls() {
    let mut world = World::new();
    for n in 0..MAX_PUSH_CALLS + 1 {
        let at = format!("push-{n}/x");
        world.subscribe(&at, holder("ana"), wanted(&["*"], ALARM));
    }
    world.raise("info");
    world.deliver();
    world.raise("warning");
    let calls = world.leaving();
    assert_eq!(calls.len(), MAX_PUSH_CALLS);
    for call in &calls {
        world.push.unsubscribe(&call.endpoint);
    }
    assert!(world.leaving().is_empty());
    for call in &calls {
        world.answer(call, 410);
    }
    assert_eq!(world.leaving().len(), 1);
    assert_eq!(world.push.figures().removed, 0);
}
