//! Who is told of what, and how services answer.

mod escalated;
mod property;
mod quiet;
mod services;
mod sharing;
mod world;

use serde_json::json;

use super::*;
use crate::codec::json::push::{PushKind, Quiet, Severity};
use crate::core::chat::{Author, Content, Message};
use crate::limits::{
    MAX_PUSH_PAYLOAD, MAX_PUSH_PER_PERSON, MAX_PUSH_QUEUE_EACH, MAX_PUSH_TEXT, MAX_PUSH_WALKS,
    PUSH_RENEWAL_MS, PUSH_TTL_S,
};
use world::{ALARM, ALL, MINUTE_MS, World, holder, room, wanted};

#[test]
fn an_alarm_is_told_from_a_severity_up_and_withdrawn_from_those_who_were_told() {
    let mut world = World::new();
    let critical = Wanted {
        severity: Severity::Critical,
        ..wanted(&["plant"], ALARM)
    };
    world.subscribe("ana", holder("ana"), wanted(&["p*"], ALARM));
    world.subscribe("ben", holder("ben"), critical);
    world.subscribe("cy", holder("cy"), wanted(&["office"], ALARM));
    world.raise("warning");
    world.deliver();
    assert_eq!(world.got("ana"), ["raised"]);
    // Who has come later was not told.
    world.subscribe("dan", holder("dan"), wanted(&["*"], ALARM));
    world.alarm("ana", &json!({"alarm": "acknowledged", "text": "hot"}));
    world.deliver();
    world.alarm("device", &json!({"alarm": "cleared"}));
    world.deliver();
    assert_eq!(world.got("ana"), ["raised", "acknowledged", "cleared"]);
    for other in ["ben", "cy", "dan"] {
        assert_eq!(world.got(other), [""; 0], "{other}");
    }
    let of_ana = &world.got["https://ana"];
    assert_eq!(
        of_ana[1]["notification"]["title"],
        "Acknowledged by ana: hot"
    );
    assert_eq!(of_ana[1]["notification"]["silent"], true);
    assert_eq!(
        of_ana[0]["notification"]["tag"],
        of_ana[1]["notification"]["tag"]
    );
    world.raise("critical");
    world.deliver();
    for other in ["ana", "ben", "dan"] {
        assert_eq!(
            world.got(other).last().map(|it| &**it),
            Some("raised"),
            "{other}"
        );
    }
}

#[test]
fn what_is_said_again_of_an_alarm_is_not_told_again() {
    let mut world = World::new();
    world.subscribe("ana", holder("ana"), wanted(&["*"], ALARM));
    for severity in ["warning", "warning", "critical"] {
        world.raise(severity);
        world.deliver();
    }
    assert_eq!(world.got("ana"), ["raised", "raised"]);
    world.alarm("ben", &json!({"alarm": "acknowledged"}));
    world.alarm("ben", &json!({"alarm": "acknowledged"}));
    world.deliver();
    world.raise("critical");
    world.deliver();
    assert_eq!(world.got("ana")[2..], ["acknowledged", "raised"]);
}

#[test]
fn an_alarm_that_did_not_leave_is_not_withdrawn() {
    let mut world = World::new();
    world.subscribe("ana", holder("ana"), wanted(&["*"], ALARM));
    world.raise("warning");
    world.alarm("device", &json!({"alarm": "cleared"}));
    world.deliver();
    assert_eq!(world.got("ana"), [""; 0]);
    // One that was tried may have arrived.
    world.raise("warning");
    let calls = world.leaving();
    world.alarm("device", &json!({"alarm": "cleared"}));
    world.answer(&calls[0], 503);
    world.pass(MINUTE_MS);
    world.deliver();
    assert_eq!(world.got("ana").last().map(|it| &**it), Some("cleared"));
}

