//! What people see who are at two nodes, step by step.

use parlor::limits::{ABSENCE_MS, NODE_TTL_MS, RENEW_MS};
use serde_json::{Value, json};

use crate::nodes::circle::{Circle, Place};
use crate::reader::Seen;

/// Someone with this name in the room `tea`.
pub(super) fn drinker(circle: &mut Circle, node: usize, name: &str) -> Place {
    let place = circle.come(node);
    let welcome = circle.log_in(place, name);
    assert_eq!(welcome["you"]["name"], name, "{welcome}");
    let joined = circle.ask(place, &json!({"type": "join", "room": "tea"}));
    assert_eq!(joined["type"], "joined", "{joined}");
    place
}

/// What has come for somebody of one type.
pub(super) fn told(circle: &mut Circle, place: Place, kind: &str) -> Vec<Value> {
    let events = circle.read(place).into_iter();
    events.filter(|event| event["type"] == kind).collect()
}

fn direct(to: &str, text: &str) -> Value {
    json!({"type": "direct", "to": to, "data": text})
}

#[test]
fn those_at_other_nodes_are_members_too() {
    let mut circle = Circle::new(1, 3);
    let ana = drinker(&mut circle, 0, "ana");
    let bob = drinker(&mut circle, 1, "bob");
    let viewer = circle.hall(2).connect(usize::MAX);
    circle
        .hall(2)
        .request(viewer, &crate::units::upgrade_of("/ws/tea"));
    circle.pass(2_000);
    let (names, count) = circle.members(ana, "tea");
    assert_eq!(
        (&names[..2], count),
        (&["ana", "bob"].map(String::from)[..], 3)
    );
    assert!(names[2].starts_with("guest-"), "{names:?}");
    assert_eq!(circle.members(bob, "tea"), (names, 3));
    let request = b"GET /rooms/tea/members HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let hall = circle.hall(0);
    let reader = hall.connect(usize::MAX);
    hall.request(reader, request);
    circle.pass(100);
    let response = circle.hall(0).read(reader);
    let [Seen::Response { body, .. }] = &response[..] else {
        panic!("{response:?}");
    };
    let body: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(
        (&body["count"], body["members"].as_array().unwrap().len()),
        (&json!(3), 3)
    );
    let eve = circle.come(0);
    let joined = circle.ask(eve, &json!({"type": "join", "room": "tea"}));
    assert_eq!(
        (
            &joined["count"],
            joined["members"].as_array().unwrap().len()
        ),
        (&json!(4), 4)
    );
    // Who leaves there has left here.
    circle.read(ana);
    circle.ask(bob, &json!({"type": "leave", "room": "tea"}));
    circle.pass(3_000);
    let presence = told(&mut circle, ana, "presence");
    let left = presence
        .iter()
        .flat_map(|it| it["left"].as_array().unwrap());
    let left: Vec<&Value> = left.map(|who| &who["name"]).collect();
    assert_eq!(left, ["bob"], "{presence:?}");
    let listed = circle.ask(ana, &json!({"type": "rooms"}));
    assert_eq!(listed["rooms"], json!([{"name": "tea", "count": 3}]));
}

#[test]
fn a_name_is_one_persons_at_all_nodes() {
    let mut circle = Circle::new(2, 2);
    let ana = drinker(&mut circle, 0, "ana");
    let other = circle.come(1);
    for name in ["ana", "ANA", "\u{ff41}na"] {
        assert_eq!(circle.log_in(other, name)["code"], "name_taken", "{name}");
    }
    let hall = circle.hall(1);
    let typist = hall.connect_typist(usize::MAX);
    hall.send(typist, b"/nick ana\n/nick bob\n");
    circle.pass(500);
    let lines = circle.hall(1).sip(typist, usize::MAX);
    let lines = String::from_utf8(lines).unwrap();
    assert!(lines.contains("! someone else has this name\n"), "{lines}");
    assert!(
        lines.ends_with("* you are bob\n"),
        "in their order: {lines}"
    );
    assert_eq!(circle.log_in(ana, "bob")["code"], "name_taken");
    // A new name frees the old one at once.
    assert_eq!(circle.log_in(ana, "anna")["you"]["name"], "anna");
    assert_eq!(circle.log_in(other, "ana")["you"]["name"], "ana");
    // So does one that is taken for a moment, and not the name that is taken again after it.
    for name in ["bo", "anna"] {
        circle.say(ana, &json!({"type": "login", "name": name}));
    }
    circle.pass(1_000);
    assert_eq!(circle.log_in(other, "anna")["code"], "name_taken");
    assert_eq!(circle.log_in(other, "bo")["you"]["name"], "bo");
    // Who is away keeps theirs for a while.
    circle.hall(0).hang_up(ana.1);
    circle.pass(ABSENCE_MS - 2_000);
    assert_eq!(circle.log_in(other, "anna")["code"], "name_taken");
    circle.pass(3_000);
    assert_eq!(circle.log_in(other, "anna")["you"]["name"], "anna");
}

