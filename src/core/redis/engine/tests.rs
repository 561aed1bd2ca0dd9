//! The engine against replies that are written out.

mod banned;
mod beginnings;
mod files;
mod listing;
mod push;

use super::*;
use crate::core::chat::Content;
use crate::core::store::{
    Append, Contents, Load, PeopleAnswer, PeopleRequest, Read, Record, Stored, WantedRooms,
};
use crate::limits::{ASK_AGAIN_MS, BEGIN_MS, CHANNEL_LATE_MS, COMPARE_MS};

const EPOCH: u64 = 0xe1;

struct Bench {
    engine: Engine,
    now_ms: u64,
    is_up: bool,
}

fn bulk(text: &(impl ToString + ?Sized)) -> Reply {
    Reply::Bulk(text.to_string().into_bytes())
}

fn record(body: &str) -> Record {
    Record {
        author_id: 7,
        author_name: "ana".into(),
        key: None,
        content: Content::Text,
        body: body.into(),
        retain: false,
        owner: "127.0.0.1".into(),
        sent: None,
        freshness: Default::default(),
    }
}

/// A message with this offset as Redis keeps it.
fn kept(offset: u64, origin: &str) -> Reply {
    let fields = [
        bulk(&"m"),
        Reply::Bulk(entry::encode(
            &record(&offset.to_string()),
            offset.to_string().as_bytes(),
            None,
        )),
        bulk(&"t"),
        bulk(&(1_000 + offset)),
        bulk(&"b"),
        bulk(&(offset - 1)),
        bulk(&"n"),
        bulk(&origin),
    ];
    let id = bulk(&format!("{offset}-0"));
    Reply::Array(vec![id, Reply::Array(fields.into())])
}

/// The reply to `load` of a room with messages up to this one.
fn contents(epoch: u64, offsets: std::ops::RangeInclusive<u64>, origin: &str) -> Reply {
    let offset = offsets.clone().last().unwrap_or(0);
    let newest = offsets.rev().map(|offset| kept(offset, origin));
    Reply::Array(vec![
        bulk(&format!("{epoch:x}")),
        bulk(&offset),
        Reply::Array(newest.collect()),
        Reply::Array(Vec::new()),
        Reply::Array(vec![bulk(&1), bulk(&2_000)]),
    ])
}

impl Bench {
    fn new(wait_ms: u64) -> Self {
        let mut engine = Engine::new(Limits::default(), wait_ms, [7; 32]);
        engine.begin_hearing_nodes("this");
        // Those on which nodes are spoken to.
        for _ in 0..2 {
            assert!(matches!(engine.next_order(), Some(Order::Subscribe { .. })));
        }
        Self {
            engine,
            now_ms: 0,
            is_up: true,
        }
    }

    /// One whose server has the room `tea`, up to offset 2.
    fn with_room(wait_ms: u64) -> Self {
        let mut bench = Self::new(wait_ms);
        bench.ask(load(1));
        bench.subscribed();
        let (token, _) = bench.sent();
        bench.reply(token, contents(EPOCH, 1..=2, "other:1"));
        assert!(matches!(
            bench.told()[..],
            [Output::Answer(Answer::Loaded { .. })]
        ));
        bench.list();
        bench
    }

    /// The server puts its room on the list.
    fn list(&mut self) {
        let list = PeopleRequest::List(vec!["tea".into()]);
        self.ask(Request::People(list));
        let (token, words) = self.sent();
        assert_eq!(words, "list");
        self.reply(token, Reply::Array(vec![bulk("ok")]));
    }

    fn ask(&mut self, request: Request) {
        let is_up = self.is_up;
        self.engine.on_request(request, |_| is_up, self.now_ms);
        self.engine.ask_all();
    }

    fn event(&mut self, event: LinkEvent) {
        self.engine.on_event(event, false, self.now_ms);
        self.engine.begin_tick(self.now_ms);
        self.engine.ask_all();
    }

    fn subscribed(&mut self) {
        let channel = Partition::of("tea").channel();
        assert!(matches!(
            self.engine.next_order(),
            Some(Order::Subscribe { channel: it, .. }) if it == channel
        ));
        self.event(LinkEvent::Subscribed { channel });
    }

