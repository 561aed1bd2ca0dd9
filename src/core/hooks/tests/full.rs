//! Queues that are full, and receivers that fail.

use super::*;

/// So many messages more than there is place for, while the first is on its way; how many are told as lost.
fn lost_of(desk: &mut Desk, more: usize) -> u64 {
    let tea = room("tea");
    desk.say(&tea, HookEvent::Message);
    let first = desk.call(&people(&[])).unwrap();
    for _ in 0..MAX_HOOK_QUEUE / 2 + more {
        desk.pass(HOOK_GATHER_MS);
        desk.say(&tea, HookEvent::Message);
        assert!(desk.call(&people(&[])).is_none(), "one call at a time");
    }
    assert_eq!(desk.figures().queued, MAX_HOOK_QUEUE / 2);
    desk.answer(&first, 200, None);
    let mut heard: Vec<u64> = Vec::new();
    let mut lost = 0;
    while let Some(call) = desk.call(&people(&[])) {
        for event in body(&call)["data"]["events"].as_array().unwrap() {
            heard.extend(event["offset"].as_u64());
            lost += event["lost"].as_u64().unwrap_or(0);
        }
        desk.answer(&call, 200, None);
        desk.pass(HOOK_GATHER_MS);
    }
    assert!(heard.is_sorted_by(|one, next| one < next));
    assert_eq!(1 + heard.len() as u64 + lost, desk.offset);
    lost
}

#[test]
fn a_queue_that_is_full_loses_its_oldest_and_says_so() {
    let mut desk = Desk::all();
    let lost = lost_of(&mut desk, 9);
    assert!((9..12).contains(&lost), "{lost}");
    assert_eq!(desk.figures().dropped, lost);
}

#[test]
fn what_a_gap_tells_of_is_not_counted_again_when_it_is_dropped() {
    let mut desk = Desk::all();
    // All that was queued first is gone, and gaps among it.
    let lost = lost_of(&mut desk, MAX_HOOK_QUEUE / 2 + 9);
    assert_eq!(desk.figures().dropped, lost);
}

/// Two rooms that have all that may wait.
fn fill(desk: &mut Desk) {
    let full = ["one", "two"].map(room);
    for _ in 0..MAX_HOOK_QUEUE / 2 {
        desk.pass(HOOK_GATHER_MS);
        for room in &full {
            desk.say(room, HookEvent::Message);
        }
        flush(desk);
    }
    assert_eq!(desk.figures().queued, MAX_HOOK_QUEUE);
}

fn flush(desk: &mut Desk) {
    while let Some(name) = desk.hooks.take_due(desk.now) {
        desk.hooks.flush(&name, &people(&[]), desk.now);
    }
}

/// The bodies of all calls until there is none.
fn hear(desk: &mut Desk) -> Vec<Value> {
    let mut heard = Vec::new();
    while let Some(call) = desk.call(&people(&[])) {
        heard.push(body(&call));
        desk.answer(&call, 200, None);
        desk.pass(HOOK_GATHER_MS);
    }
    heard
}

#[test]
fn a_full_queue_takes_from_the_room_that_has_most_and_never_a_snapshot() {
    let mut desk = Desk::all();
    fill(&mut desk);
    desk.say(&room("tea"), HookEvent::Message);
    flush(&mut desk);
    for _ in 0..3 {
        desk.hooks.tell_snapshot(0, &[], desk.now);
    }
    assert_eq!(desk.figures().queued, MAX_HOOK_QUEUE);
    let dropped = desk.figures().dropped;
    assert_eq!(dropped, 2, "for tea, and for one snapshot");
    let heard = hear(&mut desk);
    let snapshots = heard.iter().filter(|it| it["type"] == "snapshot");
    let numbers: Vec<&Value> = snapshots.map(|it| &it["data"]["number"]).collect();
    assert_eq!(
        numbers,
        [&json!(3)],
        "a later one takes the place of others"
    );
    let of = |name: &str| {
        let of_room = heard.iter().filter(|it| it["data"]["room"] == name);
        let events = of_room.flat_map(|it| it["data"]["events"].as_array().unwrap());
        let lost = |it: &Value| it["lost"].as_u64().unwrap_or(0);
        let (gaps, messages): (Vec<_>, Vec<_>) = events.partition(|it| it["type"] == "gap");
        (messages.len(), gaps.into_iter().map(lost).sum::<u64>())
    };
    assert_eq!(of("tea"), (1, 0));
    let (one, two) = (of("one"), of("two"));
    assert_eq!(one.0 + two.0, MAX_HOOK_QUEUE - 2);
    // What is lost is told when something happens in the room again.
    let lost = |desk: &mut Desk, name: &str| {
        desk.say(&room(name), HookEvent::Message);
        let heard = hear(desk);
        let events = heard.last().unwrap()["data"]["events"].clone();
        events[0]["lost"].as_u64().unwrap_or(0)
    };
    let told = one.1 + two.1 + lost(&mut desk, "one") + lost(&mut desk, "two");
    assert_eq!(told, dropped);
}

