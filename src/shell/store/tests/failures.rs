//! What goes wrong: files that are damaged, gone, locked, or that others may read, and a disk that is full.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn the_log_is_moved_into_the_file_between_commits() {
    let place = Place::new("checkpoint");
    let mut shop = Shop::open(&place);
    let body = "x".repeat(100_000);
    for _ in 0..600 {
        shop.append("tea", 1, record(&body));
        shop.answer();
    }
    let bytes = |name| fs::metadata(place.0.join(name)).unwrap().len();
    let (log, file) = (bytes("parlor.db-wal"), bytes("parlor.db"));
    assert!(log < 20 << 20, "of the log {log} bytes are left");
    assert!(file > 30 << 20, "the file has {file} bytes");
}

#[test]
fn a_disk_that_has_failed_is_left_as_it_is() {
    let place = Place::new("as-it-is");
    let mut shop = Shop::open(&place);
    shop.append("tea", 1, record("x"));
    shop.answer();
    // What is in its place now has a log of its own.
    let aside = place.0.join("aside");
    fs::rename(place.0.join("parlor.db"), &aside).unwrap();
    fs::copy(&aside, place.0.join("parlor.db")).unwrap();
    assert!(matches!(shop.outcome(), Outcome::Failed(StoreError::Gone)));
    shop.store.close().unwrap();
    let log = fs::metadata(place.0.join("parlor.db-wal")).unwrap().len();
    assert!(log > 0, "the log was removed");
}

#[test]
fn a_program_that_locks_the_database_holds_messages_up_and_nothing_more() {
    let place = Place::new("busy");
    let mut shop = Shop::open(&place);
    let other = place.database();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    shop.append("tea", 1, record("refused"));
    shop.ask(Request::KeepPerson(Person {
        number: 1,
        public_id: 1,
        name: "ana".into(),
        secret_hash: [7; 32],
        seen_ms: 0,
    }));
    let answer = shop.answer();
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    other.execute_batch("ROLLBACK").unwrap();
    shop.append("tea", 1, record("after"));
    assert!(matches!(shop.answer(), Answer::Accepted { offset: 1, .. }));
    shop.store.close().unwrap();
    assert_eq!(Shop::open(&place).inventory.people.len(), 1);
}

#[test]
fn a_row_that_is_no_text_any_more_is_left_out() {
    let place = Place::new("no-text");
    let mut shop = Shop::open(&place);
    for number in 1..=3 {
        let value = Record {
            key: Some(format!("key{number}").into()),
            retain: true,
            sent: Some(Sent {
                sender: "person 7".into(),
                id: format!("{number}").into(),
            }),
            ..record("x")
        };
        shop.append("tea", 1, value);
        shop.append(&format!("room{number}"), 1, record("x"));
        shop.ask(Request::KeepPerson(Person {
            number,
            public_id: number,
            name: "ana".into(),
            secret_hash: [7; 32],
            seen_ms: 0,
        }));
    }
    shop.store.close().unwrap();
    let damage = "UPDATE messages SET sender = CAST(x'ff' AS TEXT) WHERE id = (1 << 40) + 1;
                  UPDATE state SET author_name = CAST(x'ff' AS TEXT) WHERE key = 'key1';
                  UPDATE people SET name = CAST(x'ff' AS TEXT) WHERE number = 1;
                  UPDATE people SET secret_hash = x'00' WHERE number = 2;
                  UPDATE rooms SET name = CAST(x'ff' AS TEXT) WHERE name = 'room1';";
    place.database().execute_batch(damage).unwrap();
    let mut shop = Shop::open(&place);
    let people = &shop.inventory.people;
    assert_eq!(people.iter().map(|it| it.number).collect::<Vec<_>>(), [3]);
    assert_eq!(shop.inventory.rooms.len(), 3, "{:?}", shop.inventory.rooms);
    let contents = shop.load("tea").unwrap();
    assert_eq!(offsets(&contents.messages), [2, 3]);
    assert_eq!(offsets(&contents.state), [2, 3]);
    let ids: Vec<_> = contents.sent.iter().map(|it| &*it.sent.id).collect();
    assert_eq!(ids, ["2", "3"]);
    // The value of a damaged one can be set again, and a round goes past a room without a name.
    let value = Record {
        key: Some("key1".into()),
        retain: true,
        ..record("y")
    };
    shop.append("tea", 1, value);
    assert!(matches!(shop.answer(), Answer::Accepted { offset: 4, .. }));
    assert_eq!(offsets(&shop.load("tea").unwrap().state), [2, 3, 4]);
}