    fn lose_channel(&mut self) {
        let channel = Partition::of("tea").channel();
        self.event(LinkEvent::Unsubscribed { channel });
    }

    fn find_channel(&mut self) {
        let channel = Partition::of("tea").channel();
        self.event(LinkEvent::Subscribed { channel });
    }

    fn reply(&mut self, token: u64, reply: Reply) {
        self.event(LinkEvent::Reply { token, reply });
    }

    fn fail(&mut self, token: u64) {
        self.event(LinkEvent::Failed {
            token,
            is_sent: true,
        });
    }

    /// A message comes on the channel.
    fn hear(&mut self, before: u64, offset: u64, origin: &str) {
        let head = format!("m {EPOCH:x} {before} {offset} 5 {origin} tea\n");
        let body = offset.to_string();
        let mut payload = head.into_bytes();
        payload.extend(entry::encode(&record(&body), body.as_bytes(), None));
        let channel = Partition::of("tea").channel();
        self.event(LinkEvent::Message { channel, payload });
    }

    /// The one command that was sent: its token, and its first words, or the name of its script.
    fn sent(&mut self) -> (u64, String) {
        let Some(Order::Send { command, token, .. }) = self.engine.next_order() else {
            panic!("nothing was sent");
        };
        assert!(self.engine.next_order().is_none(), "more was sent");
        let words = match command {
            Command::Script { script, .. } => script.name.to_owned(),
            Command::Plain(words) => {
                let words = words.iter().map(|it| String::from_utf8_lossy(it));
                words.collect::<Vec<_>>().join(" ")
            }
        };
        (token, words)
    }

    fn told(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.engine.next_output(|_| true)).collect()
    }

    /// The offsets of what the server is told, with an `a` before those of its own messages.
    fn offsets(&mut self) -> String {
        let told = self.told().into_iter().map(|output| match output {
            Output::Answer(Answer::Accepted { offset, .. }) => format!("a{offset}"),
            Output::News(News::Published(it)) => it.stored.offset.to_string(),
            other => panic!("{other:?}"),
        });
        told.collect::<Vec<_>>().join(" ")
    }

    fn origin(&self, ticket: u64) -> String {
        format!("{}:{ticket}", self.engine.process)
    }
}

fn load(ticket: u64) -> Request {
    Request::Load(Load {
        ticket: Ticket(ticket),
        room: "tea".into(),
        messages: 100,
        bytes: 1_000,
        sent_after_ms: 0,
    })
}

fn append(ticket: u64) -> Request {
    Request::Append(Append {
        ticket: Ticket(ticket),
        room: "tea".into(),
        epoch: EPOCH,
        at_ms: 0,
        offset: None,
        not_before: 0,
        record: record("new"),
        state: None,
        file: None,
        condition: None,
    })
}

/// The reply to `fill`.
fn filled(messages: Vec<Reply>) -> Reply {
    Reply::Array(vec![bulk(&format!("{EPOCH:x}")), Reply::Array(messages)])
}

fn ok(offset: u64) -> Reply {
    Reply::Array(vec![
        bulk(&"ok"),
        bulk(&format!("{EPOCH:x}")),
        bulk(&offset),
    ])
}

