//! An export that is handed over to a server that runs: what comes of each line, and what others see of it meanwhile.

use parlor::codec::json::import::{ImportEnd, ImportReport};
use parlor::core::store::Durability;

use crate::hall::{GuestId, Hall};
use crate::random::{Random, seed_bytes};
use crate::reader::Seen;
use crate::store::{Habit, LateStore};

/// A hall beside a store, to which an export is handed over.
struct Desk {
    hall: Hall,
    store: LateStore,
    importer: GuestId,
}

impl Desk {
    fn new(seed: u64, durability: Durability, habit: Habit, flags: &[&str]) -> Self {
        let flags = [&["--ping-interval", "0", "--rate", "0"], flags].concat();
        let mut hall = Hall::seeded(seed_bytes(seed), &flags);
        hall.server.use_store(durability);
        let importer = hall.connect_import();
        Self {
            hall,
            store: LateStore::new(habit, Random::new(seed, 0)),
            importer,
        }
    }

    /// Beside a store that answers at once.
    fn beside_a_fast_store(flags: &[&str]) -> Self {
        Self::new(1, Durability::Disk, Habit::default(), flags)
    }

    fn tick(&mut self) {
        self.hall.tick(u64::MAX);
        self.store.take(&mut self.hall.server, self.hall.now);
        self.store.answer(&mut self.hall.server, self.hall.now);
    }

    fn ticks(&mut self, count: usize) {
        for _ in 0..count {
            self.tick();
        }
    }

    fn hand_over(&mut self, lines: &[String]) {
        self.hall.send(self.importer, lines.concat().as_bytes());
    }

    /// What the importer is told, once it has ended its side.
    fn end(&mut self) -> ImportReport {
        self.hall.end(self.importer);
        self.last_report()
    }

    /// The last that the importer is told.
    fn last_report(&mut self) -> ImportReport {
        let mut text = String::new();
        for _ in 0..3_000 {
            self.tick();
            text += &String::from_utf8(self.hall.sip(self.importer, usize::MAX)).unwrap();
            if self.hall.is_gone(self.importer) {
                break;
            }
            // It reads to the end, and goes.
            if self.hall.has_ended(self.importer) {
                self.hall.end(self.importer);
            }
        }
        assert!(self.hall.is_gone(self.importer), "it goes on: {text}");
        let last = text.lines().last().expect("something is reported");
        ImportReport::parse(last).unwrap_or_else(|| panic!("no report: {text}"))
    }

    /// How an import of these lines fails: the number of the line, and why, behind so many messages.
    fn failure(&mut self, lines: &[String]) -> (u64, Option<u64>, String) {
        self.hand_over(lines);
        let report = self.end();
        match report.end {
            Some(ImportEnd::Failed { line, error }) => (report.messages, line, error),
            other => panic!("it has not failed: {other:?}"),
        }
    }

    fn offsets(&self, room: &str) -> Vec<u64> {
        let stored = self.store.stored_of(room);
        stored.iter().map(|it| it.offset).collect()
    }

