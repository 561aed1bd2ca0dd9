//! What those see who publish while a store keeps the messages: late, out of step between rooms, not at all.

use parlor::core::access::{Claims, Keys, issue};
use parlor::core::store::{Answer, Append, Durability, Read, Request, Stored};
use parlor::limits::{MAX_UNANSWERED_EACH, STORE_TIMEOUT_MS};

use crate::hall::{GuestId, Hall};
use crate::reader::Seen;
use crate::store::page;

/// A hall beside a store, which answers when it is told to.
struct Shelf {
    hall: Hall,
    waiting: Vec<Append>,
    reads: Vec<Read>,
    stored: Vec<Stored>,
}

impl Shelf {
    fn new(flags: &[&str]) -> Self {
        let mut hall = Hall::new(flags);
        hall.server.use_store(Durability::Disk);
        Self {
            hall,
            waiting: Vec::new(),
            reads: Vec::new(),
            stored: Vec::new(),
        }
    }

    fn tick(&mut self) {
        self.hall.tick(u64::MAX);
        while let Some(request) = self.hall.server.next_request() {
            match request {
                Request::Append(append) => self.waiting.push(append),
                Request::Read(read) => self.reads.push(read),
                _ => {}
            }
        }
    }

    /// The store accepts the message that waits in this place, at an offset.
    fn accept(&mut self, place: usize, offset: u64) {
        let Append { ticket, record, .. } = self.waiting.remove(place);
        let at_ms = 784_111_777_123;
        self.stored.push(Stored {
            offset,
            at_ms,
            record,
        });
        let accepted = Answer::Accepted {
            ticket,
            offset,
            at_ms,
        };
        self.hall.server.on_answer(accepted, self.hall.now);
        self.tick();
    }

    /// The store reads what it is asked for first, of a hall with one room.
    fn read_stored(&mut self) {
        let read = self.reads.remove(0);
        let page = page(&self.stored, &read);
        self.hall.server.on_answer(page, self.hall.now);
        self.tick();
    }

    fn refuse(&mut self, place: usize) {
        let ticket = self.waiting.remove(place).ticket;
        let refused = Answer::Refused {
            ticket,
            retry_ms: 250,
        };
        self.hall.server.on_answer(refused, self.hall.now);
        self.tick();
    }

