use super::*;
use crate::core::store::{Content, Record, Stored};
use crate::shell::store::tests::Place;

/// Rooms in a database, as the writer works with them.
struct Hall {
    database: Database,
    rooms: Rooms,
    forgetting: Forgetting,
    _place: Place,
}

impl Hall {
    fn new(name: &str, limits: &Limits) -> Self {
        let place = Place::new(name);
        std::fs::create_dir_all(place.path()).unwrap();
        let path = place.path().join("parlor.db");
        let mut hall = Self {
            database: Database::open(&path).unwrap(),
            rooms: Rooms::default(),
            forgetting: Forgetting::new(limits),
            _place: place,
        };
        hall.finish();
        hall
    }

    /// Does this in one transaction.
    fn together(&mut self, work: impl FnOnce(&mut Self)) {
        self.execute("BEGIN");
        work(self);
        self.execute("COMMIT");
    }

    fn append(&mut self, room: &str, epoch: u64, at_ms: u64, body: &str) {
        let connection = &self.database.connection;
        let row = self.rooms.open(connection, room, epoch).unwrap();
        row.offset += 1;
        row.count += 1;
        row.bytes += body.len() as i64;
        let stored = Stored {
            offset: row.offset,
            at_ms,
            record: record(body),
        };
        messages::insert(connection, row.id, &stored).unwrap();
        self.forgetting.note_append(room, row);
    }

    fn slice(&mut self) {
        let Self {
            database,
            rooms,
            forgetting,
            ..
        } = self;
        forgetting.slice(database, rooms).unwrap();
    }

    fn finish(&mut self) {
        self.slice();
        while self.forgetting.has_work() {
            self.slice();
        }
    }

    fn execute(&self, sql: &str) {
        self.database.connection.execute_batch(sql).unwrap();
    }

    fn count(&self, sql: &str) -> i64 {
        let row = self
            .database
            .connection
            .query_row(sql, [], |row| row.get(0));
        row.unwrap()
    }
}

fn record(body: &str) -> Record {
    Record {
        author_id: 1,
        author_name: "ana".into(),
        key: None,
        content: Content::Text,
        body: body.into(),
        retain: false,
        owner: "at 127.0.0.1".into(),
        sent: None,
        freshness: Default::default(),
    }
}

#[test]
fn as_many_go_as_have_come_in_one_room_or_in_many() {
    for rooms in [1, 1000] {
        let limits = Limits {
            retain: 10,
            ..Limits::default()
        };
        let mut hall = Hall::new(&format!("flood-{rooms}"), &limits);
        hall.together(|hall| {
            for number in 0..20_000 {
                hall.append(&format!("room{}", number % rooms), 1, unix_ms(), "x");
            }
        });
        hall.slice();
        assert_eq!(hall.count("SELECT count(*) FROM messages"), 10 * rooms);
        assert_eq!(hall.count("SELECT max(count) FROM rooms"), 10);
    }
}

#[test]
fn only_the_old_go_and_a_round_ends() {
    let limits = Limits {
        retain_time: "3600".parse().unwrap(),
        ..Limits::default()
    };
    let mut hall = Hall::new("round", &limits);
    let old = unix_ms() - 7_200_000;
    hall.together(|hall| {
        for number in 0..1500 {
            hall.append(&format!("room{}", number % 150), 1, old, "x");
            hall.append("new", 1, unix_ms(), "x");
        }
    });
    hall.forgetting.reconfigure(&limits);
    hall.finish();
    assert_eq!(hall.count("SELECT count(*) FROM messages"), 1500);
    assert_eq!(
        hall.count("SELECT sum(count) FROM rooms"),
        1500,
        "the counts of the rooms are right"
    );
}

#[test]
fn what_a_room_of_another_epoch_has_left_goes() {
    let mut hall = Hall::new("epochs", &Limits::default());
    hall.together(|hall| {
        for epoch in [[1; 600], [2; 600]].concat() {
            hall.append("tea", epoch, unix_ms(), "x");
        }
    });
    hall.finish();
    assert_eq!(hall.count("SELECT count(*) FROM messages"), 600);
    assert_eq!(hall.count("SELECT count(*) FROM leftovers"), 0);
}

#[test]
fn a_room_of_many_short_messages_takes_more_than_one_of_a_long_one() {
    let mut hall = Hall::new("largest", &Limits::default());
    hall.together(|hall| {
        for _ in 0..1000 {
            hall.append("short", 1, unix_ms(), "");
        }
    });
    hall.append("long", 1, unix_ms(), &"x".repeat(50_000));
    hall.slice();
    let (name, _) = rooms::largest(&hall.database.connection).unwrap().unwrap();
    assert_eq!(&*name, "short");
}
