//! What is kept of webhooks.

use super::*;
use crate::core::store::{HookNote, HookRequest, Untold};

const WEBHOOK: u64 = 7;

/// A store of one webhook that is for one room, and what that was not told of.
fn open(place: &Place) -> (Shop, Vec<Untold>) {
    let poll = Poll::new().unwrap();
    let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
    let hooks: (&[u64], &IsFor<'_>) = (&[WEBHOOK], &|_, room| room == "tea");
    let limits = Limits::default();
    let (store, inventory, (kept, push, bans)) =
        Store::open(&place.0, Durability::Disk, &limits, hooks, waker).unwrap();
    let shop = Shop {
        store,
        push,
        bans,
        inventory,
        poll,
        tickets: 0,
    };
    (shop, kept.untold)
}

#[test]
fn what_is_gone_from_the_disk_is_a_gap_until_the_end_of_the_room_is_noted() {
    let place = Place::new("hook-gap");
    let (mut shop, untold) = open(&place);
    assert!(untold.is_empty());
    for body in ["one", "two", "three"] {
        shop.append("tea", 1, record(body));
        shop.answer();
    }
    drop(shop);
    place
        .database()
        .execute("DELETE FROM messages", [])
        .unwrap();
    let (mut shop, untold) = open(&place);
    let [gap] = &untold[..] else {
        panic!("{untold:?}");
    };
    assert_eq!((gap.lost, gap.messages.len(), gap.upto.offset), (3, 0, 3));
    shop.ask(Request::Hook(HookRequest::Note(HookNote {
        webhook: WEBHOOK,
        room: "tea".into(),
        upto: Some(gap.upto),
        lost: 0,
    })));
    // What is asked for after it is done after it.
    shop.append("wine", 1, record("one"));
    shop.answer();
    drop(shop);
    let (_, untold) = open(&place);
    assert!(untold.is_empty(), "it was told: {untold:?}");
}