#[test]
fn who_comes_while_the_disk_is_full_does_not_fill_the_memory() {
    let place = Place::new("people-again");
    let mut shop = Shop::open(&place);
    shop.store.send(Job::LimitPages(1));
    let body = "x".repeat(100_000);
    for number in 1..=12_000 {
        shop.ask(Request::KeepPerson(Person {
            number,
            public_id: number,
            name: format!("person{number}").into(),
            secret_hash: [7; 32],
            seen_ms: 0,
        }));
    }
    shop.append("tea", 1, record(&body));
    assert!(matches!(shop.answer(), Answer::Refused { .. }));
    shop.store.send(Job::LimitPages(1_000_000));
    shop.append("tea", 1, record(&body));
    assert!(matches!(shop.answer(), Answer::Accepted { .. }));
    shop.store.close().unwrap();
    let people = Shop::open(&place).inventory.people.len();
    assert!((10_000..12_000).contains(&people), "{people}");
}

#[test]
fn nobody_else_may_read_what_is_kept_in_a_directory_that_was_there() {
    let place = Place::new("private");
    fs::create_dir_all(&place.0).unwrap();
    let mut shop = Shop::open(&place);
    shop.append("tea", 1, record("x"));
    shop.answer();
    for name in ["lock", "parlor.db", "parlor.db-wal", "parlor.db-shm"] {
        let mode = fs::metadata(place.0.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_damaged_message_is_a_hole_and_nothing_more() {
    let place = Place::new("damaged");
    let mut shop = Shop::open(&place);
    for number in 1..=6 {
        shop.append("tea", 1, record(&format!("number {number}")));
        shop.answer();
    }
    shop.store.close().unwrap();
    let sql = "UPDATE messages SET body = x'00' WHERE id IN ((1 << 40) + 3, (1 << 40) + 6)";
    assert_eq!(place.database().execute(sql, []).unwrap(), 2);
    let mut shop = Shop::open(&place);
    let contents = shop.load("tea").unwrap();
    assert_eq!(contents.offset, 6);
    assert_eq!(offsets(&contents.messages), [1, 2, 4, 5]);
    for (between, limit, expected) in [
        ((0, 7), 9, (vec![1, 2, 4, 5], vec![3, 6], false)),
        ((0, 7), 2, (vec![4, 5], vec![6], true)),
        ((0, 5), 2, (vec![2, 4], vec![3], true)),
        ((5, 7), 2, (vec![], vec![6], false)),
    ] {
        let read = Read {
            ticket: shop.ticket(),
            room: "tea".into(),
            epoch: 1,
            after: between.0,
            before: between.1,
            limit,
        };
        shop.ask(Request::Read(read));
        assert_eq!(shop.page(), expected);
    }
    let search = Search {
        ticket: shop.ticket(),
        room: "tea".into(),
        epoch: 1,
        query: "number".into(),
        before: 7,
        limit: 9,
    };
    shop.ask(Request::Search(search));
    assert_eq!(shop.page(), (vec![1, 2, 4, 5], vec![3, 6], false));
}

impl Shop {
    /// The offsets of a page, and those of its damaged messages, and whether there are older ones.
    fn page(&mut self) -> (Vec<u64>, Vec<u64>, bool) {
        match self.answer() {
            Answer::Page {
                messages,
                damaged,
                more,
                ..
            } => (offsets(&messages), damaged, more),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_room_whose_row_is_damaged_begins_a_new_epoch_with_its_messages() {
    for (name, damage) in [
        ("lower", "offset = 2"),
        ("higher", "offset = offset | (1 << 50)"),
        ("epoch", "epoch = epoch | (1 << 50)"),
        ("count", "count = count | (1 << 50)"),
        ("bytes", "bytes = 0"),
        ("checksum", "checksum = 0"),
    ] {
        let place = Place::new(&format!("row-{name}"));
        let mut shop = Shop::open(&place);
        for number in 1..=3 {
            shop.append("tea", 1, record(&format!("number {number}")));
        }
        shop.append("milk", 1, record("x"));
        shop.store.close().unwrap();
        let sql = format!("UPDATE rooms SET {damage} WHERE name = 'tea'");
        assert_eq!(place.database().execute(&sql, []).unwrap(), 1);
        let mut shop = Shop::open(&place);
        let contents = shop.load("tea").unwrap();
        assert_ne!(contents.epoch, 1, "{name}");
        assert_eq!(contents.offset, 3, "{name}");
        assert_eq!(offsets(&contents.messages), [1, 2, 3]);
        shop.append("tea", contents.epoch, record("x"));
        assert!(matches!(shop.answer(), Answer::Accepted { offset: 4, .. }));
        assert_eq!(shop.load("milk").unwrap().epoch, 1);
        shop.store.close().unwrap();
        let again = Shop::open(&place).load("tea").unwrap();
        assert_eq!((again.epoch, again.offset), (contents.epoch, 4));
        let sql = "SELECT count, bytes FROM rooms WHERE name = 'tea'";
        let counts = place.database().query_row(sql, [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        });
        assert_eq!(counts.unwrap(), (4, 25));
    }
}

#[test]
fn offsets_of_a_damaged_room_go_on_after_the_values_that_it_retains() {
    let place = Place::new("row-state");
    let mut shop = Shop::open(&place);
    shop.append("tea", 1, record("x"));
    let value = Record {
        key: Some("kettle".into()),
        retain: true,
        ..record("warm")
    };
    shop.append("tea", 1, value);
    shop.store.close().unwrap();
    // As if they were too old.
    let sql = "DELETE FROM messages; UPDATE rooms SET checksum = 0";
    place.database().execute_batch(sql).unwrap();
    let contents = Shop::open(&place).load("tea").unwrap();
    assert_eq!((contents.offset, offsets(&contents.state)), (2, vec![2]));
}

#[test]
fn a_damaged_room_is_not_written_to_while_the_server_runs() {
    let place = Place::new("row-live");
    let mut shop = Shop::open(&place);
    for _ in 1..=3 {
        shop.append("tea", 1, record("x"));
        shop.answer();
    }
    // Nothing is remembered of the room after a commit that has failed.
    shop.store.send(Job::LimitPages(1));
    shop.append("tea", 1, record(&"x".repeat(100_000)));
    assert!(matches!(shop.answer(), Answer::Refused { .. }));
    shop.store.send(Job::LimitPages(1_000_000));
    let sql = "UPDATE rooms SET epoch = 5, offset = 1 WHERE name = 'tea'";
    place.database().execute(sql, []).unwrap();
    shop.append("tea", 1, record("refused"));
    assert!(matches!(shop.answer(), Answer::Refused { .. }));
    let load = Load {
        ticket: shop.ticket(),
        room: "tea".into(),
        messages: 9,
        bytes: 9,
        sent_after_ms: 0,
    };
    shop.ask(Request::Load(load));
    assert!(matches!(shop.answer(), Answer::Refused { .. }));
    shop.store.close().unwrap();
    let contents = Shop::open(&place).load("tea").unwrap();
    assert_eq!(offsets(&contents.messages), [1, 2, 3]);
    assert!(![1, 5].contains(&contents.epoch));
}

#[test]
fn offsets_never_go_below_the_newest_message() {
    let place = Place::new("below");
    let mut shop = Shop::open(&place);
    for _ in 1..=3 {
        shop.append("tea", 1, record("x"));
    }
    shop.store.close().unwrap();
    // As if it was written so.
    let database = place.database();
    let lower = "UPDATE rooms SET offset = 1, checksum = 0";
    database.execute(lower, []).unwrap();
    rooms::seal_all(&database).unwrap();
    let mut shop = Shop::open(&place);
    let contents = shop.load("tea").unwrap();
    assert_eq!((contents.epoch, contents.offset), (1, 3));
    shop.append("tea", 1, record("x"));
    assert!(matches!(shop.answer(), Answer::Accepted { offset: 4, .. }));
}

#[test]
fn new_epochs_are_not_forgotten_if_they_cannot_be_written() {
    let place = Place::new("obstacle");
    let mut shop = Shop::open(&place);
    shop.append("tea", 1, record("x"));
    shop.store.close().unwrap();
    let obstacle = "INSERT INTO meta VALUES ('behind', 1);
         CREATE TRIGGER obstacle BEFORE UPDATE ON rooms BEGIN SELECT RAISE(ABORT, 'in the way'); END";
    place.database().execute_batch(obstacle).unwrap();
    let open = || Shop::open_with(&place, Durability::Disk, &Limits::default());
    assert!(open().is_err());
    place
        .database()
        .execute_batch("DROP TRIGGER obstacle")
        .unwrap();
    assert_ne!(open().unwrap().load("tea").unwrap().epoch, 1);
}

#[test]
fn what_a_newer_parlor_has_made_is_left_alone() {
    let place = Place::new("newer");
    Shop::open(&place).store.close().unwrap();
    place
        .database()
        .execute_batch("PRAGMA user_version = 99")
        .unwrap();
    let error = Shop::open_with(&place, Durability::Disk, &Limits::default());
    let error = error.err().unwrap().to_string();
    assert!(
        error.contains("newer parlor") && error.contains("99"),
        "{error}"
    );
}

#[test]
fn what_is_no_database_is_said_to_be_none() {
    let place = Place::new("garbage");
    fs::create_dir_all(&place.0).unwrap();
    fs::write(place.0.join("parlor.db"), [7; 5000]).unwrap();
    let error = Shop::open_with(&place, Durability::Disk, &Limits::default());
    let error = error.err().unwrap().to_string();
    assert!(
        error.contains("damaged") && error.contains("backup"),
        "{error}"
    );
}

#[test]
fn a_full_disk_refuses_until_there_is_space() {
    let place = Place::new("full");
    let mut shop = Shop::open(&place);
    shop.append("tea", 1, record("before"));
    shop.answer();
    let pages: i64 = place
        .database()
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    shop.store.send(Job::LimitPages(pages as u32 + 2));
    let large = "x".repeat(100_000);
    shop.append("tea", 1, record(&large));
    assert!(matches!(shop.answer(), Answer::Refused { .. }));
    assert_eq!(bodies(&shop.load("tea").unwrap().messages), ["before"]);
    shop.store.send(Job::LimitPages(1_000_000));
    shop.append("tea", 1, record("after"));
    assert!(matches!(shop.answer(), Answer::Accepted { offset: 2, .. }));
}

#[test]
fn a_file_that_was_removed_is_noticed() {
    let place = Place::new("gone");
    let mut shop = Shop::open(&place);
    fs::remove_dir_all(&place.0).unwrap();
    assert!(matches!(shop.outcome(), Outcome::Failed(StoreError::Gone)));
}

#[test]
fn this_sqlite_does_not_damage_its_log() {
    // Older ones can, when a checkpoint and a write meet: see the notes of release 3.51.3.
    assert!(rusqlite::version_number() >= 3_051_003);
}

#[test]
fn what_could_not_be_written_at_the_end_is_an_error() {
    let place = Place::new("end");
    let mut shop = Shop::open_with(&place, Durability::Memory, &Limits::default()).unwrap();
    shop.store.send(Job::LimitPages(1));
    let append = Append {
        state: None,
        ticket: shop.ticket(),
        room: "tea".into(),
        epoch: 7,
        at_ms: unix_ms(),
        offset: Some(1),
        not_before: 0,
        record: record(&"x".repeat(1_000_000)),
        file: None,
        condition: None,
    };
    shop.ask(Request::Append(append));
    let error = shop.store.close().unwrap_err().to_string();
    assert!(error.contains("could not be written"), "{error}");
    let sql = "SELECT count(*) FROM meta WHERE key = 'behind'";
    let is_behind: i64 = place
        .database()
        .query_row(sql, [], |row| row.get(0))
        .unwrap();
    assert_eq!(is_behind, 1, "the next server begins new epochs");
}
