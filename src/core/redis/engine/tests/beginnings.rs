//! Rooms that begin at any node.

use super::*;
use crate::limits::PARTITIONS;

/// The partition of `tea`.
fn partition() -> Partition {
    Partition::of("tea")
}

/// What a partition says: its last number, and what has begun.
fn begun(last: u64, entries: &[(u64, u64, u64)]) -> Reply {
    let entry = |(before, number, offset): &(u64, u64, u64)| {
        let fields = [
            "b",
            &before.to_string(),
            "o",
            &offset.to_string(),
            "r",
            "tea",
        ];
        let fields = fields.iter().map(|it| bulk(*it)).collect();
        Reply::Array(vec![bulk(&format!("{number}-0")), Reply::Array(fields)])
    };
    let entries = entries.iter().map(entry).collect();
    Reply::Array(vec![bulk(&last), Reply::Array(entries)])
}

impl Bench {
    /// Commands that were sent: tokens, slots, and the names of the scripts.
    fn all_sent(&mut self) -> Vec<(u64, Slot, &'static str)> {
        let orders = std::iter::from_fn(|| self.engine.next_order());
        let sent = orders.filter_map(|order| match order {
            Order::Send {
                slot,
                command: Command::Script { script, .. },
                token,
            } => Some((token, slot, script.name)),
            _ => None,
        });
        sent.collect()
    }

    fn beginnings(&mut self) -> LinkEvent {
        let channel = partition().beginnings();
        LinkEvent::Subscribed { channel }
    }

    /// One that hears which rooms begin; all partitions have the last number 5.
    fn hearing() -> Self {
        let mut bench = Self::new(0);
        let ticket = Ticket(1);
        let after = Vec::new();
        bench.ask(Request::People(PeopleRequest::HearBeginnings {
            ticket,
            after,
        }));
        let orders: Vec<Order> = std::iter::from_fn(|| bench.engine.next_order()).collect();
        assert_eq!(orders.len(), usize::from(PARTITIONS));
        for order in orders {
            assert!(bench.told().is_empty());
            let Order::Subscribe { channel, .. } = order else {
                panic!("{order:?}");
            };
            bench.event(LinkEvent::Subscribed { channel });
            let (token, words) = bench.sent();
            assert_eq!(words, "begun");
            bench.reply(token, begun(5, &[]));
        }
        let told = bench.told();
        let [
            Output::Answer(Answer::People {
                answer: PeopleAnswer::Hearing(last),
                ..
            }),
        ] = &told[..]
        else {
            panic!("{told:?}");
        };
        assert_eq!(*last, [5; PARTITIONS as usize]);
        bench
    }

    /// A beginning is said on the channel.
    fn hear_beginning(&mut self, before: u64, number: u64) {
        let payload = format!("b {before} {number} 0 tea\n").into_bytes();
        let channel = partition().beginnings();
        self.event(LinkEvent::Message { channel, payload });
    }

    /// The numbers that the server is told, with 0 for those that were missed.
    fn told_numbers(&mut self) -> Vec<u64> {
        let told = self.told().into_iter().map(|output| match output {
            Output::PeopleNews(PeopleNews::Begun { number, room, .. }) => {
                assert_eq!(&*room, "tea");
                number
            }
            Output::PeopleNews(PeopleNews::BeginningsMissed) => 0,
            other => panic!("{other:?}"),
        });
        told.collect()
    }
}

#[test]
fn beginnings_are_told_in_their_order_once() {
    let mut bench = Bench::hearing();
    bench.hear_beginning(5, 9);
    bench.hear_beginning(9, 10);
    bench.hear_beginning(9, 10);
    assert_eq!(bench.told_numbers(), [9, 10]);
    assert!(bench.all_sent().is_empty());
}

#[test]
fn what_was_not_heard_is_read() {
    let mut bench = Bench::hearing();
    bench.hear_beginning(8, 9);
    assert!(bench.told().is_empty());
    let (token, words) = bench.sent();
    assert_eq!(words, "begun");
    bench.hear_beginning(9, 11);
    bench.reply(token, begun(9, &[(5, 8, 0), (8, 9, 0)]));
    assert_eq!(bench.told_numbers(), [8, 9]);
    // What was said meanwhile is read, too.
    let (token, _) = bench.sent();
    bench.reply(token, begun(11, &[(9, 11, 0)]));
    assert_eq!(bench.told_numbers(), [11]);
    assert!(bench.all_sent().is_empty());
}