#[test]
fn who_comes_back_to_another_node_is_who_they_were() {
    let mut circle = Circle::new(3, 2);
    let ana = drinker(&mut circle, 0, "ana");
    let welcome = circle.log_in(ana, "ana");
    let watcher = drinker(&mut circle, 1, "bob");
    circle.hall(0).hang_up(ana.1);
    circle.pass(1_000);
    let again = circle.come(1);
    let resume = json!({"type": "login", "resume": welcome["resume"]});
    let back = circle.ask(again, &resume);
    assert_eq!(
        (&back["you"], &back["resume"]),
        (&welcome["you"], &welcome["resume"])
    );
    circle.ask(again, &json!({"type": "join", "room": "tea"}));
    assert_eq!(
        circle.members(watcher, "tea"),
        (vec!["ana".into(), "bob".into()], 2)
    );
    // The same person at both nodes is one.
    let third = circle.come(0);
    assert_eq!(circle.ask(third, &resume)["you"], welcome["you"]);
    circle.ask(third, &json!({"type": "join", "room": "tea"}));
    circle.pass(2_000);
    for place in [watcher, third] {
        let (names, count) = circle.members(place, "tea");
        assert_eq!((names.join(" "), count), ("ana bob".into(), 2));
    }
    // A new name is theirs everywhere.
    assert_eq!(circle.log_in(third, "anna")["you"]["name"], "anna");
    circle.pass(3_000);
    assert_eq!(circle.members(watcher, "tea").0, ["anna", "bob"]);
    assert_eq!(
        circle.ask(again, &json!({"type": "login"}))["you"]["name"],
        "anna"
    );
    let wrong =
        json!({"type": "login", "resume": format!("{}0", welcome["resume"].as_str().unwrap())});
    assert_eq!(circle.ask(watcher, &wrong)["code"], "bad_resume");
}

#[test]
fn a_direct_message_reaches_another_node_once() {
    let mut circle = Circle::new(4, 3);
    let ana = drinker(&mut circle, 0, "ana");
    let resume = circle.log_in(ana, "ana")["resume"].clone();
    let bob = drinker(&mut circle, 1, "bob");
    let resume_bob = circle.log_in(bob, "bob")["resume"].clone();
    let [ana_too, bob_too] = [(2, resume), (2, resume_bob)].map(|(node, resume)| {
        let place = circle.come(node);
        circle.ask(place, &json!({"type": "login", "resume": resume}));
        place
    });
    let all = [ana, ana_too, bob, bob_too];
    circle.pass(1_000);
    for place in all {
        circle.read(place);
    }
    circle.say(ana, &direct("BOB", "hello"));
    circle.pass(1_000);
    for place in all {
        let events = circle.read(place);
        let got: Vec<&Value> = events.iter().filter(|it| it["type"] == "direct").collect();
        assert_eq!(got.len(), 1, "{place:?}: {events:?}");
        assert_eq!(
            (&got[0]["data"], &got[0]["to"]["name"]),
            (&json!("hello"), &json!("bob"))
        );
        assert_eq!(events.iter().any(|it| it["type"] == "ok"), place == ana);
    }
    // The same to somebody who is here and there.
    circle.say(ana_too, &direct("bob", "again"));
    circle.pass(1_000);
    for place in all {
        assert_eq!(told(&mut circle, place, "direct").len(), 1, "{place:?}");
    }
    assert_eq!(
        circle.ask(ana, &direct("eve", "hello"))["code"],
        "no_such_user"
    );
    // At the line port, too.
    let hall = circle.hall(1);
    let typist = hall.connect_typist(usize::MAX);
    hall.send(typist, b"/msg ana from a line\n/msg eve nothing\n");
    circle.pass(1_000);
    assert_eq!(told(&mut circle, ana, "direct")[0]["data"], "from a line");
    let lines = circle.hall(1).sip(typist, usize::MAX);
    let lines = String::from_utf8(lines).unwrap();
    assert!(lines.contains("-> ana: from a line\n"), "{lines}");
    assert!(
        lines.ends_with("! nobody of this name is here\n"),
        "{lines}"
    );
}

