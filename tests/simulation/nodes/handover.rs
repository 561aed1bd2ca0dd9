//! Another process takes the place of one of several servers.

use parlor::limits::{NODE_TTL_MS, RENEW_MS};
use serde_json::{Value, json};

use crate::nodes::circle::{Circle, Place};
use crate::units::upgrade_of;

fn drinker(circle: &mut Circle, node: usize, name: &str) -> Place {
    let place = circle.come(node);
    let welcome = circle.log_in(place, name);
    assert_eq!(welcome["you"]["name"], name, "{welcome}");
    let joined = circle.ask(place, &json!({"type": "join", "room": "tea"}));
    assert_eq!(joined["type"], "joined", "{joined}");
    place
}

/// What has come for somebody of who has come and gone.
fn presence(circle: &mut Circle, place: Place) -> Vec<Value> {
    let events = circle.read(place).into_iter();
    events.filter(|it| it["type"] == "presence").collect()
}

fn all_left(news: &[Value]) -> Vec<&str> {
    let left = news.iter().flat_map(|it| it["left"].as_array().unwrap());
    left.map(|it| it["name"].as_str().unwrap()).collect()
}

#[test]
fn nobody_is_doubled_or_lost() {
    let mut circle = Circle::new(21, 2);
    let ana = drinker(&mut circle, 0, "ana");
    let bob = drinker(&mut circle, 1, "bob");
    // More than are listed: of them the number is told.
    for _ in 0..150 {
        let viewer = circle.hall(1).connect(usize::MAX);
        circle.hall(1).request(viewer, &upgrade_of("/ws/tea"));
    }
    circle.pass(3_000);
    assert_eq!(circle.members(ana, "tea").1, 152);
    circle.read(ana);
    circle.read(bob);
    for node in [1, 0, 1] {
        circle.hand_over(node, None);
        // Nobody waits for what the log says.
        circle.log.habit.is_away = true;
        assert_eq!(circle.members(ana, "tea").1, 152);
        assert_eq!(circle.members(bob, "tea").1, 152);
        circle.log.habit.is_away = false;
        for _ in 0..20 {
            circle.pass(200);
            for place in [ana, bob] {
                assert_eq!(circle.members(place, "tea").1, 152, "{place:?}");
            }
        }
    }
    circle.pass(NODE_TTL_MS + RENEW_MS);
    for place in [ana, bob] {
        let news = presence(&mut circle, place);
        assert!(news.is_empty(), "{place:?}: {news:?}");
        assert_eq!(circle.members(place, "tea").1, 152);
    }
    let other = circle.come(0);
    assert_eq!(circle.log_in(other, "bob")["code"], "name_taken");
    let direct = json!({"type": "direct", "to": "bob", "data": "still here"});
    assert_eq!(circle.ask(ana, &direct)["type"], "ok");
}

#[test]
fn who_goes_after_it_is_gone_at_once() {
    let mut circle = Circle::new(22, 2);
    let ana = drinker(&mut circle, 0, "ana");
    let bob = drinker(&mut circle, 1, "bob");
    let eve = drinker(&mut circle, 1, "eve");
    circle.pass(2_000);
    circle.hand_over(1, None);
    circle.read(ana);
    circle.ask(bob, &json!({"type": "leave", "room": "tea"}));
    circle.pass(3_000);
    assert_eq!(all_left(&presence(&mut circle, ana)), ["bob"]);
    assert_eq!(all_left(&presence(&mut circle, eve)), ["bob"]);
    circle.ask(eve, &json!({"type": "leave", "room": "tea"}));
    circle.pass(3_000);
    assert_eq!(circle.members(ana, "tea").1, 1);
    // A name that is given up is free.
    assert_eq!(circle.log_in(eve, "zoe")["you"]["name"], "zoe");
    circle.pass(200);
    let welcome = circle.log_in(ana, "eve");
    assert_eq!(welcome["you"]["name"], "eve", "{welcome}");
}

#[test]
fn who_is_not_handed_over_has_left_at_all_nodes() {
    let mut circle = Circle::new(23, 2);
    let ana = drinker(&mut circle, 0, "ana");
    let bob = drinker(&mut circle, 1, "bob");
    circle.pass(2_000);
    circle.hand_over(1, Some(bob.1));
    circle.pass(3_000);
    assert_eq!(circle.members(ana, "tea"), (vec!["ana".into()], 1));
}

#[test]
fn what_was_not_told_yet_is_told_before_it() {
    let mut circle = Circle::new(24, 2);
    let ana = drinker(&mut circle, 0, "ana");
    let bob = drinker(&mut circle, 1, "bob");
    circle.pass(2_000);
    circle.say(bob, &json!({"type": "leave", "room": "tea"}));
    circle.tick(100);
    circle.hand_over(1, None);
    circle.pass(3_000);
    assert_eq!(circle.members(ana, "tea"), (vec!["ana".into()], 1));
}

/// The room empties before the whole of it is told again.
#[test]
fn a_room_that_empties_while_it_is_told_again_is_empty() {
    let mut circle = Circle::new(25, 2);
    let ana = drinker(&mut circle, 0, "ana");
    let bob = drinker(&mut circle, 1, "bob");
    circle.pass(2_000);
    circle.hand_over(1, None);
    circle.ask(bob, &json!({"type": "leave", "room": "tea"}));
    circle.pass(3_000);
    assert_eq!(circle.members(ana, "tea"), (vec!["ana".into()], 1));
}
