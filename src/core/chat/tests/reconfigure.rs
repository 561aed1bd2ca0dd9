//! Other limits for rooms that there are.

use super::*;
use crate::settings::RoomRule;

/// Takes other limits, and lets every room follow. Says in how many steps.
fn reconfigure(chat: &mut Chat, limits: Limits, now_ms: u64) -> usize {
    chat.reconfigure(limits);
    chat.check().unwrap();
    let mut steps = 0;
    while chat.go_on_reconfiguring(now_ms).is_some() {
        chat.check().unwrap();
        steps += 1;
    }
    assert!(!chat.is_reconfiguring());
    chat.check().unwrap();
    steps
}

fn with(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

/// How many messages and values a room holds.
fn held(chat: &Chat, room: RoomId) -> (usize, usize) {
    let messages = chat.history(room, u64::MAX, usize::MAX).unwrap().0.len();
    (messages, chat.retained(room).len())
}

fn rule(pattern: &str, change: impl FnOnce(&mut RoomRule)) -> RoomRule {
    let mut rule = RoomRule::new(pattern);
    change(&mut rule);
    rule
}

#[test]
fn a_room_pattern_limits_what_its_rooms_remember() {
    let rooms = vec![rule("plant-*", |it| {
        it.history = Some(2);
        it.max_keys = Some(1);
        it.overflow = Some(Overflow::Latest);
    })];
    let limits = with(|it| it.rooms = rooms);
    let mut chat = Chat::new(limits, [1; 32], PersonId(0));
    let plant = join(&mut chat, 0, "plant-1").unwrap();
    let lobby = join(&mut chat, 1, "lobby").unwrap();
    for room in [plant, lobby] {
        say(&mut chat, room, "1", Some("key"), 0);
        for _ in 0..5 {
            say(&mut chat, room, "1", None, 0);
        }
    }
    assert_eq!((held(&chat, plant), held(&chat, lobby)), ((3, 1), (6, 1)));
    assert_eq!(
        (chat.conflates(plant), chat.conflates(lobby)),
        (true, false)
    );
    let author = Author::guest(PersonId(0));
    let mut set = |room| {
        let draft = Draft {
            author: &author,
            owner: &here(),
            content: Content::Json,
            body: b"1",
            key: Some("another"),
            retain: true,
            ephemeral: false,
            dedup: None,
            file: None,
            imported: None,
            condition: None,
            freshness: Default::default(),
        };
        chat.propose(room, &draft, true, Now { ms: 0, unix_ms: 0 })
            .is_ok()
    };
    assert_eq!((set(plant), set(lobby)), (false, true));
}

#[test]
fn rooms_forget_what_is_too_much_now_and_keep_what_is_not() {
    let mut chat = chat(&[]);
    let rooms: Vec<RoomId> = (0..3)
        .map(|number| join(&mut chat, number, &format!("room-{number}")).unwrap())
        .collect();
    for &room in &rooms {
        for number in 0..6 {
            say(&mut chat, room, "1", None, number);
            say(&mut chat, room, "1", Some(&format!("key-{number}")), number);
            say(&mut chat, room, "1", Some("key-0"), number);
        }
    }
    let limits = with(|it| {
        it.rooms = vec![rule("room-1", |it| {
            it.history = Some(2);
            it.max_keys = Some(4);
        })];
    });
    let steps = reconfigure(&mut chat, limits.clone(), 10);
    assert_eq!(
        steps,
        3 + 1 + 1,
        "each room, the end of them, and the memory"
    );
    assert_eq!(held(&chat, rooms[0]), (18, 6));
    // Two without a key, two of key-0, and one each of five others.
    assert_eq!(held(&chat, rooms[1]), (2 + 2 + 5, 4));
    let keys: Vec<_> = chat
        .retained(rooms[1])
        .iter()
        .map(|it| it.key.unwrap().to_owned())
        .collect();
    assert_eq!(keys, ["key-3", "key-4", "key-5", "key-0"], "those set last");
    assert_eq!(chat.forgotten().states, 2);
    // More is allowed again, and kept from now on.
    reconfigure(&mut chat, Limits::default(), 10);
    for number in 0..4 {
        say(&mut chat, rooms[1], "1", None, 10 + number);
    }
    assert_eq!(held(&chat, rooms[1]).0, 2 + 2 + 5 + 4);
}

#[test]
fn a_room_without_members_ends_when_its_new_time_is_over() {
    let mut chat = chat(&["--history-time", "1000"]);
    let room = join(&mut chat, 0, "tea").unwrap();
    say(&mut chat, room, "1", None, 0);
    leave(&mut chat, 0);
    assert_eq!(chat.next_deadline_ms(), Some(1_000_000));
    reconfigure(
        &mut chat,
        with(|it| it.history_time = "100".parse().unwrap()),
        10,
    );
    assert_eq!(chat.next_deadline_ms(), Some(100_000));
    reconfigure(
        &mut chat,
        with(|it| it.history_time = "0.001".parse().unwrap()),
        20,
    );
    assert_eq!(held(&chat, room).0, 0, "it was too old by then");
}

#[test]
fn the_memory_of_all_shrinks_step_by_step() {
    let mut chat = chat(&[]);
    let body = format!("\"{}\"", "x".repeat(5_000));
    for number in 0..20 {
        let room = join(&mut chat, number, &format!("room-{number}")).unwrap();
        for key in [None, Some("a"), Some("b")] {
            for _ in 0..10 {
                say(&mut chat, room, &body, key, 0);
            }
        }
    }
    let before = chat.history_bytes();
    assert!(before > 3_000_000);
    chat.reconfigure(with(|it| it.history_memory = 100_000));
    while chat.is_reconfiguring() {
        let held = chat.history_bytes();
        chat.go_on_reconfiguring(0);
        chat.check().unwrap();
        // A step, and the rest of a message of two kinds.
        assert!(held - chat.history_bytes() < (64 << 10) + 20_000);
    }
    assert!(chat.history_bytes() <= 100_000);
    assert!(chat.history_bytes() > 50_000, "no more than has to go");
}

#[test]
fn rooms_that_are_too_many_now_stay_and_no_more_come() {
    let mut chat = chat(&[]);
    for number in 0..4 {
        join(&mut chat, number, &format!("room-{number}")).unwrap();
    }
    reconfigure(&mut chat, with(|it| it.max_rooms = 2), 0);
    assert_eq!(chat.room_count(), 4);
    assert!(join(&mut chat, 9, "another").is_err());
}