#[test]
fn a_room_is_loaded_once_its_channel_is_heard() {
    let mut bench = Bench::new(0);
    bench.ask(load(1));
    bench.subscribed();
    let (token, words) = bench.sent();
    assert_eq!(words, "load");
    bench.hear(2, 3, "other:1");
    bench.reply(token, contents(EPOCH, 1..=2, "other:1"));
    let told = bench.told();
    let [
        Output::Answer(Answer::Loaded {
            contents: Some(it), ..
        }),
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    let Contents {
        epoch,
        offset,
        messages,
        read_ms,
        ..
    } = &**it;
    assert_eq!((*epoch, *offset, *read_ms), (EPOCH, 2, Some(1_002)));
    let offsets: Vec<u64> = messages.iter().map(|it| it.offset).collect();
    assert_eq!(offsets, [1, 2]);
    // What was said meanwhile is read.
    let (token, words) = bench.sent();
    assert_eq!(words, "fill");
    bench.reply(token, filled(vec![kept(3, "other:1")]));
    assert_eq!(bench.offsets(), "3");
}

#[test]
fn a_message_is_accepted_when_it_is_on_the_channel_in_its_turn() {
    let mut bench = Bench::with_room(0);
    bench.ask(append(9));
    let (token, words) = bench.sent();
    assert_eq!(words, "publish");
    bench.reply(token, ok(4));
    assert_eq!(bench.offsets(), "");
    bench.hear(2, 3, "other:1");
    let origin = bench.origin(9);
    bench.hear(3, 4, &origin);
    bench.hear(3, 4, &origin);
    assert_eq!(bench.offsets(), "3 a4");
}

#[test]
fn a_message_that_wants_another_state_is_answered_with_the_state() {
    let mut bench = Bench::with_room(60_000);
    for (state, told) in [("", None), ("2 5\n", Some(2))] {
        bench.ask(append(9));
        let (token, _) = bench.sent();
        let mut bytes = state.as_bytes().to_vec();
        if told.is_some() {
            bytes.extend(entry::encode(&record("x"), b"x", None));
        }
        let state = Reply::Bulk(bytes);
        let refused = vec![bulk(&"conflict"), bulk(&format!("{EPOCH:x}")), state];
        bench.reply(token, Reply::Array(refused));
        let answers = bench.told();
        let [Output::Answer(Answer::Conflict { current, .. })] = &answers[..] else {
            panic!("{answers:?}");
        };
        assert_eq!(current.as_ref().map(|it| it.offset), told);
    }
    bench.now_ms += 60_000;
    bench.engine.begin_tick(bench.now_ms);
    assert!(bench.told().is_empty(), "it does not wait any more");
}

#[test]
fn a_message_that_is_lost_on_the_channel_is_read() {
    let mut bench = Bench::with_room(0);
    bench.ask(append(9));
    let (token, _) = bench.sent();
    bench.reply(token, ok(3));
    bench.now_ms += CHANNEL_LATE_MS;
    bench.engine.begin_tick(bench.now_ms);
    bench.engine.ask_all();
    let (token, words) = bench.sent();
    assert!(words.starts_with("HMGET"), "{words}");
    bench.reply(
        token,
        Reply::Array(vec![bulk(&format!("{EPOCH:x}")), bulk(&3)]),
    );
    let (token, _) = bench.sent();
    let origin = bench.origin(9);
    bench.reply(token, filled(vec![kept(3, &origin)]));
    assert_eq!(bench.offsets(), "a3");
}

#[test]
fn without_redis_messages_are_refused_and_may_be_published_all_the_same() {
    let mut bench = Bench::with_room(0);
    bench.ask(append(9));
    let (token, _) = bench.sent();
    bench.lose_channel();
    bench.is_up = false;
    bench.fail(token);
    bench.ask(append(10));
    let refused = bench.told();
    assert!(
        refused
            .iter()
            .all(|it| matches!(it, Output::Answer(Answer::Refused { .. })))
    );
    assert_eq!(refused.len(), 2);
    bench.find_channel();
    let (token, words) = bench.sent();
    assert!(words.starts_with("HMGET"), "{words}");
    bench.reply(
        token,
        Reply::Array(vec![bulk(&format!("{EPOCH:x}")), bulk(&3)]),
    );
    let (token, _) = bench.sent();
    let origin = bench.origin(9);
    bench.reply(token, filled(vec![kept(3, &origin)]));
    assert_eq!(bench.offsets(), "3", "as one of somebody else");
}

#[test]
fn what_waits_is_sent_again_unless_it_was_published() {
    let mut bench = Bench::with_room(60_000);
    bench.ask(append(8));
    let (token, _) = bench.sent();
    bench.fail(token);
    bench.ask(append(9));
    assert!(bench.engine.next_order().is_none(), "9 waits behind 8");
    bench.lose_channel();
    bench.ask(append(10));
    assert!(bench.told().is_empty());
    bench.find_channel();
    let (token, _) = bench.sent();
    bench.reply(
        token,
        Reply::Array(vec![bulk(&format!("{EPOCH:x}")), bulk(&3)]),
    );
    let (token, _) = bench.sent();
    let origin = bench.origin(8);
    bench.reply(token, filled(vec![kept(3, &origin)]));
    assert_eq!(bench.offsets(), "a3");
    bench.engine.ask_all();
    let mut again = 0;
    while let Some(order) = bench.engine.next_order() {
        again += u32::from(matches!(
            order,
            Order::Send {
                command: Command::Script { .. },
                ..
            }
        ));
    }
    assert_eq!(again, 3, "the room is listed, and then 9 and 10");
    bench.now_ms += 60_000;
    bench.engine.begin_tick(bench.now_ms);
    let refused = bench.told();
    assert_eq!(refused.len(), 2, "{refused:?}");
}

#[test]
fn a_room_of_another_epoch_is_loaded_anew() {
    let mut bench = Bench::with_room(0);
    bench.ask(append(9));
    let (token, _) = bench.sent();
    bench.reply(
        token,
        Reply::Array(vec![bulk(&"ok"), bulk(&"e2"), bulk(&1)]),
    );
    let origin = bench.origin(9);
    let said = format!("m e2 0 1 5 {origin} tea\n").into_bytes();
    let channel = Partition::of("tea").channel();
    bench.event(LinkEvent::Message {
        channel,
        payload: said,
    });
    let (token, words) = bench.sent();
    assert_eq!(words, "load");
    bench.reply(token, contents(0xe2, 1..=1, &origin));
    let told = bench.told();
    assert!(
        matches!(
            &told[..],
            [
                Output::Answer(Answer::Again { offset: 1, .. }),
                Output::News(News::Reloaded { .. }),
            ] | [
                Output::News(News::Reloaded { .. }),
                Output::Answer(Answer::Again { offset: 1, .. }),
            ]
        ),
        "{told:?}"
    );
}

#[test]
fn messages_of_another_epoch_are_not_taken_for_those_that_are_missing() {
    let mut bench = Bench::with_room(0);
    bench.hear(3, 4, "other:1");
    let (token, _) = bench.sent();
    let there = vec![bulk("e2"), Reply::Array(vec![kept(3, "other:1")])];
    bench.reply(token, Reply::Array(there));
    assert!(bench.told().is_empty());
    assert_eq!(bench.sent().1, "load");
}

#[test]
fn what_is_refused_is_asked_again() {
    let mut bench = Bench::new(0);
    bench.ask(load(1));
    bench.subscribed();
    let (token, _) = bench.sent();
    bench.reply(token, Reply::Error("OOM command not allowed".into()));
    assert!(matches!(
        bench.told()[..],
        [Output::Answer(Answer::Refused { .. })]
    ));
    bench.now_ms += ASK_AGAIN_MS;
    bench.engine.begin_tick(bench.now_ms);
    bench.engine.ask_all();
    assert_eq!(bench.sent().1, "load");
}

#[test]
fn a_message_waits_for_the_first_connection() {
    let mut bench = Bench::new(0);
    bench.engine.adopt(vec![Followed {
        room: "tea".into(),
        epoch: EPOCH,
        offset: 2,
        is_paused: false,
    }]);
    bench.ask(append(9));
    assert!(bench.told().is_empty());
    bench.subscribed();
    let (token, _) = bench.sent();
    // Another one waits behind it.
    bench.ask(append(10));
    let there = [bulk(&format!("{EPOCH:x}")), bulk(&2)];
    bench.reply(token, Reply::Array(there.into()));
    let orders = std::iter::from_fn(|| bench.engine.next_order());
    assert_eq!(orders.count(), 3, "the room is listed first");
    bench.now_ms += BEGIN_MS;
    bench.engine.begin_tick(bench.now_ms);
    assert_eq!(bench.told().len(), 2, "both are refused in time");
}

#[test]
fn who_asks_for_all_is_answered_when_all_is_told() {
    let mut bench = Bench::with_room(0);
    bench.ask(Request::Read(Read {
        ticket: Ticket(3),
        room: "tea".into(),
        epoch: EPOCH,
        after: 3,
        before: 3,
        limit: 100,
    }));
    let (token, words) = bench.sent();
    assert!(words.starts_with("HMGET"), "{words}");
    let there = [bulk(&format!("{EPOCH:x}")), bulk(&3)];
    bench.reply(token, Reply::Array(there.into()));
    let (token, _) = bench.sent();
    assert!(bench.told().is_empty());
    bench.reply(token, filled(vec![kept(3, "other:1")]));
    let told = bench.told();
    assert!(
        matches!(
            &told[..],
            [
                Output::News(News::Published(_)),
                Output::Answer(Answer::Page { .. })
            ]
        ),
        "{told:?}"
    );
}

#[test]
fn a_page_is_read_from_the_log() {
    let mut bench = Bench::with_room(0);
    bench.ask(Request::Read(Read {
        ticket: Ticket(3),
        room: "tea".into(),
        epoch: EPOCH,
        after: 0,
        before: 3,
        limit: 1,
    }));
    let (token, words) = bench.sent();
    assert!(words.ends_with("(3-0 (0-0 COUNT 2"), "{words}");
    bench.reply(token, Reply::Array(vec![kept(2, "o:1"), kept(1, "o:1")]));
    let told = bench.told();
    let [
        Output::Answer(Answer::Page {
            messages,
            more: true,
            ..
        }),
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    let offsets: Vec<u64> = messages
        .iter()
        .map(|Stored { offset, .. }| *offset)
        .collect();
    assert_eq!(offsets, [2]);
}

#[test]
fn a_room_that_is_left_is_not_heard_any_more() {
    let mut bench = Bench::with_room(0);
    bench.ask(Request::Shared(Shared::Leave { room: "tea".into() }));
    assert!(matches!(
        bench.engine.next_order(),
        Some(Order::Unsubscribe { .. })
    ));
    bench.hear(2, 3, "other:1");
    assert!(bench.told().is_empty());
    assert_eq!(bench.engine.next_deadline_ms(), None);
}

#[test]
fn who_is_at_other_nodes_is_looked_up() {
    let mut bench = Bench::new(0);
    let look = |ticket| {
        Request::People(PeopleRequest::Look {
            ticket: Ticket(ticket),
            room: "tea".into(),
        })
    };
    bench.ask(look(1));
    let (token, script) = bench.sent();
    assert_eq!(script, "look");
    let fields = ["s", "7", "u", "2", "5", "ana"].map(bulk);
    let node = Reply::Array(vec![bulk("other"), Reply::Array(fields.into())]);
    bench.reply(token, Reply::Array(vec![node]));
    let told = bench.told();
    let [Output::Answer(Answer::People { ticket, answer })] = &told[..] else {
        panic!("{told:?}");
    };
    let PeopleAnswer::Present(nodes) = answer else {
        panic!("{answer:?}");
    };
    let [(node, here)] = &nodes[..] else {
        panic!("{nodes:?}");
    };
    assert_eq!((*ticket, &**node, &*here.room), (Ticket(1), "other", "tea"));
    assert_eq!((here.sequence, here.after, here.unlisted), (7, 0, 2));
    assert_eq!((here.present[0].id, &*here.present[0].name), (5, "ana"));
    // What cannot be asked is answered, too.
    bench.ask(look(2));
    let (token, _) = bench.sent();
    bench.fail(token);
    let told = bench.told();
    assert!(
        matches!(
            told[..],
            [Output::Answer(Answer::People {
                answer: PeopleAnswer::Unavailable,
                ..
            })]
        ),
        "{told:?}"
    );
}

/// What was expected has come: there is nothing to ask, until it is time to compare again.
#[test]
fn positions_are_compared_again_after_messages_of_its_own() {
    let mut bench = Bench::with_room(0);
    bench.ask(append(9));
    let (token, _) = bench.sent();
    bench.reply(
        token,
        Reply::Array(vec![bulk(&"ok"), bulk(&format!("{EPOCH:x}")), bulk(&3)]),
    );
    let origin = bench.origin(9);
    bench.hear(2, 3, &origin);
    assert_eq!(bench.offsets(), "a3");
    bench.now_ms = bench.engine.next_deadline_ms().unwrap();
    assert!(bench.now_ms < COMPARE_MS, "it looks for its message");
    bench.engine.begin_tick(bench.now_ms);
    bench.engine.ask_all();
    assert!(bench.engine.next_order().is_none());
    bench.now_ms += COMPARE_MS;
    bench.engine.begin_tick(bench.now_ms);
    bench.engine.ask_all();
    let (_, words) = bench.sent();
    assert!(words.starts_with("HMGET"), "{words}");
}

/// A message of this node's comes on the channel in another epoch, where it is the first.
fn hear_in_epoch(bench: &mut Bench, epoch: u64, ticket: u64) {
    let origin = bench.origin(ticket);
    let payload = format!("m {epoch:x} 0 1 5 {origin} tea\n").into_bytes();
    let channel = Partition::of("tea").channel();
    bench.event(LinkEvent::Message { channel, payload });
}

#[test]
fn a_message_that_is_lost_with_its_log_is_to_be_sent_again() {
    let mut bench = Bench::with_room(60_000);
    bench.ask(append(9));
    let (publish, _) = bench.sent();
    // Redis has lost everything before this message, and again after it.
    hear_in_epoch(&mut bench, 0xe2, 9);
    let (load, words) = bench.sent();
    assert_eq!(words, "load");
    let published = vec![bulk(&"ok"), bulk(&"e2"), bulk(&1)];
    bench.reply(publish, Reply::Array(published));
    bench.reply(load, contents(0xe3, 1..=1, "other:1"));
    let told = bench.told();
    let refused = |it: &&Output| matches!(it, Output::Answer(Answer::Refused { ticket, .. }) if ticket.0 == 9);
    assert_eq!(told.iter().filter(refused).count(), 1, "{told:?}");
    bench.now_ms += 60_000;
    bench.engine.begin_tick(bench.now_ms);
    assert!(bench.told().is_empty(), "it is answered once");
}

#[test]
fn a_message_that_is_not_kept_any_more_was_published_all_the_same() {
    let mut bench = Bench::with_room(0);
    bench.ask(append(9));
    let (publish, _) = bench.sent();
    hear_in_epoch(&mut bench, 0xe2, 9);
    let (load, _) = bench.sent();
    let published = vec![bulk(&"ok"), bulk(&"e2"), bulk(&1)];
    bench.reply(publish, Reply::Array(published));
    // A room that keeps little has only those of others.
    bench.reply(load, contents(0xe2, 2..=3, "other:1"));
    let told = bench.told();
    let accepted = |it: &&Output| matches!(it, Output::Answer(Answer::Again { ticket, offset: 1 }) if ticket.0 == 9);
    assert_eq!(told.iter().filter(accepted).count(), 1, "{told:?}");
}

#[test]
fn a_message_that_waits_to_be_told_is_answered_when_its_room_is_loaded_anew() {
    for (epoch, is_kept) in [(EPOCH, true), (0xe2, false)] {
        let mut bench = Bench::with_room(0);
        bench.ask(append(9));
        let (publish, _) = bench.sent();
        bench.reply(publish, ok(3));
        let origin = bench.origin(9);
        bench.hear(2, 3, &origin);
        hear_in_epoch(&mut bench, 0xe2, 7);
        let (load, words) = bench.sent();
        assert_eq!(words, "load");
        bench.reply(load, contents(epoch, 1..=4, "other:1"));
        let told = bench.told();
        let answers = told.iter().filter(|it| match it {
            Output::Answer(Answer::Again { ticket, offset: 3 }) => is_kept && ticket.0 == 9,
            Output::Answer(Answer::Refused { ticket, .. }) => !is_kept && ticket.0 == 9,
            _ => false,
        });
        assert_eq!(answers.count(), 1, "{told:?}");
    }
}