#[test]
fn a_snapshot_is_tried_until_it_arrives() {
    let mut desk = Desk::all();
    desk.hooks.tell_snapshot(0, &[], desk.now);
    desk.say(&room("tea"), HookEvent::Message);
    for _ in 0..60 {
        // The receiver answers well, but for what is about no room.
        while let Some(call) = desk.call(&people(&[])) {
            let is_snapshot = body(&call)["type"] == "snapshot";
            desk.answer(&call, if is_snapshot { 413 } else { 200 }, None);
        }
        desk.say(&room("tea"), HookEvent::Message);
        desk.pass(HOOK_PATIENCE_MS / 48);
    }
    let heard = hear(&mut desk);
    assert!(heard.iter().any(|it| it["type"] == "snapshot"), "{heard:?}");
}

#[test]
fn a_room_that_lost_all_it_had_is_told_of_although_nothing_happens_in_it() {
    let mut desk = Desk::all();
    let rooms = (0..MAX_HOOK_QUEUE + 2).map(|number| room(&format!("room-{number}")));
    for room in rooms {
        desk.say(&room, HookEvent::Message);
    }
    flush(&mut desk);
    assert_eq!(desk.figures().dropped, 2);
    let heard = hear(&mut desk);
    let rooms: BTreeSet<&str> = heard
        .iter()
        .filter_map(|it| it["data"]["room"].as_str())
        .collect();
    assert_eq!(rooms.len(), MAX_HOOK_QUEUE + 2);
}

#[test]
fn a_receiver_that_fails_is_left_alone_by_another_server_too() {
    let mut desk = Desk::all();
    desk.say(&room("tea"), HookEvent::Message);
    let call = desk.call(&people(&[])).unwrap();
    desk.answer(&call, 503, Some(60_000));
    let bytes = rmp_serde::to_vec_named(&desk.hooks.state()).unwrap();
    let targets = vec![world::target(&HookEvent::ALL.map(|(event, _)| event))];
    desk.hooks = Hooks::new("", false, [8; 32]);
    desk.hooks.set_targets(targets.clone());
    desk.hooks
        .take_over(rmp_serde::from_slice(&bytes).unwrap(), "n1");
    desk.say(&room("wine"), HookEvent::Message);
    desk.pass(HOOK_GATHER_MS);
    assert!(desk.call(&people(&[])).is_none(), "it asked for a minute");
    desk.hooks.set_targets(targets);
    assert!(desk.call(&people(&[])).is_some(), "the settings are new");
}

#[test]
fn a_gap_that_is_told_after_a_restart_is_kept_with_the_end_of_its_room() {
    let mut desk = Desk::all();
    desk.hooks.keeps = true;
    let (tea, webhook) = (room("tea"), desk.hooks.keys()[0]);
    let upto = HookPosition {
        epoch: 1,
        offset: 40,
    };
    desk.hooks.restore_lost(webhook, &tea, 9, desk.now);
    desk.hooks.pass_untold(webhook, &tea, upto, desk.now);
    assert!(desk.call(&people(&[])).is_none(), "it is not kept yet");
    let Some(HookRequest::Seal { note, delivery }) = desk.hooks.next_request() else {
        panic!("nothing is to be kept");
    };
    assert_eq!((note.upto, note.lost, delivery.events), (Some(upto), 0, 9));
}
