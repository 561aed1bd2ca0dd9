//! Databases that parlors of older versions have made: one of each version of the schema is in `tests/durability/databases`.
//! In all of them somebody called ana has told five messages to the room `tea`, and `milk` has one.

use std::io::Read as _;

use flate2::read::GzDecoder;

use super::*;
use crate::shell::store::schema::VERSION;

impl Place {
    /// A data directory as the parlor of a version of the schema left it.
    fn of_version(version: i64, name: &str) -> Self {
        let place = Self::new(&format!("{name}-{version}"));
        fs::create_dir_all(place.0.join("files")).unwrap();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/durability/databases");
        let packed = fs::read(format!("{folder}/version{version}.db.gz")).unwrap();
        let mut database = Vec::new();
        GzDecoder::new(&*packed).read_to_end(&mut database).unwrap();
        fs::write(place.0.join("parlor.db"), database).unwrap();
        assert_eq!(place.version(), version);
        place
    }

    fn version(&self) -> i64 {
        let version = self
            .database()
            .query_row("PRAGMA user_version", [], |row| row.get(0));
        version.unwrap()
    }

    fn schema(&self) -> String {
        let sql = "SELECT group_concat(sql, ';') FROM sqlite_schema";
        let schema = self.database().query_row(sql, [], |row| row.get(0));
        schema.unwrap()
    }
}

/// What was said stays, however long ago these databases were made.
fn limits() -> Limits {
    Limits {
        retain_time: "0".parse().unwrap(),
        file_time: "0".parse().unwrap(),
        ..Limits::default()
    }
}

fn open(place: &Place) -> Shop {
    Shop::open_with(place, Durability::Disk, &limits()).unwrap()
}

/// The epoch of the room `tea` in the database of a version.
fn epoch_of(version: i64) -> u64 {
    match version {
        1 => 0xb818_218a_83d7_aea1,
        2 => 0x83ff_f3d9_4df5_ec64,
        // Those after the third were made of it.
        3..=7 => 0x1b1f_5ed6_bc86_b775,
        _ => panic!("there is no database of version {version}"),
    }
}

fn check(shop: &mut Shop, version: i64) {
    let epoch = epoch_of(version);
    assert_eq!(shop.inventory.rooms, ["milk".into(), "tea".into()]);
    let [ana] = &shop.inventory.people[..] else {
        panic!("{:?}", shop.inventory);
    };
    assert_eq!(&*ana.name, "ana");
    let contents = shop.load("tea").unwrap();
    assert_eq!(contents.epoch, epoch);
    let said = [
        &b"the old kettle"[..],
        b"warm",
        br#"{"text":"hot"}"#,
        &[0, 1, 2],
        "我们明天去东京塔".as_bytes(),
    ];
    let messages = contents.messages.iter();
    let told: Vec<&[u8]> = messages.map(|it| &*it.record.body).collect();
    assert_eq!(told[..5], said);
    assert_eq!(told.len() as u64, contents.offset);
    let warm = &contents.messages[1].record;
    assert_eq!((&*warm.author_name, warm.retain), ("ana", true));
    assert_eq!(bodies_and_keys(&contents.state), [("warm", "kettle")]);
    let [sent] = &contents.sent[..] else {
        panic!("{:?}", contents.sent);
    };
    assert_eq!((sent.offset, &*sent.sent.id), (2, "once"));
    let milk = shop.load("milk").unwrap();
    assert_eq!(bodies(&milk.messages), ["fresh milk"]);
    for (query, offset) in [("kettle", 1), ("hot", 3), ("东京", 5)] {
        let (found, _) = shop.find_in(epoch, query, u64::MAX, 9);
        assert_eq!(offsets(&found), [offset], "{query}");
    }
    // And it goes on.
    shop.append("tea", epoch, record("a new kettle"));
    let next = contents.offset + 1;
    let answer = shop.answer();
    assert!(
        matches!(answer, Answer::Accepted { offset, .. } if offset == next),
        "{answer:?}"
    );
    let (found, _) = shop.find_in(epoch, "kettle", u64::MAX, 9);
    assert_eq!(offsets(&found), [1, next]);
}

fn bodies_and_keys(stored: &[Stored]) -> Vec<(&str, &str)> {
    let keys = stored.iter().filter_map(|it| it.record.key.as_deref());
    bodies(stored).into_iter().zip(keys).collect()
}

#[test]
fn a_database_of_each_version_is_brought_to_this_one_with_all_that_is_in_it() {
    for version in 1..=VERSION {
        let place = Place::of_version(version, "migrated");
        let sql = "SELECT id FROM files";
        let id = place.database().query_row(sql, [], |row| row.get(0));
        let id: Option<String> = id.ok();
        if let Some(id) = &id {
            fs::write(place.0.join("files").join(id), "all is well").unwrap();
        }
        let mut shop = open(&place);
        assert_eq!(place.version(), VERSION);
        let files: Vec<_> = shop.inventory.files.iter().collect();
        assert_eq!(
            (files.len(), id.is_some()),
            (usize::from(version > 1), version > 1)
        );
        for placed in files {
            assert_eq!((&*placed.room, placed.offset), ("tea", 6));
            assert_eq!(&*placed.file.name, "report.txt");
        }
        let push = (shop.push.subscriptions.len(), shop.push.told.len());
        let has_push = usize::from(version > 5);
        assert_eq!(push, (has_push, has_push));
        assert_eq!(shop.bans.len(), usize::from(version > 6));
        check(&mut shop, version);
        shop.store.close().unwrap();
    }
}

/// Makes the last thing fail that is done with a database of an older version, until the other is done.
const OBSTACLE: [&str; 2] = ["CREATE TABLE bans (is_in_the_way)", "DROP TABLE bans"];

#[test]
fn a_migration_that_fails_half_way_leaves_the_database_as_it_was() {
    for version in 1..VERSION {
        let place = Place::of_version(version, "half-way");
        place.database().execute_batch(OBSTACLE[0]).unwrap();
        let before = place.schema();
        let refused = Shop::open_with(&place, Durability::Disk, &limits());
        let refused = refused.err().unwrap().to_string();
        assert!(refused.contains("bans"), "{refused}");
        assert_eq!((place.version(), place.schema()), (version, before));
        place.database().execute_batch(OBSTACLE[1]).unwrap();
        check(&mut open(&place), version);
    }
}