#[test]
fn a_node_that_dies_leaves_nobody() {
    let mut circle = Circle::new(5, 2);
    let ana = drinker(&mut circle, 0, "ana");
    drinker(&mut circle, 1, "bob");
    circle.pass(RENEW_MS);
    assert_eq!(circle.members(ana, "tea").1, 2);
    circle.kill(1);
    circle.pass(NODE_TTL_MS / 2);
    assert_eq!(
        circle.log_in(ana, "bob")["code"],
        "name_taken",
        "he may come back"
    );
    circle.pass(NODE_TTL_MS / 2 + 1_000);
    assert_eq!(circle.members(ana, "tea"), (vec!["ana".into()], 1));
    assert_eq!(
        circle.ask(ana, &direct("bob", "hello"))["code"],
        "no_such_user"
    );
    assert_eq!(circle.log_in(ana, "bob")["you"]["name"], "bob");
}

#[test]
fn a_log_that_lost_all_is_told_again() {
    let mut circle = Circle::new(6, 2);
    let ana = drinker(&mut circle, 0, "ana");
    let bob = circle.come(1);
    circle.log.lose_all();
    assert_eq!(
        circle.log_in(bob, "ana")["you"]["name"],
        "ana",
        "it does not know better"
    );
    circle.ask(bob, &json!({"type": "join", "room": "tea"}));
    circle.read(ana);
    circle.pass(2 * RENEW_MS);
    // Who has claimed it last has it.
    let welcomes = told(&mut circle, ana, "welcome");
    let [welcome] = &welcomes[..] else {
        panic!("{welcomes:?}");
    };
    let name = welcome["you"]["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("guest-"), "{name}");
    for place in [ana, bob] {
        assert_eq!(
            circle.members(place, "tea"),
            (vec!["ana".into(), name.clone()], 2)
        );
    }
}

#[test]
fn while_the_log_is_away_nobody_gets_a_name() {
    let mut circle = Circle::new(7, 2);
    let ana = drinker(&mut circle, 0, "ana");
    let resume = circle.log_in(ana, "ana")["resume"].clone();
    let bob = drinker(&mut circle, 1, "bob");
    let stranger = circle.come(1);
    circle.pass(1_000);
    circle.log.habit.is_away = true;
    let refused = [
        circle.log_in(bob, "eve"),
        circle.ask(bob, &direct("ana", "hello")),
        circle.ask(stranger, &json!({"type": "login", "resume": resume})),
    ];
    for answer in refused {
        assert_eq!(answer["code"], "unavailable", "{answer}");
        assert!(answer["retry_ms"].as_u64() > Some(0), "{answer}");
    }
    assert_eq!(circle.members(bob, "tea").1, 2, "those who were known are");
    circle.log.habit.is_away = false;
    assert_eq!(circle.log_in(bob, "eve")["you"]["name"], "eve");
}

#[test]
fn an_admin_closes_a_person_at_all_nodes() {
    use parlor::core::access::{Claims, Keys, issue};
    const SECRET: &[u8] = b"a secret of at least 32 bytes, as wanted";
    let mut circle = Circle::new(8, 2);
    for node in 0..2 {
        let mut keys = Keys::default();
        keys.add_secret(SECRET).unwrap();
        circle.hall(node).server.require_tokens(keys);
    }
    let holder = |circle: &mut Circle, node: usize, sub: &str, admin: bool| {
        let claims = Claims {
            sub: sub.to_owned(),
            exp: (circle.hall(node).now.unix_ms + 3_600_000) as f64 / 1000.0,
            nbf: None,
            iat: None,
            aud: None,
            subscribe: vec!["*".to_owned()],
            publish: vec!["*".to_owned()],
            admin,
        };
        let token = issue(&claims, SECRET).unwrap();
        // In the request, and by a command.
        let place = circle.come_with(node, (node == 1).then_some(&*token));
        circle.pass(300);
        if node == 0 {
            circle.read(place);
            let welcome = circle.ask(place, &json!({"type": "login", "token": token}));
            assert_eq!(welcome["you"]["name"], sub, "{welcome}");
            return (place, welcome["you"].clone());
        }
        let welcome = told(circle, place, "welcome").pop().expect("it has come");
        (place, welcome["you"].clone())
    };
    let (admin, _) = holder(&mut circle, 0, "ann", true);
    let (bob, who) = holder(&mut circle, 1, "bob", false);
    let (bob_too, same) = holder(&mut circle, 0, "bob", false);
    assert_eq!(who, same, "whoever has a token for a name is one person");
    let (carol, _) = holder(&mut circle, 1, "carol", false);
    for place in [bob, bob_too, carol] {
        circle.ask(place, &json!({"type": "join", "room": "tea"}));
    }
    circle.pass(2_000);
    assert_eq!(circle.members(admin, "tea").1, 2);
    circle.ask(admin, &json!({"type": "close", "name": "bob"}));
    circle.pass(1_000);
    for place in [bob, bob_too] {
        assert_eq!(told(&mut circle, place, "bye").len(), 1, "{place:?}");
    }
    circle.pass(1_000);
    assert_eq!(circle.members(carol, "tea"), (vec!["carol".into()], 1));
}
