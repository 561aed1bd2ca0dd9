//! Datagrams into rooms that cannot keep up with them: nothing holds them back, so they are dropped.

use std::net::{Ipv4Addr, SocketAddr};

use parlor::core::DatagramResult;
use parlor::limits::ROOM_BACKLOG;

use crate::hall::{GuestId, Hall};
use crate::reader::Seen;

const LENGTH: usize = 10_000;

/// Sends something of `LENGTH` bytes to a room.
fn spray(hall: &mut Hall, room: usize, name: usize) -> DatagramResult {
    let text = format!("{name}|");
    let datagram = format!("room-{room} {text}{}", "x".repeat(LENGTH - text.len()));
    let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    hall.server.on_datagram(from, datagram.as_bytes(), hall.now)
}

/// The names of what has come for a member.
fn names(hall: &mut Hall, member: GuestId) -> Vec<usize> {
    let seen = hall.read(member).into_iter().map(|seen| match seen {
        Seen::Message { payload, .. } => String::from_utf8(payload).unwrap(),
        other => panic!("a member sees {other:?}"),
    });
    let names = seen.map(|text| text.split('|').next().unwrap().parse());
    names.collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_room_that_is_behind_takes_none_and_another_does() {
    let mut hall = Hall::new(&["--rate", "0"]);
    let (busy, quiet) = (hall.enter(0), hall.enter(1));
    let (mut taken, mut heard) = (Vec::new(), Vec::new());
    for tick in 0..20 {
        for name in 100 * tick..100 * (tick + 1) {
            match spray(&mut hall, 0, name) {
                DatagramResult::Taken => taken.push(name),
                verdict => assert_eq!(verdict, DatagramResult::RoomBehind),
            }
        }
        assert_eq!(spray(&mut hall, 1, tick), DatagramResult::Taken);
        hall.tick(u64::MAX);
        let batch = names(&mut hall, busy);
        assert_eq!(batch.len(), ROOM_BACKLOG / LENGTH + 1);
        heard.extend(batch);
        assert_eq!(names(&mut hall, quiet), [tick]);
    }
    assert_eq!(heard, taken);
}

#[test]
fn none_is_taken_while_the_memory_is_used_up() {
    let mut hall = Hall::new(&["--rate", "0", "--max-memory", "1048576"]);
    let members: Vec<GuestId> = (0..5).map(|room| hall.enter(room)).collect();
    for _ in 0..3 {
        let mut verdicts = (0..125).map(|name| spray(&mut hall, name / 25, name));
        let taken = verdicts
            .by_ref()
            .take_while(|it| *it == DatagramResult::Taken);
        let taken = taken.count();
        assert!((70..=105).contains(&taken), "{taken}");
        assert!(verdicts.all(|it| it == DatagramResult::OutOfMemory));
        hall.tick(u64::MAX);
        let heard: usize = members.iter().map(|&it| names(&mut hall, it).len()).sum();
        assert_eq!(heard, taken);
    }
}

#[test]
fn nothing_is_heard_once_the_server_is_ending() {
    let mut hall = Hall::new(&[]);
    let member = hall.enter(0);
    assert_eq!(spray(&mut hall, 0, 1), DatagramResult::Taken);
    hall.server.begin_drain(hall.now);
    assert_eq!(spray(&mut hall, 0, 2), DatagramResult::ShuttingDown);
    hall.tick(u64::MAX);
    match &hall.read(member)[..] {
        [Seen::Message { payload, .. }, Seen::Close { .. }] => assert!(payload.starts_with(b"1|")),
        other => panic!("{other:?}"),
    }
}
