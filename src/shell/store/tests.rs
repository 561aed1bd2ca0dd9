//! The store on a real file, as the loop uses it.

mod failures;
mod files;
mod hooks;
mod migration;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};
use rusqlite::Connection;

use super::*;
use crate::core::store::{
    Answer, Append, BanRequest, Condition, Content, Contents, Load, Person, PushRequest, Read,
    Record, Request, Search, Sent, Stored, Ticket,
};
use crate::settings::Timeout;
use crate::shell::clock::unix_ms;

/// A directory that is removed with its test.
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn new(name: &str) -> Self {
        let name = format!("parlor-store-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    fn database(&self) -> Connection {
        Connection::open(self.0.join("parlor.db")).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A store, and what the loop would wait with.
struct Shop {
    store: Store,
    push: KeptPush,
    bans: Vec<Box<str>>,
    inventory: Inventory,
    poll: Poll,
    tickets: u64,
}

impl Shop {
    fn open(place: &Place) -> Self {
        Self::open_with(place, Durability::Disk, &Limits::default()).unwrap()
    }

    fn open_with(place: &Place, durability: Durability, limits: &Limits) -> Result<Self, RunError> {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let none: (&[u64], &IsFor<'_>) = (&[], &|_, _| false);
        let (store, inventory, (_, push, bans)) =
            Store::open(&place.0, durability, limits, none, waker)?;
        Ok(Self {
            store,
            push,
            bans,
            inventory,
            poll,
            tickets: 0,
        })
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket::for_test(self.tickets)
    }

    fn ask(&mut self, request: Request) {
        self.store.send(Job::Request(request));
    }

    /// The next answer.
    fn answer(&mut self) -> Answer {
        match self.outcome() {
            Outcome::Answer(answer) => answer,
            other => panic!("the store has failed: {other:?}"),
        }
    }

    fn outcome(&mut self) -> Outcome {
        let mut events = Events::with_capacity(1);
        while !self.store.has_answer() {
            let patience = Some(Duration::from_secs(30));
            self.poll.poll(&mut events, patience).unwrap();
        }
        self.store.next.take().unwrap()
    }

    fn append(&mut self, room: &str, epoch: u64, record: Record) {
        self.append_if(None, room, epoch, record);
    }

    fn append_if(&mut self, condition: Option<Condition>, room: &str, epoch: u64, record: Record) {
        let append = Append {
            state: None,
            ticket: self.ticket(),
            room: room.into(),
            epoch,
            at_ms: unix_ms(),
            offset: None,
            not_before: 0,
            record,
            file: None,
            condition,
        };
        self.ask(Request::Append(append));
    }

    fn load(&mut self, room: &str) -> Option<Box<Contents>> {
        let load = Load {
            ticket: self.ticket(),
            room: room.into(),
            messages: 100,
            bytes: 1 << 20,
            sent_after_ms: 0,
        };
        self.ask(Request::Load(load));
        loop {
            if let Answer::Loaded { contents, .. } = self.answer() {
                return contents;
            }
        }
    }

    fn read(&mut self, room: &str, epoch: u64, between: (u64, u64), limit: usize) -> Vec<Stored> {
        let read = Read {
            ticket: self.ticket(),
            room: room.into(),
            epoch,
            after: between.0,
            before: between.1,
            limit,
        };
        self.ask(Request::Read(read));
        loop {
            if let Answer::Page { messages, .. } = self.answer() {
                return messages;
            }
        }
    }
}

impl Shop {
    /// The bodies of what is found in the room `tea`.
    fn find(&mut self, query: &str, before: u64, limit: usize) -> (Vec<Stored>, bool) {
        self.find_in(1, query, before, limit)
    }

    /// The same in an epoch of it.
    fn find_in(
        &mut self,
        epoch: u64,
        query: &str,
        before: u64,
        limit: usize,
    ) -> (Vec<Stored>, bool) {
        let search = Search {
            ticket: self.ticket(),
            room: "tea".into(),
            epoch,
            query: query.into(),
            before,
            limit,
        };
        self.ask(Request::Search(search));
        loop {
            if let Answer::Page { messages, more, .. } = self.answer() {
                return (messages, more);
            }
        }
    }
}

fn record(body: &str) -> Record {
    Record {
        author_id: u64::MAX,
        author_name: "ana".into(),
        key: None,
        content: Content::Text,
        body: body.as_bytes().to_vec(),
        retain: false,
        owner: "at 127.0.0.1".into(),
        sent: None,
        freshness: Default::default(),
    }
}

fn bodies(stored: &[Stored]) -> Vec<&str> {
    let bodies = stored.iter().map(|it| str::from_utf8(&it.record.body));
    bodies.map(Result::unwrap).collect()
}

fn offsets(stored: &[Stored]) -> Vec<u64> {
    stored.iter().map(|it| it.offset).collect()
}

#[test]
fn what_was_accepted_is_there_again() {
    let place = Place::new("again");
    let mut shop = Shop::open(&place);
    assert!(shop.inventory.rooms.is_empty());
    let sent = Sent {
        sender: "person 7".into(),
        id: "once".into(),
    };
    let state = Record {
        key: Some("kettle".into()),
        retain: true,
        sent: Some(sent.clone()),
        ..record("warm")
    };
    for record in [record("one"), state.clone(), record("three")] {
        shop.append("tea", u64::MAX, record);
    }
    for offset in 1..=3 {
        let answer = shop.answer();
        assert!(
            matches!(answer, Answer::Accepted { offset: it, .. } if it == offset),
            "{answer:?}"
        );
    }
    shop.store.close().unwrap();
    let mut shop = Shop::open(&place);
    assert_eq!(shop.inventory.rooms, ["tea".into()]);
    let contents = shop.load("tea").unwrap();
    assert_eq!((contents.epoch, contents.offset), (u64::MAX, 3));
    assert_eq!(bodies(&contents.messages), ["one", "warm", "three"]);
    assert_eq!(contents.messages[1].record, state);
    assert_eq!(bodies(&contents.state), ["warm"]);
    assert_eq!(contents.sent.len(), 1);
    assert_eq!(
        (contents.sent[0].offset, &contents.sent[0].sent),
        (2, &sent)
    );
    assert!(shop.load("milk").is_none());
    assert_eq!(bodies(&shop.read("tea", u64::MAX, (0, 3), 1)), ["warm"]);
    assert!(
        shop.read("tea", 5, (0, 3), 1).is_empty(),
        "of another epoch"
    );
}

#[test]
fn of_those_that_want_the_same_state_one_is_kept() {
    let place = Place::new("conditions");
    let mut shop = Shop::open(&place);
    let state = |body| Record {
        key: Some("kettle".into()),
        retain: true,
        ..record(body)
    };
    let at = |offset, epoch| Condition::Offset {
        offset,
        epoch: Some(epoch),
    };
    // All in one commit: each sees what those before it have written.
    for (condition, body) in [
        (at(1, 7), "none yet"),
        (Condition::New, "cold"),
        (Condition::New, "lukewarm"),
        (at(1, 8), "of another epoch"),
        (at(1, 7), "warm"),
        (at(1, 7), "hot"),
    ] {
        shop.append_if(Some(condition), "tea", 7, state(body));
    }
    let outcomes = (0..6).map(|_| match shop.answer() {
        Answer::Accepted { offset, .. } => format!("at {offset}"),
        Answer::Conflict { current: None, .. } => "none".to_owned(),
        Answer::Conflict {
            current: Some(current),
            ..
        } => String::from_utf8(current.record.body).unwrap(),
        other => panic!("{other:?}"),
    });
    let outcomes: Vec<String> = outcomes.collect();
    assert_eq!(outcomes, ["none", "at 1", "cold", "cold", "at 2", "warm"]);
    assert_eq!(
        bodies(&shop.load("tea").unwrap().messages),
        ["cold", "warm"]
    );
}

#[test]
fn people_are_there_again_until_they_are_forgotten() {
    let place = Place::new("people");
    let mut shop = Shop::open(&place);
    for number in [1, u64::MAX] {
        shop.ask(Request::KeepPerson(Person {
            number,
            public_id: number,
            name: format!("person{number}").into(),
            secret_hash: [7; 32],
            seen_ms: number >> 1,
        }));
    }
    shop.ask(Request::ForgetPerson { number: 1 });
    shop.store.close().unwrap();
    let shop = Shop::open(&place);
    let [person] = &shop.inventory.people[..] else {
        panic!("{:?}", shop.inventory);
    };
    assert_eq!((person.number, person.secret_hash), (u64::MAX, [7; 32]));
}

#[test]
fn a_directory_has_one_server() {
    let place = Place::new("lock");
    let shop = Shop::open(&place);
    let error = Shop::open_with(&place, Durability::Disk, &Limits::default());
    let error = error.err().unwrap().to_string();
    let pid = format!("is used by process {}", std::process::id());
    assert!(error.contains(&pid), "{error}");
    shop.store.close().unwrap();
    drop(Shop::open(&place));
}

#[test]
fn a_server_that_wrote_behind_and_did_not_end_begins_new_epochs() {
    let place = Place::new("behind");
    let epoch = |shop: &mut Shop| shop.load("tea").unwrap().epoch;
    let mut shop = Shop::open_with(&place, Durability::Memory, &Limits::default()).unwrap();
    shop.append("tea", 7, record("x"));
    shop.answer();
    shop.store.close().unwrap();
    let mut shop = Shop::open_with(&place, Durability::Memory, &Limits::default()).unwrap();
    assert_eq!(epoch(&mut shop), 7, "the last one has ended in order");
    shop.store.close().unwrap();
    let sql = "INSERT INTO meta VALUES ('behind', 1)";
    place.database().execute(sql, []).unwrap();
    let mut shop = Shop::open(&place);
    let after = epoch(&mut shop);
    assert_ne!(after, 7);
    shop.store.close().unwrap();
    assert_eq!(epoch(&mut Shop::open(&place)), after);
}

/// What is kept of the room `tea` once nothing more is to be forgotten.
fn kept(shop: &mut Shop, most: usize) -> Vec<Stored> {
    for _ in 0..1000 {
        let kept = shop.read("tea", 1, (0, u64::MAX), usize::MAX);
        if kept.len() <= most {
            return kept;
        }
        std::thread::yield_now();
    }
    panic!("too much is kept");
}

#[test]
fn the_oldest_go_by_count_and_by_bytes() {
    for by_bytes in [false, true] {
        let place = Place::new(if by_bytes { "bytes" } else { "count" });
        let limits = match by_bytes {
            false => Limits {
                retain: 100,
                ..Limits::default()
            },
            true => Limits {
                retain_bytes: 1000,
                ..Limits::default()
            },
        };
        let mut shop = Shop::open_with(&place, Durability::Disk, &limits).unwrap();
        for number in 0..1500 {
            shop.append("tea", 1, record(&format!("{number:010}")));
        }
        let left = kept(&mut shop, 101);
        assert_eq!(left.last().unwrap().offset, 1500);
        let first = left[0].offset;
        assert_eq!(offsets(&left), (first..=1500).collect::<Vec<_>>());
        assert!(left.len() >= 100, "{}", left.len());
    }
}

#[test]
fn the_old_go_by_age_and_an_emptied_room_goes_whole() {
    let place = Place::new("age");
    let mut shop = Shop::open(&place);
    for _ in 0..1200 {
        shop.append("tea", 1, record("x"));
        shop.append("milk", 1, record("y"));
    }
    shop.ask(Request::ForgetRoom {
        room: "milk".into(),
        epoch: 2,
    });
    assert!(shop.load("milk").is_some(), "of another epoch");
    shop.ask(Request::ForgetRoom {
        room: "milk".into(),
        epoch: 1,
    });
    assert!(shop.load("milk").is_none());
    let limits = Limits {
        retain_time: "0.001".parse::<Timeout>().unwrap(),
        ..Limits::default()
    };
    shop.store.reconfigure(&limits);
    assert!(kept(&mut shop, 0).is_empty());
    let contents = shop.load("tea").unwrap();
    assert_eq!(
        (contents.epoch, contents.offset),
        (1, 1200),
        "offsets go on"
    );
    shop.append("tea", 1, record("x"));
    assert!(matches!(
        shop.answer(),
        Answer::Accepted { offset: 1201, .. }
    ));
    shop.store.close().unwrap();
    let left: i64 = place
        .database()
        .query_row("SELECT count(*) FROM leftovers", [], |row| row.get(0))
        .unwrap();
    assert!(left <= 1);
}

#[test]
fn all_rooms_together_keep_within_their_bound() {
    let place = Place::new("all");
    let limits = Limits {
        max_data: 400_000,
        ..Limits::default()
    };
    let mut shop = Shop::open_with(&place, Durability::Disk, &limits).unwrap();
    let body = "x".repeat(1000);
    for _ in 0..600 {
        shop.append("tea", 1, record(&body));
    }
    shop.append("milk", 1, record(&body));
    shop.store.reconfigure(&limits);
    let left = kept(&mut shop, 300);
    assert_eq!(left.last().map(|it| it.offset), Some(600));
    assert!(
        left.len() > 50,
        "more is gone than has to be: {}",
        left.len()
    );
    assert_eq!(
        shop.read("milk", 1, (0, 9), 9).len(),
        1,
        "the largest room loses"
    );
}

#[test]
fn what_was_said_is_found_until_it_is_forgotten() {
    let place = Place::new("search");
    let limits = Limits {
        retain: 200,
        ..Limits::default()
    };
    let mut shop = Shop::open_with(&place, Durability::Disk, &limits).unwrap();
    let value = Record {
        key: Some("kettle".into()),
        ..record("a kettle as a value")
    };
    let json = Record {
        content: Content::Json,
        ..record(r#"{"file":{"name":"kettle.pdf"}}"#)
    };
    for record in [record("the old kettle"), value, json, record("我们去东京")] {
        shop.append("tea", 1, record);
    }
    shop.append("milk", 1, record("another kettle"));
    let (found, more) = shop.find("kettle", u64::MAX, 9);
    assert_eq!((offsets(&found), more), (vec![1, 3], false));
    let (found, more) = shop.find("KET", u64::MAX, 1);
    assert_eq!((offsets(&found), more), (vec![3], true));
    let (found, _) = shop.find("kettle", 3, 9);
    assert_eq!(offsets(&found), [1]);
    assert_eq!(offsets(&shop.find("东京", u64::MAX, 9).0), [4]);
    assert!(shop.find("- * \"", u64::MAX, 9).0.is_empty());
    for _ in 0..1500 {
        shop.append("tea", 1, record("x"));
    }
    kept(&mut shop, 202);
    assert!(shop.find("kettle", u64::MAX, 9).0.is_empty());
}

#[test]
fn subscriptions_and_who_was_told_are_kept() {
    let place = Place::new("push");
    let mut shop = Shop::open(&place);
    let keep = |number, text: &str| PushRequest::Keep {
        number,
        text: text.into(),
    };
    let told = |key: &str, text: Option<&str>| PushRequest::Told {
        room: "tea".into(),
        key: key.into(),
        text: text.map(Into::into),
    };
    let requests = [
        keep(1, "one"),
        keep(2, "two"),
        keep(1, "one again"),
        PushRequest::Forget { number: 2 },
        told("a", Some("1")),
        told("b", Some("1")),
        told("a", Some("2")),
        told("b", None),
    ];
    for request in requests {
        shop.ask(Request::Push(request));
    }
    shop.store.close().unwrap();
    let shop = Shop::open(&place);
    assert_eq!(shop.push.subscriptions, [(1, "one again".into())]);
    assert_eq!(shop.push.told, [("tea".into(), "a".into(), "2".into())]);
}

#[test]
fn bans_are_kept_until_they_end() {
    let place = Place::new("bans");
    let mut shop = Shop::open(&place);
    let keep = |id: &str, text: &str| BanRequest::Keep {
        id: id.into(),
        text: text.into(),
    };
    let end = |id: &str, text: &str| BanRequest::End {
        id: id.into(),
        text: text.into(),
    };
    let requests = [
        keep("a", "one"),
        keep("b", "two"),
        keep("c", "three"),
        BanRequest::Forget { id: "b".into() },
        keep("a", "one again"),
        end("a", "one"),
        end("c", "three"),
        BanRequest::Compare,
    ];
    for request in requests {
        shop.ask(Request::Ban(request));
    }
    shop.store.close().unwrap();
    assert_eq!(Shop::open(&place).bans, ["one again".into()]);
}