    /// Somebody at the JSON door, in a room.
    fn person(&mut self, room: &str) -> GuestId {
        let guest = self.hall.connect(usize::MAX);
        self.hall.enter_json(guest);
        self.command(guest, &format!(r#"{{"type":"join","room":"{room}"}}"#));
        self.tick();
        self.hall.read(guest);
        guest
    }

    fn command(&mut self, guest: GuestId, json: &str) {
        self.hall.say(guest, 1, json.as_bytes());
    }

    fn publish(&mut self, guest: GuestId, room: &str, data: &str, id: u32) {
        let json = format!(r#"{{"type":"publish","room":"{room}","data":"{data}","id":{id}}}"#);
        self.command(guest, &json);
    }

    /// What a guest has read since, in short.
    fn read(&mut self, guest: GuestId) -> Vec<String> {
        let seen = self.hall.read(guest).into_iter();
        seen.map(|seen| match seen {
            Seen::Message { payload, .. } => in_short(&String::from_utf8(payload).unwrap()),
            Seen::Close { code, .. } => format!("closed {code:?}"),
            Seen::Response { status, .. } => status.to_string(),
            other => format!("{other:?}"),
        })
        .collect()
    }
}

impl Shelf {
    /// The event of a type that a guest has read since.
    fn event(&mut self, guest: GuestId, kind: &str) -> serde_json::Value {
        let seen = self.hall.read(guest);
        let texts = seen.iter().filter_map(|seen| match seen {
            Seen::Message { payload, .. } => str::from_utf8(payload).ok(),
            _ => None,
        });
        let mut events = texts.map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
        let event = events.find(|event| event["type"] == kind);
        event.unwrap_or_else(|| panic!("no {kind}: {seen:?}"))
    }
}

/// Of an event what these tests are about.
fn in_short(text: &str) -> String {
    let Ok(event) = serde_json::from_str::<serde_json::Value>(text) else {
        return text.to_owned();
    };
    let field = |name: &str| event.get(name).map_or(String::new(), |it| format!(" {it}"));
    let fields = ["id", "offset", "code", "retry_ms", "data"].map(field);
    format!(
        "{}{}",
        event["type"].as_str().unwrap_or(text),
        fields.concat()
    )
}

#[test]
fn nobody_sees_what_the_store_has_not_accepted() {
    let mut shelf = Shelf::new(&["--ping-interval", "0"]);
    let (alice, bob) = (shelf.person("tea"), shelf.person("tea"));
    shelf.publish(alice, "tea", "hello", 1);
    shelf.command(alice, r#"{"type":"ping","id":2}"#);
    shelf.tick();
    assert_eq!(shelf.read(alice), ["pong 2"]);
    assert!(shelf.read(bob).is_empty());
    assert_eq!(shelf.waiting[0].record.body, b"hello");
    shelf.accept(0, 1);
    let mut seen = shelf.read(alice);
    seen.sort();
    assert_eq!(seen, ["message 1 \"hello\"", "ok 1 1"]);
    assert_eq!(shelf.read(bob), ["message 1 \"hello\""]);
}

#[test]
fn a_slow_room_does_not_hold_up_another() {
    let mut shelf = Shelf::new(&["--ping-interval", "0"]);
    let (alice, bob) = (shelf.person("tea"), shelf.person("milk"));
    shelf.publish(alice, "tea", "late", 1);
    shelf.tick();
    shelf.publish(bob, "milk", "soon", 2);
    shelf.tick();
    shelf.accept(1, 1);
    assert_eq!(shelf.read(bob).len(), 2);
    assert!(shelf.read(alice).is_empty());
    shelf.accept(0, 1);
    assert_eq!(shelf.read(alice).len(), 2);
}

#[test]
fn who_is_refused_is_told_at_every_door_and_nobody_sees_it() {
    let mut shelf = Shelf::new(&["--ping-interval", "0"]);
    let alice = shelf.person("room-0");
    let plain = shelf.hall.enter(0);
    let poster = shelf.hall.connect(usize::MAX);
    let typist = shelf.hall.connect_typist(usize::MAX);
    shelf.tick();
    shelf.read(alice);
    shelf.hall.discard(&[typist]);
    shelf.publish(alice, "room-0", "json", 7);
    shelf.hall.say(plain, 1, b"plain");
    shelf.hall.send(
        poster,
        b"POST /rooms/room-0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\npost",
    );
    shelf.hall.send(typist, b"line\r\n");
    shelf.tick();
    assert_eq!(shelf.waiting.len(), 4);
    for _ in 0..4 {
        shelf.refuse(0);
    }
    assert_eq!(shelf.read(alice), ["error 7 \"unavailable\" 250"]);
    assert_eq!(shelf.read(plain), ["closed Some(1013)"]);
    let response = String::from_utf8(shelf.hall.sip(poster, usize::MAX)).unwrap();
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(response.contains("\r\nRetry-After: 5\r\n"), "{response}");
    assert!(!response.contains("retry_ms"), "{response}");
    let line = String::from_utf8(shelf.hall.sip(typist, usize::MAX)).unwrap();
    assert!(
        line.starts_with("! messages cannot be kept or read for now; try again a little later"),
        "{line}"
    );
    // What was refused has taken no offset.
    shelf.publish(alice, "room-0", "again", 8);
    shelf.tick();
    shelf.accept(0, 1);
    assert_eq!(shelf.read(alice).len(), 2);
}

#[test]
fn a_message_sent_again_meanwhile_is_published_once() {
    let mut shelf = Shelf::new(&["--ping-interval", "0"]);
    let alice = shelf.person("tea");
    for id in [1, 2] {
        let json = format!(r#"{{"type":"publish","room":"tea","data":"x","dedup":"d","id":{id}}}"#);
        shelf.command(alice, &json);
        shelf.tick();
    }
    assert_eq!(shelf.waiting.len(), 1, "it waits once");
    shelf.accept(0, 1);
    let mut seen = shelf.read(alice);
    seen.sort();
    assert_eq!(seen, ["message 1 \"x\"", "ok 1 1", "ok 2 1"]);
    shelf.command(
        alice,
        r#"{"type":"publish","room":"tea","data":"x","dedup":"d","id":3}"#,
    );
    shelf.tick();
    assert_eq!(shelf.read(alice), ["ok 3 1"]);
}

#[test]
fn who_says_goodbye_gets_their_last_words_back_first() {
    let mut shelf = Shelf::new(&["--ping-interval", "0"]);
    let plain = shelf.hall.enter(0);
    let person = shelf.person("tea");
    shelf.hall.say(plain, 1, b"last words");
    shelf.publish(person, "tea", "mine", 1);
    for guest in [plain, person] {
        shelf.hall.say(guest, 8, &1000_u16.to_be_bytes());
    }
    shelf.tick();
    assert!(shelf.read(plain).is_empty());
    assert!(shelf.read(person).is_empty());
    shelf.accept(0, 1);
    shelf.accept(0, 1);
    assert_eq!(shelf.read(plain), ["last words", "closed Some(1000)"]);
    let seen = shelf.read(person);
    assert!(seen.contains(&"ok 1 1".to_owned()), "{seen:?}");
    assert_eq!(seen.last().map(String::as_str), Some("closed Some(1000)"));
}

#[test]
fn a_store_that_never_answers_holds_up_who_asks_and_nobody_else() {
    let mut shelf = Shelf::new(&[
        "--ping-interval",
        "0",
        "--rate",
        "0",
        "--drain-timeout",
        "2",
    ]);
    let (flooder, bob) = (shelf.person("tea"), shelf.person("milk"));
    for id in 0..200 {
        shelf.publish(flooder, "tea", "x", id);
    }
    shelf.tick();
    shelf.tick();
    assert_eq!(shelf.waiting.len(), MAX_UNANSWERED_EACH);
    shelf.command(bob, r#"{"type":"ping","id":1}"#);
    shelf.tick();
    assert_eq!(shelf.read(bob), ["pong 1"]);
    assert!(!shelf.hall.server.has_work(), "it waits without work");
    shelf.hall.now.ms += STORE_TIMEOUT_MS;
    shelf.tick();
    let told = shelf.read(flooder);
    assert_eq!(told.len(), MAX_UNANSWERED_EACH);
    assert_eq!(told[0], "error 0 \"unavailable\" 1000");
    // It may have been kept all the same: then it is published, without an answer.
    shelf.accept(0, 1);
    let seen = shelf.read(flooder);
    assert_eq!(seen[0], "message 1 \"x\"");
    shelf.hall.server.begin_drain(shelf.hall.now);
    shelf.tick();
    assert!(!shelf.hall.server.has_work(), "it waits without work");
    shelf.hall.now.ms += 2_000;
    shelf.tick();
    assert!(shelf.hall.server.is_drained(shelf.hall.now));
}

#[test]
fn answers_that_break_the_order_publish_nothing() {
    let mut shelf = Shelf::new(&["--ping-interval", "0"]);
    let alice = shelf.person("tea");
    shelf.publish(alice, "tea", "x", 1);
    shelf.tick();
    let ticket = shelf.waiting[0].ticket;
    shelf.accept(0, 3);
    assert_eq!(shelf.read(alice), ["error 1 \"unavailable\" 1000"]);
    let again = Answer::Accepted {
        ticket,
        offset: 1,
        at_ms: 0,
    };
    shelf.hall.server.on_answer(again, shelf.hall.now);
    shelf.tick();
    assert!(shelf.read(alice).is_empty());
}

#[test]
fn who_sends_it_again_after_the_timeout_waits_for_the_same_answer() {
    let mut shelf = Shelf::new(&["--ping-interval", "0"]);
    let alice = shelf.person("tea");
    let json = r#"{"type":"publish","room":"tea","data":"x","dedup":"d","id":1}"#;
    for _ in 0..3 {
        shelf.command(alice, json);
        shelf.tick();
        assert!(shelf.read(alice).is_empty());
        shelf.hall.now.ms += STORE_TIMEOUT_MS;
        shelf.tick();
        assert_eq!(shelf.read(alice), ["error 1 \"unavailable\" 1000"]);
    }
    shelf.command(alice, json);
    shelf.tick();
    assert_eq!(shelf.waiting.len(), 1, "it waits once");
    shelf.accept(0, 1);
    let mut seen = shelf.read(alice);
    seen.sort();
    assert_eq!(seen, ["message 1 \"x\"", "ok 1 1"]);
}

/// A room of which the server remembers two messages, and the store all; who has sent so many, and the room's epoch.
fn forgetful(count: u64) -> (Shelf, GuestId, String) {
    let mut shelf = Shelf::new(&["--ping-interval", "0", "--rate", "0", "--history", "2"]);
    let alice = shelf.person("tea");
    for offset in 1..=count {
        shelf.publish(alice, "tea", &format!("m{offset}"), 0);
        shelf.tick();
        shelf.accept(0, offset);
    }
    shelf.hall.read(alice);
    shelf.command(alice, r#"{"type":"history","room":"tea","limit":1}"#);
    shelf.tick();
    let epoch = shelf.event(alice, "history")["epoch"]
        .as_str()
        .unwrap()
        .to_owned();
    (shelf, alice, epoch)
}

/// Somebody who comes back to where they were in that room.
fn come_back(shelf: &mut Shelf, epoch: &str, offset: u64) -> GuestId {
    let guest = shelf.hall.connect(usize::MAX);
    shelf.hall.enter_json(guest);
    shelf.hall.read(guest);
    let since = format!(r#"{{"epoch":"{epoch}","offset":{offset}}}"#);
    shelf.command(
        guest,
        &format!(r#"{{"type":"join","room":"tea","since":{since}}}"#),
    );
    shelf.tick();
    guest
}

/// Somebody who reads a stream of the room from where they were.
fn stream(shelf: &mut Shelf, epoch: &str, offset: u64) -> GuestId {
    let guest = shelf.hall.connect(usize::MAX);
    let request = format!(
        "GET /rooms/tea/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {epoch}-{offset}\r\n\r\n"
    );
    shelf.hall.send(guest, request.as_bytes());
    shelf.tick();
    let head = String::from_utf8(shelf.hall.sip(guest, usize::MAX)).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    guest
}

fn get(shelf: &mut Shelf, guest: GuestId, query: &str) {
    let request = format!("GET /rooms/tea/messages{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    shelf.hall.send(guest, request.as_bytes());
    shelf.tick();
}

/// The data of the messages of an event.
fn data(event: &serde_json::Value) -> Vec<&str> {
    let messages = event["messages"].as_array().unwrap().iter();
    messages
        .map(|message| message["data"].as_str().unwrap())
        .collect()
}

#[test]
fn who_has_missed_more_than_is_remembered_gets_it_from_the_store() {
    let (mut shelf, alice, epoch) = forgetful(6);
    let bob = come_back(&mut shelf, &epoch, 1);
    // The room goes on meanwhile, beyond what it remembers.
    for offset in 7..=10 {
        shelf.publish(alice, "tea", &format!("m{offset}"), 0);
        shelf.tick();
        shelf.accept(0, offset);
        assert!(shelf.read(bob).is_empty(), "it is not told in part");
    }
    shelf.read_stored();
    assert_eq!(shelf.reads.len(), 1, "the rest is asked for");
    shelf.read_stored();
    let joined = shelf.event(bob, "joined");
    assert_eq!(joined["recovered"], true);
    assert_eq!(
        data(&joined),
        ["m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10"]
    );
    shelf.publish(alice, "tea", "m11", 0);
    shelf.tick();
    shelf.accept(0, 11);
    assert_eq!(shelf.read(bob), ["message 11 \"m11\""], "it is live");
}

#[test]
fn who_comes_back_while_the_store_is_away_is_told_what_is_remembered() {
    let (mut shelf, _, epoch) = forgetful(6);
    let bob = come_back(&mut shelf, &epoch, 1);
    shelf.command(bob, r#"{"type":"ping","id":2}"#);
    shelf.tick();
    assert!(shelf.read(bob).is_empty(), "the next command waits");
    shelf.hall.now.ms += STORE_TIMEOUT_MS;
    shelf.hall.end_tick(u64::MAX);
    let joined = shelf.event(bob, "joined");
    assert_eq!(
        (&joined["recovered"], data(&joined)),
        (&false.into(), vec!["m5", "m6"])
    );
    shelf.tick();
    assert_eq!(shelf.read(bob), ["pong 2"]);
    // An answer that comes later is no use any more.
    shelf.read_stored();
    assert!(shelf.read(bob).is_empty());
}

#[test]
fn who_leaves_before_the_store_has_answered_is_told_nothing() {
    let (mut shelf, _, epoch) = forgetful(6);
    let bob = stream(&mut shelf, &epoch, 1);
    shelf.hall.end(bob);
    shelf.tick();
    shelf.read_stored();
    assert!(shelf.hall.is_gone(bob));
    assert!(shelf.hall.sip(bob, usize::MAX).is_empty());
}

#[test]
fn a_stream_begins_with_what_the_store_has_found() {
    let (mut shelf, alice, epoch) = forgetful(6);
    let bob = stream(&mut shelf, &epoch, 2);
    shelf.read_stored();
    shelf.publish(alice, "tea", "m7", 0);
    shelf.tick();
    shelf.accept(0, 7);
    let text = String::from_utf8(shelf.hall.sip(bob, usize::MAX)).unwrap();
    assert!(text.contains("\"recovered\":true"), "{text}");
    let place = |body: &str| {
        assert_eq!(text.matches(body).count(), 1, "{body} in {text}");
        text.find(body)
    };
    let places = ["m3", "m4", "m5", "m6", "m7"].map(place);
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn old_pages_come_from_the_store_at_both_doors() {
    let (mut shelf, alice, _) = forgetful(9);
    shelf.command(
        alice,
        r#"{"type":"history","room":"tea","before":5,"limit":3,"id":1}"#,
    );
    shelf.tick();
    shelf.read_stored();
    let page = shelf.event(alice, "history");
    assert_eq!(
        (data(&page), &page["more"]),
        (vec!["m2", "m3", "m4"], &true.into())
    );
    let program = shelf.hall.connect(usize::MAX);
    get(&mut shelf, program, "?limit=4");
    assert!(shelf.hall.sip(program, usize::MAX).is_empty());
    shelf.read_stored();
    let response = String::from_utf8(shelf.hall.sip(program, usize::MAX)).unwrap();
    let has = |body: &str| response.contains(&format!("\"{body}\""));
    assert!(!has("m5") && has("m6") && has("m9"), "{response}");
    // What the server remembers it does not ask for.
    get(&mut shelf, program, "?limit=2");
    assert!(shelf.reads.is_empty());
    assert!(!shelf.hall.sip(program, usize::MAX).is_empty());
    get(&mut shelf, program, "");
    shelf.hall.now.ms += STORE_TIMEOUT_MS;
    shelf.tick();
    let response = String::from_utf8(shelf.hall.sip(program, usize::MAX)).unwrap();
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
}

const SECRET: &[u8] = b"a secret of at least 32 bytes, as wanted";

/// A token for all rooms, of an admin if that is its name.
fn token(shelf: &Shelf, name: &str) -> String {
    let claims = Claims {
        sub: name.to_owned(),
        exp: shelf.hall.now.unix_ms as f64 / 1000.0 + 60.0,
        nbf: None,
        iat: None,
        aud: None,
        subscribe: vec!["*".to_owned()],
        publish: vec!["*".to_owned()],
        admin: name == "admin",
    };
    issue(&claims, SECRET).unwrap()
}

#[test]
fn who_is_put_out_while_the_store_reads_goes_on() {
    let (mut shelf, _, epoch) = forgetful(6);
    let mut keys = Keys::new(None);
    keys.add_secret(SECRET).unwrap();
    shelf.hall.server.require_tokens(keys);
    let log_in = |shelf: &mut Shelf, name: &str| {
        let guest = shelf.hall.connect(usize::MAX);
        shelf.hall.enter_json(guest);
        let token = token(shelf, name);
        shelf.command(guest, &format!(r#"{{"type":"login","token":"{token}"}}"#));
        shelf.tick();
        shelf.read(guest);
        guest
    };
    let (bob, admin) = (log_in(&mut shelf, "bob"), log_in(&mut shelf, "admin"));
    let since = format!(r#"{{"epoch":"{epoch}","offset":1}}"#);
    let join = format!(r#"{{"type":"join","room":"tea","since":{since},"id":1}}"#);
    shelf.command(bob, &join);
    shelf.tick();
    assert!(shelf.read(bob).is_empty());
    shelf.command(admin, r#"{"type":"empty","room":"tea"}"#);
    shelf.tick();
    assert_eq!(shelf.read(bob), ["left"]);
    shelf.command(bob, r#"{"type":"ping","id":2}"#);
    shelf.read_stored();
    shelf.tick();
    assert_eq!(shelf.read(bob), ["error 1 \"not_joined\"", "pong 2"]);
}

#[test]
fn who_has_missed_a_damaged_message_is_not_told_that_nothing_is_missing() {
    let (mut shelf, _, epoch) = forgetful(6);
    // The store leaves out the third.
    shelf.stored.remove(2);
    for (offset, recovered) in [(1, false), (3, true)] {
        let bob = come_back(&mut shelf, &epoch, offset);
        shelf.read_stored();
        let joined = shelf.event(bob, "joined");
        assert_eq!(joined["recovered"], recovered, "{joined}");
    }
}
