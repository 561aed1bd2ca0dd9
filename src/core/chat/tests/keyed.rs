//! Messages with a key, and those without one: neither pushes the other out.

use super::*;
use crate::codec::key_patterns::KeyPatterns;
use crate::limits::{MAX_SERIES_MESSAGES, MAX_SERIES_POINTS};

/// Says something that the room does not retain, without a check after each.
pub(super) fn tell(
    chat: &mut Chat,
    room: RoomId,
    owner: &Owner,
    key: Option<&str>,
    body: &str,
    at_ms: u64,
) {
    let author = Author::guest(PersonId(0));
    let draft = Draft {
        author: &author,
        owner,
        content: Content::Json,
        body: body.as_bytes(),
        key,
        retain: false,
        ephemeral: false,
        dedup: None,
        file: None,
        imported: None,
        condition: None,
        freshness: Default::default(),
    };
    keep_unchecked(chat, room, &draft, at_ms);
}

fn series(chat: &Chat, room: RoomId, window: Window, ms: u64) -> (Vec<Series<'_>>, usize) {
    let keys = KeyPatterns::default();
    let now = Now { ms, unix_ms: ms };
    chat.series(room, &Chart { window, keys }, (0, &[]), now)
}

/// How many messages a room remembers without a key, and with one.
fn counts(chat: &Chat, room: RoomId) -> (usize, usize) {
    let (messages, _) = chat.history(room, u64::MAX, usize::MAX).unwrap();
    let keyed = messages.iter().filter(|it| it.key.is_some()).count();
    (messages.len() - keyed, keyed)
}

/// At 24 values a second a line of the chat was gone in 10 s.
#[test]
fn values_push_out_nothing_that_people_say() {
    let mut chat = chat(&["--history", "3"]);
    let room = join(&mut chat, 0, "plant").unwrap();
    say(&mut chat, room, "1", None, 0);
    say(&mut chat, room, "2", Some("slow"), 0);
    for _ in 0..5 {
        say(&mut chat, room, "3", Some("fast"), 0);
    }
    let epoch = chat.epoch(room);
    let find = |selection| {
        let arrival = chat.arrival(room, selection).unwrap();
        (arrival.recovered, offsets(&arrival.messages))
    };
    assert_eq!(find(Selection::Last(9)), (false, vec![1, 2, 5, 6, 7]));
    assert_eq!(find(Selection::Last(1)), (false, vec![1, 7]));
    let up_to = |upto, count| find(Selection::LastUpTo { upto, count }).1;
    assert_eq!(up_to(6, 4), [1, 2, 5, 6]);
    let back = |offset| {
        let position = Position { epoch, offset };
        let or_last = 1;
        find(Selection::Since { position, or_last })
    };
    assert_eq!(back(4), (true, vec![5, 6, 7]));
    assert_eq!(
        back(3),
        (false, vec![7]),
        "the fourth is forgotten, the first is known"
    );
    assert_eq!(back(8), (false, vec![1, 7]), "nobody has been there");
    let (page, more) = chat.history(room, 6, 2).unwrap();
    assert_eq!((offsets(&page), more), (vec![2, 5], true));
}

#[test]
fn values_and_talk_have_half_of_a_rooms_memory_each() {
    let mut chat = chat(&["--history-bytes", "40000"]);
    let room = join(&mut chat, 0, "plant").unwrap();
    let count = |chat: &Chat| {
        let (messages, _) = chat.history(room, u64::MAX, usize::MAX).unwrap();
        let of = |key| messages.iter().filter(|it| it.key == key).count();
        [None, Some("slow"), Some("a"), Some("b")].map(of)
    };
    let mut tell = |key, times| {
        for _ in 0..times {
            say(&mut chat, room, "2", key, 0);
        }
        count(&chat)
    };
    let [alone, ..] = tell(None, 1_000);
    assert!(alone > 200, "{alone}");
    tell(Some("slow"), 1);
    for _ in 0..50 {
        tell(Some("a"), 5);
        tell(Some("b"), 2);
    }
    let [talk, slow, a, b] = count(&chat);
    assert!(2 * talk + 4 >= alone, "{talk} of {alone}");
    assert!(
        slow == 1 && a.abs_diff(b) <= 6 && a + b > 60,
        "{slow}, {a}, {b}"
    );
    for _ in 0..1_000 {
        say(&mut chat, room, "3", None, 0);
    }
    let [_, slow, a_left, b_left] = count(&chat);
    assert!(
        slow == 1 && a_left + b_left + 2 >= a + b,
        "{slow}, {a_left}, {b_left}"
    );
}