    /// Somebody at the JSON door, in a room.
    fn person(&mut self, room: &str) -> GuestId {
        let guest = self.hall.connect(usize::MAX);
        self.hall.enter_json(guest);
        let join = format!(r#"{{"type":"join","room":"{room}"}}"#);
        self.hall.say(guest, 1, join.as_bytes());
        self.ticks(2);
        self.hall.read(guest);
        guest
    }

    /// The events of a type that somebody has read since.
    fn events(&mut self, guest: GuestId, kind: &str) -> Vec<serde_json::Value> {
        let seen = self.hall.read(guest).into_iter();
        let texts = seen.filter_map(|seen| match seen {
            Seen::Message { payload, .. } => Some(payload),
            _ => None,
        });
        let events = texts.map(|text| serde_json::from_slice::<serde_json::Value>(&text).unwrap());
        events.filter(|event| event["type"] == kind).collect()
    }

    fn publish(&mut self, guest: GuestId, room: &str, data: &str) {
        let publish = format!(r#"{{"type":"publish","room":"{room}","data":"{data}","id":1}}"#);
        self.hall.say(guest, 1, publish.as_bytes());
    }
}

/// A line of an export.
fn line(room: &str, offset: u64, more: &str) -> String {
    format!(
        r#"{{"room":"{room}","offset":{offset},"at":{},"from":{{"id":"p00000000000000ff","name":"ana"}},"data":"{offset}"{more},"epoch":"7"}}"#,
        784_000_000_000 + offset
    ) + "\n"
}

fn lines(room: &str, offsets: impl IntoIterator<Item = u64>) -> Vec<String> {
    offsets
        .into_iter()
        .map(|offset| line(room, offset, ""))
        .collect()
}

#[test]
fn what_is_handed_over_is_kept_as_it_was_and_told_to_who_is_there() {
    let mut desk = Desk::beside_a_fast_store(&[]);
    let reader = desk.person("tea");
    desk.hand_over(&lines("tea", [3, 4, 9]));
    desk.hand_over(&[line("mate", 1, r#","key":"k","retain":true"#)]);
    let report = desk.end();
    assert_eq!((report.messages, report.rooms), (4, 2));
    assert_eq!(report.end, Some(ImportEnd::Done));
    assert_eq!(desk.offsets("tea"), [3, 4, 9]);
    let stored = &desk.store.stored_of("tea")[2];
    assert_eq!(
        (stored.at_ms, stored.record.author_id),
        (784_000_000_009, 255)
    );
    assert_eq!(
        (&*stored.record.author_name, &stored.record.body[..]),
        ("ana", &b"9"[..])
    );
    assert!(desk.store.stored_of("mate")[0].record.retain);
    let told = desk.events(reader, "message");
    let told: Vec<_> = told
        .iter()
        .map(|it| (&it["offset"], &it["at"], &it["from"]["name"]))
        .collect();
    let expected =
        [3, 4, 9].map(|it: u64| (it.into(), (784_000_000_000 + it).into(), "ana".into()));
    let expected: Vec<_> = expected
        .iter()
        .map(|(one, two, three)| (one, two, three))
        .collect();
    assert_eq!(told, expected);
    // What is said next follows on it.
    desk.publish(reader, "tea", "next");
    desk.ticks(3);
    assert_eq!(desk.offsets("tea"), [3, 4, 9, 10]);
}

#[test]
fn the_last_line_needs_no_end_and_lines_come_in_any_pieces() {
    let mut desk = Desk::beside_a_fast_store(&[]);
    let text = lines("tea", 1..=20).concat();
    for piece in text.trim_end().as_bytes().chunks(7) {
        desk.hall.send(desk.importer, piece);
        desk.tick();
    }
    assert_eq!(desk.end().end, Some(ImportEnd::Done));
    assert_eq!(desk.offsets("tea"), (1..=20).collect::<Vec<_>>());
}

#[test]
fn the_first_line_that_is_wrong_is_named_and_those_before_it_stay() {
    for (bad, why) in [
        ("hello\n".to_owned(), "expected value"),
        (line("t e a", 4, ""), "name of the room"),
        (line("tea", 0, ""), "an offset is 1 to"),
        (line("tea", 3, ""), "offset 3 of the room tea comes after 3"),
        (line("tea", 4, r#","retain":true"#), "a key"),
        (
            line("tea", 4, &format!(r#","x":"{}""#, "x".repeat(900_000))),
            "longer than",
        ),
    ] {
        let mut desk = Desk::beside_a_fast_store(&["--max-message", "102400"]);
        let all = [lines("tea", 1..=3), vec![bad], lines("tea", 5..=6)].concat();
        let (messages, number, error) = desk.failure(&all);
        assert_eq!((messages, number), (3, Some(4)), "{error}");
        assert!(error.contains(why), "{error}");
        assert_eq!(desk.offsets("tea"), [1, 2, 3]);
    }
}

#[test]
fn a_message_that_is_longer_than_the_server_takes_is_not_imported() {
    let mut desk = Desk::beside_a_fast_store(&["--max-message", "100"]);
    let long =
        line("tea", 2, "").replace(r#""data":"2""#, &format!(r#""data":"{}""#, "x".repeat(101)));
    let (messages, number, error) = desk.failure(&[line("tea", 1, ""), long]);
    assert_eq!((messages, number), (1, Some(2)));
    assert!(
        error.contains("101 bytes") && error.contains("--max-message"),
        "{error}"
    );
}

#[test]
fn a_room_that_was_there_is_left_alone() {
    let mut desk = Desk::beside_a_fast_store(&[]);
    let person = desk.person("tea");
    desk.publish(person, "tea", "before");
    desk.ticks(3);
    let (messages, number, error) = desk.failure(&lines("tea", 5..=6));
    assert_eq!((messages, number), (0, Some(1)));
    assert!(error.contains("tea is there already"), "{error}");
    assert_eq!(desk.offsets("tea"), [1]);
}

#[test]
fn a_room_that_only_the_store_has_is_left_alone() {
    let mut desk = Desk::beside_a_fast_store(&[]);
    desk.hand_over(&lines("tea", [1]));
    assert_eq!(desk.end().messages, 1);
    let mut hall = Hall::seeded(seed_bytes(2), &["--ping-interval", "0"]);
    hall.server.use_store(Durability::Disk);
    desk.store.restore(&mut hall.server, hall.now);
    desk.importer = hall.connect_import();
    desk.hall = hall;
    let (messages, number, error) = desk.failure(&lines("tea", 5..=6));
    assert_eq!((messages, number), (0, Some(1)));
    assert!(error.contains("tea is there already"), "{error}");
}

#[test]
fn what_others_say_meanwhile_comes_in_between() {
    let mut all_said = 0;
    for (seed, durability) in
        (0..40).zip([Durability::Disk, Durability::Memory].into_iter().cycle())
    {
        let habit = Habit {
            late_ms: 100,
            ..Habit::default()
        };
        let mut desk = Desk::new(seed, durability, habit, &[]);
        let mut random = Random::new(seed, 1);
        let person = desk.person("tea");
        let offsets: Vec<u64> = (1..=400).filter(|it| it % 13 != 0).collect();
        let mut rest = &lines("tea", offsets.iter().copied())[..];
        let (mut told, mut said) = (Vec::new(), 0);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(1 + random.below(40)));
            desk.hand_over(now);
            rest = later;
            // The room has begun by then.
            if !told.is_empty() && random.chance(500) {
                said += 1;
                desk.publish(person, "tea", &format!("said {said}"));
            }
            desk.tick();
            told.extend(desk.events(person, "message"));
        }
        let report = desk.end();
        desk.ticks(60);
        told.extend(desk.events(person, "message"));
        assert_eq!(
            (report.messages, report.end),
            (offsets.len() as u64, Some(ImportEnd::Done))
        );
        all_said += said;
        // One order, the same for who reads and on disk; each once, the imported in the order of their lines.
        let kept = desk.store.stored_of("tea");
        let kept: Vec<_> = kept
            .iter()
            .map(|it| (it.offset, String::from_utf8_lossy(&it.record.body)))
            .collect();
        let seen: Vec<_> = told
            .iter()
            .map(|it| (it["offset"].as_u64().unwrap(), it["data"].as_str().unwrap()))
            .collect();
        assert_eq!(kept.len(), offsets.len() + said, "seed {seed}");
        assert!(
            kept.iter()
                .zip(&seen)
                .all(|(one, other)| (one.0, &*one.1) == *other)
                && kept.len() == seen.len(),
            "seed {seed}"
        );
        assert!(
            kept.is_sorted_by(|one, other| one.0 < other.0),
            "seed {seed}"
        );
        let lines: Vec<u64> = kept
            .iter()
            .filter_map(|(_, body)| body.parse().ok())
            .collect();
        assert_eq!(lines, offsets, "seed {seed}");
        let mut last = 0;
        for (offset, body) in &kept {
            let own = body.parse().unwrap_or(0);
            assert_eq!(*offset, own.max(last + 1), "seed {seed}: {body}");
            last = *offset;
        }
    }
    assert!(all_said > 100, "{all_said}");
}

#[test]
fn a_slow_disk_slows_the_import_and_not_the_chat() {
    let mut desk = Desk::beside_a_fast_store(&[]);
    let person = desk.person("mate");
    desk.store.set_dead(true);
    let all = lines("tea", 1..=20_000);
    desk.hand_over(&all);
    desk.ticks(20);
    let unread = desk.hall.unread(&[desk.importer]);
    let bytes: usize = all.iter().map(String::len).sum();
    assert!(
        bytes - unread < 200_000,
        "{} bytes were read",
        bytes - unread
    );
    // It is told nothing for as long as that takes, and others can be answered.
    desk.ticks(700);
    assert_eq!(desk.hall.sip(desk.importer, usize::MAX), b"");
    desk.store.set_dead(false);
    desk.publish(person, "mate", "hello");
    desk.ticks(3);
    assert_eq!(desk.events(person, "ok").len(), 1);
    let report = desk.end();
    assert_eq!(
        (report.messages, report.end),
        (20_000, Some(ImportEnd::Done))
    );
}

#[test]
fn it_is_told_how_far_it_has_come() {
    let mut desk = Desk::new(
        1,
        Durability::Disk,
        Habit {
            late_ms: 200,
            ..Habit::default()
        },
        &[],
    );
    desk.hand_over(&lines("tea", 1..=3_000));
    desk.ticks(100);
    let told = String::from_utf8(desk.hall.sip(desk.importer, usize::MAX)).unwrap();
    let reports: Vec<_> = told.lines().filter_map(ImportReport::parse).collect();
    assert!(!reports.is_empty());
    assert!(
        reports
            .iter()
            .all(|it| it.end.is_none() && it.messages > 0 && it.rooms == 1)
    );
    assert!(reports.is_sorted_by(|one, other| one.messages < other.messages));
}

#[test]
fn what_the_store_refuses_ends_it_and_what_is_kept_is_counted() {
    let mut desk = Desk::beside_a_fast_store(&[]);
    desk.hand_over(&lines("tea", 1..=10));
    desk.ticks(3);
    desk.store.refuse(1_000);
    let (messages, number, error) = desk.failure(&lines("tea", 11..=20));
    assert_eq!((messages, number), (10, Some(11)));
    assert!(error.contains("cannot keep it now"), "{error}");
    assert_eq!(desk.offsets("tea"), (1..=10).collect::<Vec<_>>());
}

#[test]
fn the_state_of_more_keys_than_a_room_may_have_is_not_lost_in_silence() {
    let mut desk = Desk::beside_a_fast_store(&["--max-keys", "5"]);
    let state = |offset| {
        line(
            "tea",
            offset,
            &format!(r#","key":"k{offset}","retain":true"#),
        )
    };
    let (messages, number, error) = desk.failure(&(1..=9).map(state).collect::<Vec<_>>());
    assert_eq!((messages, number), (5, Some(6)), "{error}");
    assert!(error.contains("--max-keys"), "{error}");
}

#[test]
fn a_room_that_is_emptied_meanwhile_does_not_begin_anew() {
    let mut desk = Desk::beside_a_fast_store(&[]);
    desk.hand_over(&lines("tea", 1..=3));
    desk.ticks(3);
    let admin = desk.hall.connect(usize::MAX);
    let status = desk.hall.ask(
        admin,
        b"DELETE /rooms/tea HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    assert_eq!(status / 100, 2);
    desk.ticks(3);
    let (messages, number, error) = desk.failure(&lines("tea", 4..=5));
    assert_eq!((messages, number), (3, Some(4)));
    assert!(error.contains("tea was emptied meanwhile"), "{error}");
    assert!(desk.offsets("tea").is_empty());
}

#[test]
fn a_server_that_ends_says_what_was_done() {
    let mut desk = Desk::beside_a_fast_store(&[]);
    desk.hand_over(&lines("tea", 1..=3));
    desk.ticks(3);
    desk.hall.server.begin_drain(desk.hall.now);
    let report = desk.last_report();
    assert_eq!(report.messages, 3);
    let Some(ImportEnd::Failed { line, error }) = report.end else {
        panic!("it has not failed");
    };
    assert_eq!(line, Some(4));
    assert!(error.contains("shutting down"), "{error}");
}

#[test]
fn who_goes_away_leaves_what_was_handed_over() {
    let mut desk = Desk::new(
        1,
        Durability::Disk,
        Habit {
            late_ms: 100,
            ..Habit::default()
        },
        &[],
    );
    desk.hand_over(&lines("tea", 1..=30));
    desk.tick();
    let importer = desk.importer;
    desk.hall.hang_up(importer);
    desk.ticks(100);
    assert!(desk.hall.is_gone(importer));
    let kept = desk.offsets("tea");
    assert_eq!(kept, (1..=kept.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_disk_that_has_failed_ends_it() {
    let mut desk = Desk::beside_a_fast_store(&[]);
    desk.hand_over(&lines("tea", 1..=3));
    desk.ticks(3);
    desk.hall.server.lose_store(desk.hall.now);
    let (messages, _, error) = desk.failure(&lines("tea", 4..=5));
    assert_eq!(messages, 3);
    assert!(error.contains("disk has failed"), "{error}");
}
