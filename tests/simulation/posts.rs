//! Messages that come by POST into a room that cannot keep up with them.

use parlor::limits::ROOM_BACKLOG;

use crate::hall::{GuestId, Hall, TICK_MS};
use crate::reader::Seen;

const POSTERS: usize = 60;
const LENGTH: usize = 10_000;

/// A request that posts a message of `LENGTH` bytes, which begins with a name.
fn post(name: &str) -> Vec<u8> {
    format!(
        "POST /rooms/room-0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LENGTH}\r\n\r\n{name}|{}",
        "x".repeat(LENGTH - name.len() - 1)
    )
    .into_bytes()
}

/// What has come for a member, by name.
fn names(hall: &mut Hall, member: GuestId) -> Vec<String> {
    let seen = hall.read(member).into_iter().map(|seen| match seen {
        Seen::Message { payload, .. } => String::from_utf8(payload).unwrap(),
        other => panic!("a member sees {other:?}"),
    });
    seen.map(|text| text.split('|').next().unwrap().to_owned())
        .collect()
}

/// The statuses that have come for a poster.
fn statuses(hall: &mut Hall, poster: GuestId) -> Vec<u16> {
    let seen = hall.read(poster).into_iter().map(|seen| match seen {
        Seen::Response { status, .. } => status,
        other => panic!("a poster sees {other:?}"),
    });
    seen.collect()
}

/// Where a request has 200 ms to arrive, and nobody is pinged.
fn impatient_hall() -> Hall {
    Hall::new(&[
        "--handshake-timeout",
        "0.2",
        "--ping-interval",
        "0",
        "--rate",
        "0",
    ])
}

/// Posters wait when the room is behind, whether their body came with the head or later, and lose nothing.
#[test]
fn who_posts_to_a_room_that_is_behind_waits() {
    let mut hall = impatient_hall();
    let members = [(); 40].map(|()| hall.enter(0));
    let posters = [(); POSTERS].map(|()| hall.connect(usize::MAX));
    let (mut said, mut heard, mut waited) = (Vec::new(), Vec::new(), 0);
    for tick in 0..600 {
        for (number, &poster) in posters.iter().enumerate() {
            if tick >= 300 || statuses(&mut hall, poster).len() + usize::from(tick == 0) == 0 {
                continue;
            }
            said.push(format!("{number} at {tick}"));
            let request = post(said.last().unwrap());
            // One of three comes in parts.
            let now = if number % 3 == 0 { 1000 } else { LENGTH };
            hall.send(poster, &request[..now]);
            hall.begin_tick();
            hall.send(poster, &request[now..]);
        }
        hall.tick(0);
        heard.extend(names(&mut hall, members[0]));
        waited = waited.max(said.len() - heard.len());
        hall.discard(&members[1..]);
    }
    assert!(waited > 50, "the room kept up: {waited}");
    assert!(said.len() > 2 * POSTERS, "{} messages", said.len());
    said.sort_unstable();
    heard.sort_unstable();
    assert_eq!(heard, said);
}

/// The time for a body does not run while the server does not read it.
#[test]
fn who_is_made_to_wait_is_not_late() {
    let mut hall = impatient_hall();
    let members = [(); 40].map(|()| hall.enter(0));
    let flooder = hall.enter(0);
    for _ in 0..100 {
        hall.flood(flooder, &[b'!'; 4000], 200_000);
        hall.tick(0);
    }
    let poster = hall.connect(usize::MAX);
    hall.send(poster, &post("late")[..500]);
    hall.tick(0);
    hall.send(poster, &post("late")[500..]);
    let mut ticks = 0;
    let statuses = loop {
        hall.tick(0);
        hall.discard(&members);
        ticks += 1;
        assert!(ticks < 1000, "no answer");
        let statuses = statuses(&mut hall, poster);
        if !statuses.is_empty() {
            break statuses;
        }
    };
    assert_eq!(statuses, [200]);
    assert!(ticks * TICK_MS > 400, "it waited for {ticks} ticks");
}

/// Nor are those taken in at once who come anew with each message, head and body in one read.
#[test]
fn no_batch_grows_past_what_a_room_may_fall_behind() {
    let mut hall = Hall::new(&["--ping-interval", "0"]);
    let members = [(); 40].map(|()| hall.enter(0));
    let (mut said, mut heard) = (0, 0);
    for tick in 0..1200 {
        for _ in 0..if tick < 10 { POSTERS } else { 0 } {
            let poster = hall.connect(usize::MAX);
            hall.send(poster, &post(&format!("{said}")));
            said += 1;
        }
        hall.tick(0);
        let batch = names(&mut hall, members[0]).len();
        assert!(batch <= ROOM_BACKLOG / LENGTH + 1, "{batch} at once");
        heard += batch;
        hall.discard(&members[1..]);
    }
    assert_eq!(heard, said);
}