#[test]
fn a_key_that_is_seldom_heard_of_is_among_the_newest() {
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "plant").unwrap();
    say(&mut chat, room, "\"raised\"", Some("alarm.boiler"), 0);
    for number in 0..300 {
        say(&mut chat, room, "1", Some(["a", "b", "c"][number % 3]), 0);
    }
    let arrival = chat.arrival(room, Selection::Last(100)).unwrap();
    let newest = offsets(&arrival.messages);
    assert_eq!(newest[0], 1);
    assert!(newest[1..].iter().copied().eq(227..=301), "{newest:?}");
}

#[test]
fn a_series_is_what_a_key_had_lately_and_ends_with_the_key() {
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "plant").unwrap();
    for (at_ms, key, body) in [
        (1_000, "boiler", "1"),
        (61_000, "boiler", "80.5"),
        (61_000, "note", "\"not a number\""),
        (61_000, "pump", "3"),
        (62_000, "pump", "null"),
        (64_000, "pump", "4"),
        (65_000, "object", "{\"value\":1}"),
    ] {
        say(&mut chat, room, body, Some(key), at_ms);
    }
    let window = Window {
        seconds: 60,
        points: 100,
        count: None,
    };
    let (series, looked_at) = series(&chat, room, window, 65_000);
    assert_eq!(looked_at, 6, "the first is too old");
    let seen = series.iter().map(|it| {
        let points = it.points.iter().map(|point| (point.at_ms, point.value));
        (it.key, points.collect::<Vec<_>>())
    });
    assert_eq!(
        seen.collect::<Vec<_>>(),
        [
            ("boiler", vec![(61_000, 80.5)]),
            ("pump", vec![(64_000, 4.0)])
        ]
    );
}

/// 256 messages were 2.5 s of such a room, in 80 kB of the MiB that it may take.
#[test]
fn the_bytes_decide_how_far_back_a_room_remembers() {
    let line = format!("\"{}\"", "x".repeat(30));
    for (key, remembered_s) in [(None, 60), (Some("level"), 30)] {
        let mut chat = chat(&[]);
        let room = join(&mut chat, 0, "busy").unwrap();
        for number in 0..12_000 {
            tell(&mut chat, room, &here(), key, &line, number * 10);
        }
        chat.check().unwrap();
        let most = chat.limits.history_bytes;
        let bytes = chat.history_bytes();
        assert!(bytes <= most && bytes > most - 1_000, "{bytes} of {most}");
        let position = Position {
            epoch: chat.epoch(room),
            offset: 12_000 - remembered_s * 100,
        };
        let or_last = 0;
        let back = Selection::Since { position, or_last };
        assert!(chat.arrival(room, back).unwrap().recovered, "{key:?}");
    }
}