#[test]
fn what_is_not_kept_any_more_is_to_be_looked_for() {
    let mut bench = Bench::hearing();
    bench.hear_beginning(20, 21);
    let (token, _) = bench.sent();
    bench.reply(token, begun(21, &[(19, 20, 0), (20, 21, 0)]));
    assert_eq!(bench.told_numbers(), [20, 0, 21]);
}

#[test]
fn a_log_that_was_lost_begins_anew() {
    let mut bench = Bench::hearing();
    bench.hear_beginning(7, 8);
    let (token, _) = bench.sent();
    bench.reply(token, begun(0, &[]));
    assert!(bench.all_sent().is_empty(), "it is not asked for ever");
    bench.hear_beginning(0, 3);
    assert_eq!(bench.told_numbers(), [3]);
}

#[test]
fn a_channel_that_was_silent_is_made_up_for() {
    let mut bench = Bench::hearing();
    let channel = partition().beginnings();
    bench.event(LinkEvent::Unsubscribed { channel });
    let heard = bench.beginnings();
    bench.event(heard);
    let (token, _) = bench.sent();
    bench.fail(token);
    assert!(bench.all_sent().is_empty());
    bench.now_ms += ASK_AGAIN_MS;
    bench.engine.begin_tick(bench.now_ms);
    let asked = bench.all_sent();
    let slot = partition().slot();
    let (token, ..) = asked.iter().find(|it| it.1 == slot).unwrap();
    bench.reply(*token, begun(6, &[(5, 6, 0)]));
    assert_eq!(bench.told_numbers(), [6, 0], "rooms are looked for, too");
    // A message that was lost is noticed in the end.
    bench.now_ms += COMPARE_MS;
    bench.engine.begin_tick(bench.now_ms);
    let asked = bench.all_sent();
    let (token, ..) = asked.iter().find(|it| it.1 == slot).unwrap();
    bench.reply(*token, begun(7, &[(6, 7, 0)]));
    assert_eq!(bench.told_numbers(), [7]);
}

#[test]
fn rooms_in_use_are_told_after_all_that_have_begun_before() {
    let mut bench = Bench::hearing();
    let wanted = WantedRooms::Head {
        head: "t".into(),
        after: None,
    };
    let request = |ticket| PeopleRequest::RoomsOf {
        ticket: Ticket(ticket),
        partition: partition().number(),
        wanted: wanted.clone(),
    };
    bench.ask(Request::People(request(2)));
    let (token, words) = bench.sent();
    assert_eq!(words, "rooms");
    let rooms = Reply::Array(vec![bulk(""), Reply::Array(vec![bulk("tea")])]);
    bench.reply(token, rooms.clone());
    assert!(bench.told().is_empty());
    let (token, words) = bench.sent();
    assert_eq!(words, "begun");
    bench.reply(token, begun(6, &[(5, 6, 0)]));
    let told = bench.told();
    assert!(
        matches!(
            &told[..],
            [
                Output::PeopleNews(PeopleNews::Begun { number: 6, .. }),
                Output::Answer(Answer::People { answer: PeopleAnswer::Rooms(found), .. })
            ] if found.rooms == ["tea".into()]
        ),
        "{told:?}"
    );
    // Whoever waits when the channel is lost asks again.
    bench.ask(Request::People(request(3)));
    let (token, _) = bench.sent();
    bench.reply(token, rooms);
    let channel = partition().beginnings();
    bench.event(LinkEvent::Unsubscribed { channel });
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

#[test]
fn nothing_is_heard_any_more_when_nobody_wants_to() {
    let mut bench = Bench::hearing();
    bench.ask(Request::People(PeopleRequest::IgnoreBeginnings));
    let orders: Vec<Order> = std::iter::from_fn(|| bench.engine.next_order()).collect();
    assert_eq!(orders.len(), usize::from(PARTITIONS));
    assert!(
        orders
            .iter()
            .all(|it| matches!(it, Order::Unsubscribe { .. }))
    );
    bench.hear_beginning(5, 9);
    assert!(bench.told().is_empty());
    assert!(bench.engine.next_deadline_ms().is_none());
}

#[test]
fn a_room_is_listed_before_the_first_message_is_published() {
    let mut bench = Bench::with_room(0);
    bench.lose_channel();
    bench.find_channel();
    let (token, _) = bench.sent();
    bench.reply(
        token,
        Reply::Array(vec![bulk(&format!("{EPOCH:x}")), bulk(&2)]),
    );
    bench.all_sent();
    for expected in [&["list", "publish"][..], &["publish"]] {
        bench.ask(append(5));
        let sent = bench.all_sent();
        let names: Vec<&str> = sent.iter().map(|(_, _, name)| *name).collect();
        assert_eq!(names, expected);
    }
}
