//! What those see who come for a room that only the store has: nothing until it is there, and then the room as it was.

use parlor::core::store::Durability;
use parlor::limits::{MAX_WAITING_DATAGRAMS, STORE_RETRY_MS, STORE_TIMEOUT_MS};

use crate::hall::{GuestId, Hall};
use crate::random::{Random, seed_bytes};
use crate::reader::Seen;
use crate::store::{Habit, LateStore};

/// A hall beside a store that has the rooms `lobby` and `tea`, and answers when it is told to.
struct Depot {
    hall: Hall,
    store: LateStore,
}

impl Depot {
    fn new(flags: &[&str]) -> Self {
        let mut depot = Self {
            hall: hall(1, flags, Durability::Disk),
            store: LateStore::new(Habit::default(), Random::new(0, 0)),
        };
        let poster = depot.hall.connect(usize::MAX);
        for room in ["lobby", "tea"] {
            let path = format!("/rooms/{room}?key=kettle&retain&dedup=once");
            depot.hall.send(poster, &post(&path, "warm"));
            depot.serve();
        }
        let answers = depot.text(poster);
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
        depot.restart(2, flags);
        depot
    }

    /// Another server on the same store, which answers nothing.
    fn restart(&mut self, seed: u64, flags: &[&str]) {
        self.hall = hall(seed, flags, Durability::Disk);
        self.store.restore(&mut self.hall.server, self.hall.now);
        self.store.set_dead(true);
    }

    fn tick(&mut self) {
        self.hall.tick(u64::MAX);
        self.store.take(&mut self.hall.server, self.hall.now);
        self.store.answer(&mut self.hall.server, self.hall.now);
    }

    /// The store answers from now on.
    fn serve(&mut self) {
        self.store.set_dead(false);
        for _ in 0..4 {
            self.tick();
        }
    }

    fn text(&mut self, guest: GuestId) -> String {
        String::from_utf8_lossy(&self.hall.sip(guest, usize::MAX)).into_owned()
    }

    fn events(&mut self, guest: GuestId) -> Vec<serde_json::Value> {
        let seen = self.hall.read(guest).into_iter();
        let texts = seen.filter_map(|seen| match seen {
            Seen::Message { payload, .. } => Some(payload),
            _ => None,
        });
        let events = texts.map(|text| serde_json::from_slice::<serde_json::Value>(&text).unwrap());
        events.filter(|event| event["type"] != "welcome").collect()
    }
}