#[test]
fn nothing_is_pushed_in_a_quiet_time() {
    let mut world = World::new();
    let quiet: Quiet = serde_json::from_value(json!({"from": "01:00", "to": "02:00"})).unwrap();
    let quiet = Wanted {
        quiet: Some(quiet),
        ..wanted(&["*"], ALL)
    };
    world.subscribe("ana", holder("ana"), quiet);
    world.raise("critical");
    world.deliver();
    world.pass(61 * MINUTE_MS);
    world.say("ben", None, "hello @ana");
    world.alarm("device", &json!({"alarm": "cleared"}));
    world.say("device", Some("alarm.fan"), r#"{"alarm":"raised"}"#);
    world.deliver();
    assert_eq!(world.got("ana"), ["raised"]);
    assert_eq!(
        world.push.next_due_ms(),
        Some(world.now.ms + 59 * MINUTE_MS)
    );
    world.pass(59 * MINUTE_MS);
    world.deliver();
    assert_eq!(
        world.got("ana"),
        ["raised", "cleared", "raised"],
        "one is withdrawn then, and the other told"
    );
}

#[test]
fn who_is_named_is_told_once_and_who_is_here_or_has_said_it_is_not() {
    let mut world = World::new();
    world.subscribe("ana", holder("ana"), wanted(&["*"], ALL));
    world.subscribe(
        "ben",
        holder("Ben B."),
        wanted(&["*"], &[PushKind::Mention]),
    );
    world.say("cy", None, "look, @ben b. and @ana!");
    world.deliver();
    assert_eq!(world.got("ana"), ["mention"]);
    assert_eq!(world.got("ben"), ["mention"]);
    world.say("cy", None, "hello");
    world.say("ana", None, "hello @ana");
    world.deliver();
    assert_eq!(world.got("ana"), ["mention", "message"]);
    world.people.here.insert("ana".to_owned());
    world.say("cy", None, "hello @ana");
    world.raise("info");
    world.deliver();
    assert_eq!(
        world.got("ana"),
        ["mention", "message", "raised"],
        "alarms always"
    );
}

#[test]
fn who_is_banned_from_a_room_is_told_nothing_of_it() {
    let mut world = World::new();
    for name in ["ana", "ben"] {
        world.subscribe(name, holder(name), wanted(&["*"], ALL));
    }
    world
        .people
        .banned
        .insert(("ana".to_owned(), room("plant")));
    world.say("cy", None, "hello @ana and @ben");
    world.raise("critical");
    world.deliver();
    assert!(world.got("ana").is_empty());
    assert_eq!(world.got("ben"), ["raised", "mention"]);
}

#[test]
fn a_direct_message_is_for_who_is_called_so_to_the_letter() {
    let mut world = World::new();
    world.subscribe("ana", holder("ana"), wanted(&[], &[PushKind::Direct]));
    world.subscribe("other", holder("ANA"), wanted(&[], &[PushKind::Direct]));
    let author = Author::stored(9, "cy");
    let message = Message {
        expect: None,
        offset: None,
        at_ms: 0,
        author: &author,
        key: None,
        content: Content::Text,
        body: b"psst",
    };
    let direct = |world: &mut World, to: &str| {
        world.with(|push, those, now| push.on_direct(to, &message, those, now))
    };
    assert!(direct(&mut world, "ana") && direct(&mut world, "ANA"));
    assert!(!direct(&mut world, "Ana"), "it may be either");
    assert!(!direct(&mut world, "ben"));
    world.deliver();
    assert_eq!(world.got("ana"), ["direct"]);
    assert_eq!(world.got("other"), ["direct"]);
}

#[test]
fn a_name_that_another_has_taken_tells_nobody_else() {
    let mut world = World::new();
    world.asks_for_tokens = false;
    let visitor = |number, name: &str| Subscriber {
        person: Some(Person::Visitor {
            id: PublicId::of_number(number),
            name: Some(name.into()),
        }),
        owner: Owner::this_machine(),
        id: None,
        readable: Vec::new(),
    };
    world.subscribe("ana", visitor(1, "ana"), wanted(&["*"], ALL));
    world.subscribe("ana2", visitor(1, "guest-1"), wanted(&["*"], ALL));
    world
        .push
        .on_named(PublicId::of_number(1), &Name::Chosen("ana".into()));
    world.say("cy", None, "@ana");
    world.deliver();
    assert_eq!(
        world.got("ana2"),
        ["mention"],
        "the other phone of the same person"
    );
    world
        .push
        .on_named(PublicId::of_number(2), &Name::Chosen("ANA".into()));
    world.say("cy", None, "@ana");
    world.deliver();
    assert_eq!(
        world.got("ana"),
        ["mention", "message"],
        "it is a message like others"
    );
    assert_eq!(world.push.check(), Ok(()));
}

#[test]
fn where_tokens_are_asked_for_who_has_shown_none_is_told_nothing() {
    let mut world = World::new();
    world.asks_for_tokens = false;
    let nobody = Subscriber {
        readable: Vec::new(),
        person: None,
        owner: Owner::this_machine(),
        id: Some("0123456789abcdef".into()),
    };
    world.subscribe(
        "x",
        nobody,
        wanted(&["*"], &[PushKind::Alarm, PushKind::Message]),
    );
    world.raise("info");
    world.deliver();
    world.asks_for_tokens = true;
    world.alarm("device", &json!({"alarm": "cleared"}));
    world.say("cy", None, "secret");
    world.deliver();
    assert_eq!(world.got("x"), ["raised"]);
}

#[test]
fn a_service_is_tried_again_until_it_is_of_no_use() {
    let mut world = World::new();
    world.subscribe("ana", holder("ana"), wanted(&["*"], ALARM));
    world.raise("info");
    let mut tries = 0;
    let until_ms = world.now.ms + u64::from(PUSH_TTL_S) * 1_000;
    while let Some(due_ms) = world.push.next_due_ms() {
        world.pass(due_ms.saturating_sub(world.now.ms));
        for call in world.leaving() {
            assert!(u64::from(call.ttl_s) * 1_000 <= until_ms - world.now.ms + 1_000);
            tries += 1;
            world.answer(&call, if tries % 2 == 0 { 429 } else { 503 });
        }
    }
    assert!(tries > 100 && world.now.ms <= until_ms, "{tries}");
    let figures = world.push.figures();
    assert_eq!((figures.failed, figures.dropped), (tries, 1));
    // What is wrong with the call itself is not tried again.
    world.raise("critical");
    let calls = world.leaving();
    world.answer(&calls[0], 413);
    assert_eq!(world.push.next_due_ms(), None);
}

#[test]
fn a_subscription_that_is_over_is_removed() {
    let mut world = World::new();
    for (status, endpoint) in [(404, "ana"), (410, "ben")] {
        world.subscribe(endpoint, holder("ana"), wanted(&["*"], ALARM));
        world.raise(if status == 404 { "info" } else { "critical" });
        let calls = world.leaving();
        assert_eq!(calls.len(), 1);
        world.answer(&calls[0], status);
    }
    let figures = world.push.figures();
    assert_eq!((figures.subscriptions, figures.removed), (0, 2));
    let requests = std::iter::from_fn(|| world.push.next_request());
    let forgotten = requests.filter(|it| matches!(it, PushRequest::Forget { .. }));
    assert_eq!(forgotten.count(), 2);
}

#[test]
fn a_subscription_ends_that_is_not_renewed() {
    let mut world = World::new();
    world.subscribe("ana", holder("ana"), wanted(&["*"], ALARM));
    world.subscribe("ben", holder("ben"), wanted(&["*"], ALARM));
    world.pass(PUSH_RENEWAL_MS / 2);
    world.subscribe("ben", holder("ben"), wanted(&["*"], ALARM));
    world.pass(PUSH_RENEWAL_MS / 2);
    assert!(world.push.end_one(world.now) && !world.push.end_one(world.now));
    world.raise("info");
    world.deliver();
    assert_eq!(world.got("ben"), ["raised"]);
    assert_eq!(world.got("ana"), [""; 0]);
}

#[test]
fn ids_are_those_of_their_owners() {
    let mut world = World::new();
    let with_id = |name: &str, id: &str| Subscriber {
        id: Some(id.into()),
        ..holder(name)
    };
    world.subscribe("a", with_id("ana", "one"), wanted(&["*"], ALARM));
    world.subscribe("b", with_id("ana", "one"), wanted(&["*"], ALARM));
    assert_eq!(
        world.push.figures().subscriptions,
        1,
        "it has another address"
    );
    let (ana, ben) = (Owner::Holder("ana".into()), Owner::Holder("ben".into()));
    assert!(world.push.is_of_another("one", &ben) && !world.push.is_of_another("one", &ana));
    assert!(!world.push.unsubscribe_by_id("one", &ben));
    assert!(world.push.unsubscribe_by_id("one", &ana));
    assert!(!world.push.unsubscribe("https://b"));
}

#[test]
fn a_person_has_some_subscriptions_and_no_more() {
    let mut world = World::new();
    for number in 0..MAX_PUSH_PER_PERSON {
        world.subscribe(&number.to_string(), holder("ana"), wanted(&["*"], ALARM));
    }
    let one_more = ("https://more", wanted(&["*"], ALARM));
    let refused = world.push.subscribe(one_more, holder("ana"), world.now);
    assert_eq!(refused, Err(TooManyPush::Person));
    // One in the place of another is none more.
    world.subscribe("3", holder("ana"), wanted(&["plant"], ALARM));
    world.subscribe("more", holder("ben"), wanted(&["*"], ALARM));
    assert_eq!(world.push.check(), Ok(()));
}

#[test]
fn what_waits_is_bounded_and_alarms_are_dropped_last() {
    let mut world = World::new();
    world.subscribe("ana", holder("ana"), wanted(&["*"], ALL));
    world.say("cy", None, "hello");
    for number in 0..MAX_PUSH_QUEUE_EACH + 10 {
        let key = format!("alarm.{number}");
        world.say("device", Some(&key), r#"{"alarm":"raised"}"#);
    }
    let figures = world.push.figures();
    assert_eq!((figures.queued, figures.dropped), (MAX_PUSH_QUEUE_EACH, 11));
    world.deliver();
    assert!(world.got("ana").iter().all(|told| told == "raised"));
}

#[test]
fn another_server_goes_on_with_what_waits_and_who_was_told() {
    let mut world = World::new();
    world.subscribe("ana", holder("ana"), wanted(&["*"], ALARM));
    world.subscribe("ben", holder("ben"), wanted(&["*"], ALARM));
    world.raise("info");
    let calls = world.leaving();
    assert_eq!(calls.len(), 2);
    world.answer(&calls[0], 201);
    let state = rmp_serde::to_vec_named(&world.push.state()).unwrap();
    world.push = Push::new(KeptPush::default(), false, [8; 32]);
    world.push.take_over(rmp_serde::from_slice(&state).unwrap());
    assert_eq!(world.push.check(), Ok(()));
    world.deliver();
    world.alarm("ben", &json!({"alarm": "acknowledged"}));
    world.deliver();
    assert_eq!(world.got("ana"), ["raised", "acknowledged"]);
    assert_eq!(world.got("ben"), ["raised", "acknowledged"]);
    assert_eq!(world.push.figures().sent, 4);
}

#[test]
fn a_restart_keeps_subscriptions_and_who_was_told() {
    let mut world = World::new();
    world.subscribe("ana", holder("ana"), wanted(&["*"], ALARM));
    world.subscribe("gone", holder("ana"), wanted(&["*"], ALARM));
    world.push.unsubscribe("https://gone");
    world.raise("info");
    world.deliver();
    let mut kept = KeptPush::default();
    while let Some(request) = world.push.next_request() {
        match request {
            PushRequest::Keep { number, text } => kept.subscriptions.push((number, text)),
            PushRequest::Forget { number } => kept.subscriptions.retain(|it| it.0 != number),
            PushRequest::Told { room, key, text } => {
                kept.told.extend(text.map(|text| (room, key, text)));
            }
            other => panic!("a disk is not asked to {other:?}"),
        }
    }
    kept.subscriptions.push((99, "{}".into()));
    world.push = Push::new(kept, true, [8; 32]);
    world.alarm("ben", &json!({"alarm": "cleared"}));
    world.deliver();
    assert_eq!(world.got("ana"), ["raised", "cleared"]);
    assert_eq!(world.push.figures().subscriptions, 1);
}

/// An alarm was raised, and before it left its subscriber has said to want graver ones alone.
#[test]
fn what_becomes_of_an_alarm_is_nothing_to_who_was_not_told_of_it() {
    let mut world = World::new();
    world.subscribe("cy", holder("cy"), wanted(&["plant"], ALARM));
    world.raise("info");
    let severity = Severity::Warning;
    let graver = Wanted {
        severity,
        ..wanted(&["plant"], ALARM)
    };
    world.subscribe("cy", holder("cy"), graver);
    world.deliver();
    world.alarm("ana", &json!({"alarm": "acknowledged", "severity": "info"}));
    world.deliver();
    assert!(world.got("cy").is_empty());
}

/// A browser is used by one after the other.
#[test]
fn what_waits_for_somebody_is_not_told_the_next_at_the_same_address() {
    let mut world = World::new();
    world.subscribe("shared", holder("ana"), wanted(&["*"], ALL));
    world.raise("critical");
    world.subscribe("shared", holder("ben"), wanted(&["*"], ALL));
    world.deliver();
    world.alarm("dan", &json!({"alarm": "acknowledged"}));
    world.deliver();
    assert_eq!(world.got("shared"), [""; 0]);
    world.raise("warning");
    world.deliver();
    assert_eq!(world.got("shared"), ["raised"]);
}

#[test]
fn a_long_name_of_who_acknowledges_is_cut() {
    let mut world = World::new();
    world.subscribe("ana", holder("ana"), wanted(&["plant"], ALARM));
    world.raise("critical");
    world.deliver();
    let by = "b".repeat(60_000);
    world.alarm(
        "dan",
        &json!({"alarm": "acknowledged", "by": by, "text": by}),
    );
    let calls = world.leaving();
    assert_eq!(calls.len(), 1);
    assert!(calls[0].payload.len() <= MAX_PUSH_PAYLOAD);
    assert!(world.push.told.all().all(|(_, told)| {
        let text = told.shown.text.as_deref();
        text.is_none_or(|text| text.len() <= MAX_PUSH_TEXT)
    }));
}

/// A sensor that flaps between its limits fills no list.
#[test]
fn of_an_alarm_that_nobody_was_told_of_yet_the_latest_is_told() {
    let mut world = World::new();
    world.subscribe("ana", holder("ana"), wanted(&["plant"], ALARM));
    for _ in 0..3 {
        world.say_only("device", &json!({"alarm": "raised", "severity": "warning"}));
        assert_eq!(world.push.alarms.len(), 1);
        world.say_only("device", &json!({"alarm": "cleared"}));
        assert_eq!(world.push.alarms.len(), 0);
    }
    world.raise("critical");
    world.deliver();
    assert_eq!(world.got("ana"), ["raised"]);
}

/// A room whose sensors flap is told of in its turn, and loses its own alarms.
#[test]
fn a_flood_of_alarms_in_one_room_hides_no_alarm_of_another() {
    let mut world = World::new();
    world.subscribe("ana", holder("ana"), wanted(&["*"], ALARM));
    let raised = json!({"alarm": "raised", "severity": "critical"}).to_string();
    for n in 0..MAX_PUSH_WALKS {
        world.publish_in("flood", "device", Some(&format!("alarm.{n}")), &raised);
    }
    world.publish_in("quiet", "device", Some("alarm.fire"), &raised);
    for n in 0..10 {
        world.publish_in("flood", "device", Some(&format!("alarm.more-{n}")), &raised);
    }
    assert_eq!(world.push.alarms.len(), MAX_PUSH_WALKS);
    assert_eq!(world.push.figures().dropped, 11);
    let told = |world: &World| {
        world
            .push
            .calls
            .lines()
            .values()
            .next()
            .map(|it| it.queue.len())
    };
    world.with(|push, those, now| {
        for _ in 0..20 {
            push.step(those, now);
        }
    });
    assert!(told(&world) > Some(1));
    let is_told = world
        .push
        .told
        .all()
        .any(|(alarm, _)| alarm.0 == room("quiet"));
    assert!(is_told, "it waits behind the others");
}

/// A service that refuses, or a queue that is full, has told nobody.
#[test]
fn an_alarm_that_was_not_taken_is_told_again_when_it_is_raised_again() {
    let mut world = World::new();
    world.subscribe("ana", holder("ana"), wanted(&["plant"], ALARM));
    world.raise("critical");
    let calls = world.leaving();
    world.answer(&calls[0], 403);
    world.raise("critical");
    world.deliver();
    assert_eq!(world.got("ana"), ["raised"]);
    world.raise("critical");
    world.deliver();
    assert_eq!(world.got("ana"), ["raised"], "it is known");
}

/// Whoever fills the queue loses first.
#[test]
fn many_alarms_for_many_drop_none_of_one_who_has_few() {
    let mut world = World::new();
    world.subscribe("victim", holder("victim"), wanted(&["plant"], ALARM));
    world.raise("critical");
    for n in 0..400 {
        let name = format!("evil-{n}");
        world.subscribe(&name, holder(&name), wanted(&["evil"], ALARM));
    }
    let raised = json!({"alarm": "raised", "severity": "info"}).to_string();
    for n in 0..40 {
        world.publish_in("evil", "device", Some(&format!("alarm.{n}")), &raised);
        world.with(|push, those, now| {
            while push.has_work() {
                push.step(those, now);
            }
        });
    }
    assert!(world.push.figures().dropped > 5_000);
    world.push.forget_owner(&Owner::Holder("evil-0".into()));
    let victim = world
        .push
        .subscriptions
        .by_endpoint("https://victim")
        .unwrap();
    assert_eq!(world.push.calls.lines()[&victim].queue.len(), 1);
}