#[test]
fn a_chart_has_its_minute_of_a_plant_of_sixty_values_a_second() {
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "plant").unwrap();
    let keys: Vec<String> = (0..12).map(|number| format!("sensor-{number}")).collect();
    tell(&mut chat, room, &here(), None, "\"who is on call?\"", 0);
    for number in 0..60 * 120 {
        let key = keys[number as usize % 12].as_str();
        tell(
            &mut chat,
            room,
            &here(),
            Some(key),
            "21.5",
            number * 1_000 / 60,
        );
    }
    chat.check().unwrap();
    let window = Window {
        seconds: 60,
        points: 1_000,
        count: None,
    };
    let (series, _) = series(&chat, room, window, 119_999);
    let points = series.iter().map(|it| it.points.len());
    assert!(points.eq(vec![300; 12]), "{series:?}");
    assert_eq!(counts(&chat, room).0, 1, "the chat is still there");
}

#[test]
fn of_very_many_values_the_newest_are_looked_at() {
    let mut chat = chat(&["--history", "100000", "--history-bytes", "100000000"]);
    let room = join(&mut chat, 0, "plant").unwrap();
    for number in 0..MAX_SERIES_MESSAGES + 1_000 {
        let body = number.to_string();
        let key = ["a", "b"][number % 2];
        tell(&mut chat, room, &here(), Some(key), &body, 1);
    }
    let window = Window {
        seconds: u64::MAX,
        points: usize::MAX,
        count: None,
    };
    let (series, looked_at) = series(&chat, room, window, 1);
    assert_eq!(looked_at, MAX_SERIES_MESSAGES);
    let points: usize = series.iter().map(|it| it.points.len()).sum();
    assert!(points <= MAX_SERIES_POINTS, "{points}");
    assert_eq!(series[0].points[0].value, 1_000.0);
    assert_eq!(series[1].points.last().unwrap().value, 20_999.0);
}

#[test]
fn both_kinds_are_forgotten_in_time() {
    let mut chat = chat(&["--history-time", "60"]);
    let room = join(&mut chat, 0, "plant").unwrap();
    for at_ms in [0, 30_000] {
        tell(&mut chat, room, &here(), None, "1", at_ms);
        tell(&mut chat, room, &here(), Some("a"), "2", at_ms);
    }
    for (now_ms, left) in [(59_999, (2, 2)), (60_000, (1, 1)), (90_000, (0, 0))] {
        chat.forget_expired_of(room, now_ms);
        chat.check().unwrap();
        assert_eq!(counts(&chat, room), left, "at {now_ms}");
    }
}

/// With `--history-memory` used up the oldest went, so that values pushed out the chat of their room.
#[test]
fn where_all_memory_is_used_up_values_push_out_no_chat_either() {
    let [people, sensors] = [1, 2].map(|host| Owner::at([192, 0, 2, host].into()));
    let mut chat = chat(&["--history-memory", "1048576"]);
    let other = join(&mut chat, 0, "other").unwrap();
    let plant = join(&mut chat, 0, "plant").unwrap();
    say(&mut chat, plant, "80", Some("boiler"), 0);
    for _ in 0..1_000 {
        tell(&mut chat, other, &people, None, "\"hello\"", 0);
    }
    for _ in 0..50 {
        tell(&mut chat, plant, &people, None, "\"hello\"", 0);
    }
    for number in 0..10_000 {
        let key = ["a", "b", "c"][number % 3];
        tell(&mut chat, plant, &sensors, Some(key), "1", 0);
    }
    chat.check().unwrap();
    assert!(chat.forgotten().messages > 1_000, "{:?}", chat.forgotten());
    assert_eq!(counts(&chat, other), (1_000, 0));
    assert_eq!(counts(&chat, plant).0, 50);
    assert_eq!(chat.retained(plant).len(), 1, "state is not looked at");
}

#[test]
fn of_more_keys_than_are_asked_for_the_latest_are_told() {
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "plant").unwrap();
    for number in 0..50 {
        let key = format!("key-{number}");
        tell(&mut chat, room, &here(), Some(&key), "1", 0);
    }
    tell(&mut chat, room, &here(), Some("key-7"), "2", 0);
    chat.check().unwrap();
    let newest = |selection| offsets(&chat.arrival(room, selection).unwrap().messages);
    assert_eq!(newest(Selection::Last(3)), [49, 50, 51]);
    // Of a key that is heard of since, what it was before.
    let (upto, count) = (50, 3);
    assert_eq!(newest(Selection::LastUpTo { upto, count }), [48, 49, 50]);
    let (upto, count) = (8, 3);
    assert_eq!(newest(Selection::LastUpTo { upto, count }), [6, 7, 8]);
    assert!(newest(Selection::Last(0)).is_empty());
}

