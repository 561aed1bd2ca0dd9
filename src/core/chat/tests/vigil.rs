//! Values that must keep coming, and values that end.

use super::*;
use crate::codec::freshness::Freshness;

const SECOND: u64 = 1000;

/// Sets a value of which something is said, and gives its offset.
fn set(chat: &mut Chat, room: RoomId, (key, body): (&str, &str), said: Freshness, ms: u64) -> u64 {
    let author = Author::guest(PersonId(0));
    let draft = Draft {
        author: &author,
        owner: &here(),
        content: Content::Json,
        body: body.as_bytes(),
        key: Some(key),
        retain: true,
        ephemeral: false,
        dedup: None,
        file: None,
        imported: None,
        condition: None,
        freshness: said,
    };
    keep(chat, room, &draft, ms)
}

fn expect(seconds: u64) -> Freshness {
    Freshness::new(Some(seconds), None)
}

/// What is to be said by now.
fn due(chat: &mut Chat, now_ms: u64) -> Vec<(String, Verdict, u64)> {
    let mut found = Vec::new();
    while let Some(overdue) = chat.take_overdue(now_ms) {
        let Some(it) = overdue else { continue };
        found.push((it.key.to_string(), it.verdict, it.offset));
        chat.on_said(&it);
        if it.verdict == Verdict::Silent {
            let alarm = format!(r#"{{"alarm":"raised","silent_after":{}}}"#, it.offset);
            let key = format!("alarm.{}", it.key);
            say(chat, it.room, &alarm, Some(&key), now_ms);
        }
        chat.check().unwrap();
    }
    found
}

#[test]
fn a_silence_is_told_once_and_ends_with_the_next_value() {
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "plant").unwrap();
    let first = set(&mut chat, room, ("a", "1"), expect(60), 0);
    assert_eq!(chat.next_vigil_ms(), Some(60 * SECOND));
    assert_eq!(due(&mut chat, 60 * SECOND - 1), []);
    // What says nothing of it is expected as the one before, and one that is not kept is heard, too.
    let second = set(
        &mut chat,
        room,
        ("a", "2"),
        Freshness::default(),
        50 * SECOND,
    );
    assert!(second > first);
    keyed::tell(&mut chat, room, &here(), Some("a"), "3", 80 * SECOND);
    assert_eq!(due(&mut chat, 140 * SECOND - 1), []);
    let silent = ("a".to_owned(), Verdict::Silent, 3);
    assert_eq!(due(&mut chat, 140 * SECOND), [silent]);
    assert_eq!(due(&mut chat, 999 * SECOND), []);
    assert_eq!(chat.next_vigil_ms(), None);
    let next = set(
        &mut chat,
        room,
        ("a", "4"),
        Freshness::default(),
        999 * SECOND,
    );
    let heard = ("a".to_owned(), Verdict::Heard, next);
    assert_eq!(due(&mut chat, 999 * SECOND), [heard]);
    say(
        &mut chat,
        room,
        r#"{"alarm":"cleared"}"#,
        Some("alarm.a"),
        999 * SECOND,
    );
    assert_eq!(due(&mut chat, 1059 * SECOND - 1), []);
    let silent = ("a".to_owned(), Verdict::Silent, next);
    assert_eq!(due(&mut chat, 1059 * SECOND), [silent]);
}

#[test]
fn what_is_not_expected_any_more_is_not_missed() {
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "plant").unwrap();
    for ends in [("a", "2", expect(0)), ("a", "null", Freshness::default())] {
        let (key, body, said) = ends;
        set(&mut chat, room, (key, "1"), expect(60), 0);
        set(&mut chat, room, (key, body), said, 0);
        assert_eq!(
            (due(&mut chat, 999 * SECOND), chat.vigil_count()),
            (vec![], 0)
        );
    }
}

#[test]
fn a_value_ends_and_the_next_one_does_not() {
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "plant").unwrap();
    let ttl = Freshness::new(None, Some(10));
    let first = set(&mut chat, room, ("a", "1"), ttl, 0);
    assert_eq!(due(&mut chat, 10 * SECOND - 1), []);
    assert_eq!(
        due(&mut chat, 10 * SECOND),
        [("a".to_owned(), Verdict::Ended, first)]
    );
    set(
        &mut chat,
        room,
        ("a", "2"),
        Freshness::default(),
        10 * SECOND,
    );
    assert_eq!(due(&mut chat, 999 * SECOND), []);
}

