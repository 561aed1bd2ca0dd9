//! What the first at a node is told of those who are at others.

use parlor::limits::SIGHTING_MS;
use serde_json::{Value, json};

use crate::nodes::circle::{Circle, Place};
use crate::reader::Seen;
use crate::units::upgrade_of;

/// Someone with this name in the room `tea`, and what they were told there.
fn drinker(circle: &mut Circle, node: usize, name: &str) -> (Place, Value) {
    let place = circle.come(node);
    let welcome = circle.log_in(place, name);
    assert_eq!(welcome["you"]["name"], name, "{welcome}");
    let joined = circle.ask(place, &json!({"type": "join", "room": "tea"}));
    (place, joined)
}

fn names(members: &Value) -> Vec<&str> {
    let members = members.as_array().expect("a list").iter();
    let names = members.map(|it| it["name"].as_str().expect("a name"));
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names
}

/// What `GET /rooms/tea/members` answers at a node.
fn get_members(circle: &mut Circle, node: usize) -> Value {
    let hall = circle.hall(node);
    let reader = hall.connect(usize::MAX);
    hall.request(
        reader,
        b"GET /rooms/tea/members HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    circle.pass(300);
    match &circle.hall(node).read(reader)[..] {
        [Seen::Response { body, .. }] => serde_json::from_slice(body).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// What has come for somebody of who has come and gone.
fn presence(circle: &mut Circle, place: Place) -> Vec<Value> {
    let events = circle.read(place).into_iter();
    events.filter(|it| it["type"] == "presence").collect()
}

#[test]
fn the_first_at_a_node_is_told_who_is_at_others() {
    let mut circle = Circle::new(11, 3);
    circle.log.habit.late_ms = 40;
    let (ana, _) = drinker(&mut circle, 0, "ana");
    circle.pass(1_000);
    let (bob, joined) = drinker(&mut circle, 1, "bob");
    assert_eq!(names(&joined["members"]), ["ana", "bob"], "{joined}");
    assert_eq!(joined["count"], 2);
    circle.read(bob);
    circle.pass(3_000);
    let news = presence(&mut circle, bob);
    assert!(news.is_empty(), "what was told is not told again: {news:?}");
    // What changes there is told from then on.
    circle.ask(ana, &json!({"type": "leave", "room": "tea"}));
    circle.pass(3_000);
    let news = presence(&mut circle, bob);
    assert_eq!(names(&news[0]["left"]), ["ana"], "{news:?}");
    assert_eq!((news.len(), &news[0]["count"]), (1, &json!(1)));
}

#[test]
fn who_is_told_is_told_of_all_nodes() {
    let mut circle = Circle::new(12, 3);
    drinker(&mut circle, 0, "ana");
    let viewer = circle.hall(1).connect(usize::MAX);
    circle.hall(1).request(viewer, &upgrade_of("/ws/tea"));
    circle.pass(2_000);
    let body = get_members(&mut circle, 2);
    assert_eq!(body["count"], 2, "{body}");
    assert!(names(&body["members"]).contains(&"ana"), "{body}");
    let reader = circle.come(2);
    let (members, count) = circle.members(reader, "tea");
    assert_eq!((members.len(), count), (2, 2), "{members:?}");
    let typist = circle.hall(2).connect_typist(usize::MAX);
    circle.hall(2).send(typist, b"/join tea\n/who\n");
    circle.pass(500);
    let lines = circle.hall(2).sip(typist, usize::MAX);
    let lines = String::from_utf8(lines).unwrap();
    assert!(lines.contains(" in tea, 3 here\n"), "{lines}");
    assert!(lines.contains("* 3 in tea:"), "{lines}");
    let listener = circle.hall(1).connect(usize::MAX);
    let request = b"GET /rooms/tea/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    circle.hall(1).request(listener, request);
    circle.pass(2_000);
    assert_eq!(circle.members(reader, "tea").1, 4);
}

#[test]
fn what_was_looked_up_is_looked_up_again() {
    let mut circle = Circle::new(13, 2);
    let reader = circle.come(1);
    assert_eq!(circle.members(reader, "tea"), (Vec::new(), 0));
    let (ana, _) = drinker(&mut circle, 0, "ana");
    circle.pass(SIGHTING_MS + 1_000);
    assert_eq!(circle.members(reader, "tea"), (vec!["ana".into()], 1));
    circle.ask(ana, &json!({"type": "leave", "room": "tea"}));
    circle.pass(SIGHTING_MS + 1_000);
    assert_eq!(circle.members(reader, "tea"), (Vec::new(), 0));
    // Also of a room that was here, and is empty.
    let (bob, _) = drinker(&mut circle, 1, "bob");
    circle.ask(bob, &json!({"type": "leave", "room": "tea"}));
    circle.pass(2_000);
    circle.ask(ana, &json!({"type": "join", "room": "tea"}));
    circle.pass(2_000);
    assert_eq!(circle.members(reader, "tea"), (vec!["ana".into()], 1));
}

#[test]
fn a_node_that_ends_is_looked_up_no_more() {
    let mut circle = Circle::new(14, 2);
    drinker(&mut circle, 0, "ana");
    circle.pass(1_000);
    let reader = circle.come(1);
    assert_eq!(circle.members(reader, "tea").1, 1);
    circle.kill(0);
    circle.pass(parlor::limits::NODE_TTL_MS + 1_000);
    assert_eq!(circle.members(reader, "tea"), (Vec::new(), 0));
}

#[test]
fn nobody_waits_for_a_log_that_is_away() {
    let mut circle = Circle::new(15, 2);
    let (ana, _) = drinker(&mut circle, 0, "ana");
    let bob = circle.come(1);
    circle.log_in(bob, "bob");
    circle.pass(1_000);
    circle.log.habit.is_away = true;
    assert_eq!(circle.members(bob, "tea"), (Vec::new(), 0));
    let joined = circle.ask(bob, &json!({"type": "join", "room": "tea"}));
    assert_eq!(
        (&joined["type"], &joined["count"]),
        (&json!("joined"), &json!(1))
    );
    circle.log.habit.is_away = false;
    circle.read(bob);
    circle.pass(parlor::limits::RENEW_MS + 2_000);
    let news = presence(&mut circle, bob);
    assert_eq!(names(&news[0]["joined"]), ["ana"], "{news:?}");
    for place in [ana, bob] {
        assert_eq!(circle.members(place, "tea").1, 2);
    }
}