/// What a store has told of a key is followed by what is remembered, each message once, and only of the keys that are wanted.
#[test]
fn a_series_goes_on_where_the_store_ends() {
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "plant").unwrap();
    for (key, body, at_ms) in [
        ("boiler.temp", "3", 30_000),
        ("boiler.temp", "4", 40_000),
        ("pump", "1", 40_000),
    ] {
        say(&mut chat, room, body, Some(key), at_ms);
    }
    let point = |second: u64| Point {
        at_ms: 1_000 * second,
        value: second as f64 / 10.0,
    };
    let past = [PastSeries {
        key: "boiler.temp".into(),
        points: [10, 20, 30].map(point).into(),
    }];
    let chart = Chart {
        window: Window {
            seconds: 45,
            points: 100,
            count: None,
        },
        keys: KeyPatterns::new(["boiler.*"]).unwrap(),
    };
    let now = Now {
        ms: 60_000,
        unix_ms: 60_000,
    };
    let (series, _) = chat.series(room, &chart, (1, &past), now);
    let [boiler] = &series[..] else {
        panic!("{series:?}");
    };
    assert_eq!(boiler.points, [20, 30, 40].map(point));
}

/// A board of thousands of keys shows a few at a time.
#[test]
fn what_others_have_leaves_the_series_of_one_key_whole() {
    let mut chat = chat(&["--history", "100000", "--history-bytes", "100000000"]);
    let room = join(&mut chat, 0, "plant").unwrap();
    for number in 0..100 {
        tell(
            &mut chat,
            room,
            &here(),
            Some("slow"),
            &number.to_string(),
            1,
        );
    }
    for _ in 0..MAX_SERIES_MESSAGES {
        tell(&mut chat, room, &here(), Some("fast"), "0", 1);
    }
    let window = Window {
        seconds: u64::MAX,
        points: usize::MAX,
        count: None,
    };
    let chart = |keys: &[&str]| {
        let keys = KeyPatterns::new(keys.iter().copied()).unwrap();
        Chart { window, keys }
    };
    let now = Now { ms: 1, unix_ms: 1 };
    let exact = chart(&["slow", "none"]);
    let (series, looked_at) = chat.series(room, &exact, (0, &[]), now);
    assert_eq!(
        (series.len(), series[0].points.len(), looked_at),
        (1, 100, 100)
    );
    assert!(chat.remembers(room, &exact, 1));
    let wild = chart(&["slo*"]);
    assert_eq!(chat.series(room, &wild, (0, &[]), now).0, []);
    assert!(!chat.remembers(room, &wild, 1));
}

/// A description that is set once is older than all values, and says nothing of which of them are still here.
#[test]
fn an_old_message_of_another_key_does_not_hide_that_values_are_gone() {
    let mut chat = chat(&["--history", "3"]);
    let room = join(&mut chat, 0, "plant").unwrap();
    say(&mut chat, room, "{}", Some("chart.boiler"), 0);
    for second in 1..=10 {
        say(&mut chat, room, "21.5", Some("boiler"), second * 1_000);
    }
    let remembers = |seconds| {
        let points = 300;
        let window = Window {
            seconds,
            points,
            count: None,
        };
        let keys = KeyPatterns::default();
        chat.remembers(room, &Chart { window, keys }, 10_000)
    };
    // The values of the last three seconds are here.
    assert!(remembers(2));
    for seconds in [3, 5, 20] {
        assert!(!remembers(seconds), "{seconds} s");
    }
}