/// An alarm that tells of a silence which had ended when it was published.
#[test]
fn an_alarm_that_comes_too_late_is_cleared() {
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "plant").unwrap();
    let first = set(&mut chat, room, ("a", "1"), expect(60), 0);
    let second = set(&mut chat, room, ("a", "2"), expect(60), 0);
    let alarm = format!(r#"{{"alarm":"raised","silent_after":{first}}}"#);
    say(&mut chat, room, &alarm, Some("alarm.a"), 0);
    let heard = ("a".to_owned(), Verdict::Heard, second);
    assert_eq!(due(&mut chat, 0), [heard]);
}

#[test]
fn what_is_not_said_is_said_again() {
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "plant").unwrap();
    set(&mut chat, room, ("a", "1"), expect(60), 0);
    let mut silences = |now_ms| {
        let mut found = std::iter::from_fn(|| chat.take_overdue(now_ms)).flatten();
        found.next().is_some()
    };
    assert!(silences(60 * SECOND));
    assert!(!silences(61 * SECOND - 1));
    assert!(silences(61 * SECOND));
}

/// What came last with a key is told to the server that takes over, also if it is remembered nowhere.
#[test]
fn a_server_that_takes_over_knows_what_has_come() {
    let flags = ["--history", "0"];
    let mut before = chat(&flags);
    let room = join(&mut before, 0, "plant").unwrap();
    set(&mut before, room, ("a", "1"), expect(60), 0);
    for ms in [50, 100] {
        keyed::tell(&mut before, room, &here(), Some("a"), "2", ms * SECOND);
    }
    let state = rmp_serde::to_vec_named(&before.state()).unwrap();
    let mut next = chat(&flags);
    let state = rmp_serde::from_slice(&state).unwrap();
    next.take_over(state, &Limits::of_flags(&flags), 100 * SECOND);
    assert_eq!(due(&mut next, 160 * SECOND - 1), []);
    let silent = ("a".to_owned(), Verdict::Silent, 3);
    assert_eq!(due(&mut next, 160 * SECOND), [silent]);
}

#[test]
fn a_value_that_is_removed_is_not_silent() {
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "plant").unwrap();
    let first = set(&mut chat, room, ("a", "1"), expect(60), 0);
    let silent = ("a".to_owned(), Verdict::Silent, first);
    assert_eq!(due(&mut chat, 60 * SECOND), [silent]);
    let none = Freshness::default();
    set(&mut chat, room, ("a", "null"), none, 70 * SECOND);
    let removed = || ("a".to_owned(), Verdict::Removed, first);
    assert_eq!(chat.next_vigil_ms(), Some(0));
    assert_eq!(due(&mut chat, 70 * SECOND), [removed()]);
    // It is said again until the alarm is over, by a server that begins with this, too.
    assert_eq!(due(&mut chat, 71 * SECOND - 1), []);
    assert_eq!(due(&mut chat, 71 * SECOND), [removed()]);
    let state = rmp_serde::to_vec_named(&chat.state()).unwrap();
    let mut next = super::chat(&[]);
    let state = rmp_serde::from_slice(&state).unwrap();
    next.take_over(state, &Limits::default(), 71 * SECOND);
    assert_eq!(due(&mut next, 71 * SECOND), [removed()]);
    let cleared = r#"{"alarm":"cleared"}"#;
    say(&mut chat, room, cleared, Some("alarm.a"), 71 * SECOND);
    assert_eq!(due(&mut chat, 999 * SECOND), []);
    // The next value is not expected.
    set(&mut chat, room, ("a", "2"), none, 999 * SECOND);
    assert_eq!((chat.next_vigil_ms(), chat.vigil_count()), (None, 0));
}

/// A person, or another monitor, knows more than that nothing comes.
#[test]
fn an_alarm_of_somebody_is_neither_replaced_nor_cleared_by_a_silence() {
    let alarm = r#"{"alarm":"raised","text":"too hot","severity":"critical"}"#;
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "plant").unwrap();
    set(&mut chat, room, ("a", "1"), expect(60), 0);
    say(&mut chat, room, alarm, Some("alarm.a"), SECOND);
    assert_eq!(due(&mut chat, 60 * SECOND), []);
    set(&mut chat, room, ("a", "2"), expect(60), 61 * SECOND);
    assert_eq!(due(&mut chat, 61 * SECOND), []);
    // It is raised while the server's is.
    say(
        &mut chat,
        room,
        r#"{"alarm":"cleared"}"#,
        Some("alarm.a"),
        62 * SECOND,
    );
    assert_eq!(due(&mut chat, 121 * SECOND).len(), 1);
    say(&mut chat, room, alarm, Some("alarm.a"), 122 * SECOND);
    set(&mut chat, room, ("a", "3"), expect(60), 123 * SECOND);
    assert_eq!(due(&mut chat, 123 * SECOND), []);
}
