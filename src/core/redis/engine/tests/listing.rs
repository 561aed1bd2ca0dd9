//! The rooms of all partitions, and who is in them.

use super::*;

/// The reply of a partition with these rooms, which may have more after `upto`.
fn rooms_of(names: &[&str], upto: &str) -> Reply {
    let rooms = names.iter().map(bulk);
    Reply::Array(vec![bulk(&upto), Reply::Array(rooms.collect())])
}

/// All partitions are asked for rooms: the tokens.
fn asked_for_rooms(bench: &mut Bench, ticket: u64) -> Vec<u64> {
    let (head, after) = ("".into(), None);
    bench.ask(Request::People(PeopleRequest::Rooms {
        ticket: Ticket(ticket),
        wanted: WantedRooms::Head { head, after },
    }));
    let orders = std::iter::from_fn(|| bench.engine.next_order());
    let tokens: Vec<u64> = orders
        .map(|order| match order {
            Order::Send { token, .. } => token,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(tokens.len(), usize::from(crate::limits::PARTITIONS));
    tokens
}

#[test]
fn rooms_of_all_partitions_are_listed_as_far_as_all_are_known() {
    let mut bench = Bench::new(0);
    let tokens = asked_for_rooms(&mut bench, 1);
    for (at, token) in tokens.into_iter().enumerate() {
        assert!(bench.told().is_empty());
        let reply = match at {
            3 => rooms_of(&["tea", "ale"], "tea"),
            5 => rooms_of(&["mate"], "rum"),
            7 => rooms_of(&["zoo", "bar"], ""),
            _ => rooms_of(&[], ""),
        };
        bench.reply(token, reply);
    }
    let told = bench.told();
    let [
        Output::Answer(Answer::People {
            answer: PeopleAnswer::Rooms(found),
            ..
        }),
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(found.rooms, ["ale", "bar", "mate"].map(Into::into));
    assert_eq!(found.upto.as_deref(), Some("rum"));
}

#[test]
fn who_is_in_rooms_is_counted_by_their_partitions() {
    let mut bench = Bench::new(0);
    let rooms: Vec<Box<str>> = ["tea", "mate", "ale"].map(Into::into).into();
    bench.ask(Request::People(PeopleRequest::Count {
        ticket: Ticket(1),
        rooms: rooms.clone(),
    }));
    let orders: Vec<Order> = std::iter::from_fn(|| bench.engine.next_order()).collect();
    assert_eq!(orders.len(), 3, "they are in three partitions");
    for order in orders {
        let Order::Send { slot, token, .. } = order else {
            panic!("{order:?}");
        };
        let room = rooms.iter().find(|it| Partition::of(it).slot() == slot);
        bench.reply(token, Reply::Array(vec![bulk(&room.unwrap().len())]));
    }
    let told = bench.told();
    let [
        Output::Answer(Answer::People {
            answer: PeopleAnswer::Counts(counts),
            ..
        }),
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert!(counts.len() == 3 && counts.iter().all(|(room, count)| room.len() == *count));
}

#[test]
fn without_one_partition_there_is_no_list() {
    let mut bench = Bench::new(0);
    let tokens = asked_for_rooms(&mut bench, 1);
    for (at, token) in tokens.into_iter().enumerate() {
        match at {
            20 => bench.fail(token),
            30 => bench.reply(token, Reply::Error("NOPERM".into())),
            _ => bench.reply(token, rooms_of(&[], "")),
        }
    }
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