fn hall(seed: u64, flags: &[&str], durability: Durability) -> Hall {
    let flags = [&["--ping-interval", "0"], flags].concat();
    let mut hall = Hall::seeded(seed_bytes(seed), &flags);
    hall.server.use_store(durability);
    hall
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

#[test]
fn every_door_waits_for_the_room_and_finds_it_as_it_was() {
    let mut depot = Depot::new(&[]);
    let guests: Vec<GuestId> = (0..6).map(|_| depot.hall.connect(usize::MAX)).collect();
    let [json, plain, poster, reader, stream, again] = guests[..] else {
        unreachable!()
    };
    depot.hall.enter_json(json);
    depot.hall.read(json);
    depot
        .hall
        .say(json, 1, br#"{"type":"join","room":"tea","last":9}"#);
    depot.hall.say(json, 1, br#"{"type":"ping"}"#);
    depot.hall.send(plain, &crate::units::upgrade_of("/ws/tea"));
    depot.hall.send(poster, &post("/rooms/tea", "second"));
    depot.hall.send(reader, &get("/rooms/tea/messages"));
    depot.hall.send(stream, &get("/rooms/tea/events?last=9"));
    depot.hall.send(
        again,
        &post("/rooms/tea?key=kettle&retain&dedup=once", "warm"),
    );
    let typist = depot.hall.connect_typist(usize::MAX);
    depot.hall.send(typist, b"hello lobby\r\n");
    for _ in 0..3 {
        depot.tick();
    }
    for guest in [json, plain, poster, reader, stream, again] {
        assert_eq!(
            depot.text(guest),
            "",
            "nobody is answered before the room is there"
        );
    }
    assert!(!depot.hall.server.has_work(), "it waits without work");
    depot.serve();
    let events = depot.events(json);
    assert_eq!(events[0]["type"], "joined");
    assert_eq!(events[0]["messages"][0]["data"], "warm");
    assert_eq!(events[0]["retained"][0]["key"], "kettle");
    assert!(
        events.iter().any(|event| event["type"] == "pong"),
        "{events:?}"
    );
    assert!(
        events.iter().any(|event| event["data"] == "second"),
        "{events:?}"
    );
    let upgraded = depot.text(plain);
    assert!(upgraded.starts_with("HTTP/1.1 101"), "{upgraded}");
    assert!(
        upgraded.contains("warm") && upgraded.contains("second"),
        "{upgraded}"
    );
    let posted = depot.text(poster);
    assert!(
        posted.starts_with("HTTP/1.1 200") && posted.contains("\"offset\":2"),
        "{posted}"
    );
    let page = depot.text(reader);
    assert!(
        page.starts_with("HTTP/1.1 200") && page.contains("warm"),
        "{page}"
    );
    let streamed = depot.text(stream);
    assert!(
        streamed.starts_with("HTTP/1.1 200") && streamed.contains("warm"),
        "{streamed}"
    );
    let answer = depot.text(again);
    assert!(
        answer.contains("\"offset\":1"),
        "the same id is the same message: {answer}"
    );
    let lines = depot.text(typist);
    assert!(
        lines.contains("in lobby") && lines.contains("hello lobby"),
        "{lines}"
    );
}

#[test]
fn who_says_goodbye_at_once_is_heard_all_the_same() {
    let mut depot = Depot::new(&[]);
    let typist = depot.hall.connect_typist(usize::MAX);
    depot.hall.send(typist, b"/set tea/kettle hot\r\n");
    depot.hall.end(typist);
    depot.tick();
    depot.serve();
    let reader = depot.hall.connect(usize::MAX);
    depot.hall.send(reader, &get("/rooms/tea/messages"));
    depot.serve();
    let page = depot.text(reader);
    assert!(page.contains("hot"), "{page}");
}

#[test]
fn a_room_that_the_store_does_not_give_is_unavailable_for_a_while() {
    let mut depot = Depot::new(&["--handshake-timeout", "60"]);
    let (json, poster) = (
        depot.hall.connect(usize::MAX),
        depot.hall.connect(usize::MAX),
    );
    depot.hall.enter_json(json);
    depot.hall.read(json);
    depot
        .hall
        .say(json, 1, br#"{"type":"join","room":"tea","id":1}"#);
    depot.hall.send(poster, &post("/rooms/tea", "x"));
    depot.tick();
    depot.hall.now.ms += STORE_TIMEOUT_MS;
    depot.tick();
    depot.tick();
    let error = depot.events(json).remove(0);
    assert_eq!(
        (&error["code"], &error["id"]),
        (&"unavailable".into(), &1.into())
    );
    let refused = depot.text(poster);
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    depot.hall.now.ms += STORE_RETRY_MS;
    depot
        .hall
        .say(json, 1, br#"{"type":"join","room":"tea","id":2}"#);
    depot.serve();
    let joined = depot.events(json).remove(0);
    assert_eq!(
        (&joined["type"], &joined["id"]),
        (&"joined".into(), &2.into())
    );
    assert_eq!(joined["offset"], 1);
}

#[test]
fn datagrams_wait_for_their_room_within_a_bound() {
    let mut depot = Depot::new(&["--rate", "0"]);
    let from = ([127, 0, 0, 1], 9).into();
    let now = depot.hall.now;
    let taken = |depot: &mut Depot| {
        let result = depot.hall.server.on_datagram(from, b"tea/kettle hot", now);
        result == parlor::core::DatagramResult::Taken
    };
    let count = (0..MAX_WAITING_DATAGRAMS + 9)
        .filter(|_| taken(&mut depot))
        .count();
    assert_eq!(count, MAX_WAITING_DATAGRAMS);
    depot.serve();
    assert_eq!(
        depot.store.bodies_of("tea").len(),
        1 + MAX_WAITING_DATAGRAMS
    );
}

#[test]
fn a_room_that_was_emptied_is_not_there_again() {
    let mut depot = Depot::new(&[]);
    let poster = depot.hall.connect(usize::MAX);
    depot.serve();
    depot.hall.send(
        poster,
        b"DELETE /rooms/tea HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    depot.serve();
    let answer = depot.text(poster);
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    assert!(depot.store.bodies_of("tea").is_empty());
    depot.restart(3, &[]);
    depot.hall.server.check_invariants().unwrap();
    let poster = depot.hall.connect(usize::MAX);
    depot.hall.send(poster, &post("/rooms/tea", "anew"));
    depot.serve();
    let answer = depot.text(poster);
    assert!(answer.contains("\"offset\":1"), "{answer}");
}

#[test]
fn a_store_that_writes_behind_has_all_and_holds_nobody_up() {
    let mut hall = hall(1, &["--rate", "0"], Durability::Memory);
    let mut store = LateStore::new(Habit::default(), Random::new(0, 0));
    store.set_dead(true);
    let poster = hall.connect(usize::MAX);
    for _ in 0..3 {
        hall.send(poster, &post("/rooms/tea", "x"));
        hall.tick(u64::MAX);
        store.take(&mut hall.server, hall.now);
    }
    let answers = String::from_utf8(hall.sip(poster, usize::MAX)).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
    assert!(store.bodies_of("tea").is_empty());
    store.set_dead(false);
    store.answer(&mut hall.server, hall.now);
    hall.tick(u64::MAX);
    assert_eq!(store.bodies_of("tea").len(), 3);
}

#[test]
fn a_server_that_loses_its_store_goes_on_with_new_epochs_and_says_so() {
    let mut depot = Depot::new(&[]);
    depot.serve();
    let json = depot.hall.connect(usize::MAX);
    depot.hall.enter_json(json);
    depot.hall.say(json, 1, br#"{"type":"join","room":"tea"}"#);
    depot.serve();
    let joined = depot.events(json).pop().unwrap();
    depot.store.set_dead(true);
    depot.hall.say(
        json,
        1,
        br#"{"type":"publish","room":"tea","data":"lost","id":7}"#,
    );
    let waits = depot.hall.connect(usize::MAX);
    depot.hall.send(waits, &get("/rooms/lobby/messages"));
    depot.tick();
    depot.hall.server.lose_store(depot.hall.now);
    depot.tick();
    depot.tick();
    let events = depot.events(json);
    let find = |kind: &str| events.iter().find(|event| event["type"] == kind);
    assert_eq!(find("error").expect("it was not kept")["id"], 7);
    let again = find("joined").expect("the room is told anew");
    assert_ne!(again["epoch"], joined["epoch"]);
    assert_eq!(again["recovered"], false);
    let page = depot.text(waits);
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    depot.hall.say(
        json,
        1,
        br#"{"type":"publish","room":"tea","data":"on","id":8}"#,
    );
    depot.tick();
    let events = depot.events(json);
    assert!(
        events.iter().any(|event| event["type"] == "ok"),
        "{events:?}"
    );
}

#[test]
fn a_server_that_ends_because_its_store_has_failed_refuses_all_who_wait_for_it() {
    let mut depot = Depot::new(&["--history", "1"]);
    depot.serve();
    let guests: Vec<GuestId> = (0..6).map(|_| depot.hall.connect(usize::MAX)).collect();
    let [json, back, plain, poster, reader, loader] = guests[..] else {
        unreachable!()
    };
    for guest in [json, back] {
        depot.hall.enter_json(guest);
    }
    depot.hall.say(json, 1, br#"{"type":"join","room":"tea"}"#);
    depot
        .hall
        .request(plain, &crate::units::upgrade_of("/ws/tea"));
    for body in ["second", "third"] {
        depot.hall.send(poster, &post("/rooms/tea", body));
        depot.serve();
    }
    let epoch = depot.events(json)[0]["epoch"].clone();
    depot.text(poster);
    depot.store.set_dead(true);
    let publish = br#"{"type":"publish","room":"tea","data":"lost","id":7}"#;
    depot.hall.say(json, 1, publish);
    let since =
        format!(r#"{{"type":"join","room":"tea","since":{{"epoch":{epoch},"offset":0}},"id":8}}"#);
    depot.hall.say(back, 1, since.as_bytes());
    depot.hall.say(plain, 1, b"lost");
    depot.hall.send(poster, &post("/rooms/tea", "lost"));
    depot.hall.send(reader, &get("/rooms/tea/messages"));
    depot.hall.send(loader, &post("/rooms/lobby", "lost"));
    depot.tick();
    depot.hall.server.begin_drain(depot.hall.now);
    for _ in 0..3 {
        depot.hall.tick(u64::MAX);
        depot.hall.server.refuse_requests(depot.hall.now);
    }
    for (guest, echo) in [(json, 7), (back, 8)] {
        let events = depot.events(guest);
        let kinds: Vec<_> = events.iter().map(|event| &event["type"]).collect();
        assert_eq!(kinds, ["error", "bye"], "and nothing of the room");
        let refused = (&events[0]["id"], &events[0]["code"], &events[0]["retry_ms"]);
        let expected = (&echo.into(), &"unavailable".into(), &STORE_RETRY_MS.into());
        assert_eq!(refused, expected);
    }
    let closed = depot.hall.read(plain).pop();
    assert!(
        matches!(
            closed,
            Some(Seen::Close {
                code: Some(1013),
                ..
            })
        ),
        "{closed:?}"
    );
    for guest in [poster, reader, loader] {
        let answer = depot.text(guest);
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("\r\nRetry-After: "), "{answer}");
    }
    assert_eq!(depot.store.bodies_of("tea").len(), 3);
}

#[test]
fn what_is_searched_for_is_found_at_both_doors() {
    let mut depot = Depot::new(&["--history", "1"]);
    depot.serve();
    let (json, http) = (
        depot.hall.connect(usize::MAX),
        depot.hall.connect(usize::MAX),
    );
    for body in ["green tea", "black tea", "coffee", "tea with milk"] {
        depot.hall.send(http, &post("/rooms/tea", body));
        depot.serve();
    }
    depot.text(http);
    depot.hall.enter_json(json);
    let search = r#"{"type":"search","room":"tea","q":"tea","limit":2,"id":7}"#;
    depot.hall.say(json, 1, search.as_bytes());
    depot.hall.say(json, 1, br#"{"type":"ping"}"#);
    depot.store.set_dead(true);
    depot.tick();
    assert!(depot.events(json).is_empty(), "the store has not answered");
    depot.serve();
    let events = depot.events(json);
    let found = &events[0];
    assert_eq!((&found["type"], &found["id"]), (&"found".into(), &7.into()));
    let offsets: Vec<_> = found["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["offset"].as_u64().unwrap())
        .collect();
    assert_eq!((offsets, &found["more"]), (vec![3, 5], &true.into()));
    assert_eq!(events[1]["type"], "pong");
    depot
        .hall
        .send(http, &get("/rooms/tea/search?q=tea&before=3"));
    depot.serve();
    let page = depot.text(http);
    assert!(
        page.contains("green tea") && !page.contains("milk"),
        "{page}"
    );
    depot.hall.send(http, &get("/rooms/nowhere/search?q=tea"));
    depot.serve();
    assert!(depot.text(http).contains("\"messages\":[]"));
    depot.hall.send(http, &get("/rooms/tea/search?q=%20"));
    depot.serve();
    assert!(depot.text(http).starts_with("HTTP/1.1 400"));
}
