//! What one tick may cost, whoever asks for how much: the rest is done in the next ones.

use parlor::limits::TICK;

use crate::hall::{GuestId, Hall, TICK_MS};
use crate::reader::Seen;
use crate::units;

const TEXT: u8 = 1;
const PING: u8 = 9;

/// A piece of work that is small beside a tick.
const SMALL: u64 = TICK / 4;

/// Ticks as the shell's are, until there is no more work. Says how many it took, of which none was too long.
fn ticks_to_rest(hall: &mut Hall, most: u64) -> usize {
    for ticks in 1..10_000 {
        hall.whole_tick(TICK);
        hall.server
            .check_budget(most)
            .unwrap_or_else(|error| panic!("tick {ticks}: {error}"));
        if !hall.server.has_work() {
            return ticks;
        }
    }
    panic!("it does not come to rest");
}

fn post(hall: &mut Hall, guest: GuestId, key: &str, body: &str) {
    let request = format!(
        "POST /rooms/room-0?key={key}&retain HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let status = hall.ask(guest, request.as_bytes());
    assert!((200..300).contains(&status), "{status}");
}

/// Everyone who had fallen behind in a room of many keys was told its state in the same tick.
#[test]
fn those_who_fell_behind_are_told_over_several_ticks() {
    let mut hall = Hall::new(&["--overflow", "*=latest", "--max-queue", "2000"]);
    let slow: Vec<GuestId> = (0..100).map(|_| hall.enter_with(0, 600)).collect();
    let poster = hall.connect(usize::MAX);
    for key in 0..200 {
        post(&mut hall, poster, &format!("k{key}"), &"x".repeat(40));
    }
    hall.widen();
    let ticks = ticks_to_rest(&mut hall, SMALL);
    assert!(ticks > 1, "it was no work");
    for guest in slow {
        let seen = hall.read(guest);
        assert!(seen.len() >= 200, "{} messages came", seen.len());
    }
}

/// A turn was bounded in bytes alone: a read of short messages cost a room of two formats 8 ms.
#[test]
fn a_turn_is_bounded_by_what_it_costs() {
    let mut hall = Hall::new(&["--deflate-min", "0", "--rate", "0"]);
    for door in [units::upgrade(0), units::json_upgrade("/ws/room-0")] {
        let guest = hall.connect(usize::MAX);
        let mut request = door;
        request.truncate(request.len() - 2);
        request.extend_from_slice(b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
        hall.send(guest, &request);
        hall.tick(u64::MAX);
    }
    let talker = hall.enter(0);
    let listener = hall.enter(0);
    for _ in 0..478 {
        hall.say(talker, TEXT, &[b'x'; 131]);
    }
    let ticks = ticks_to_rest(&mut hall, SMALL);
    assert!(ticks > 5, "{ticks} ticks");
    let seen = hall.read(listener);
    assert_eq!(seen.len(), 478);
    assert!(seen.iter().all(|it| matches!(it, Seen::Message { .. })));
}

/// A large fan-out goes out over several ticks.
#[test]
fn a_crowd_is_served_over_several_ticks() {
    let mut hall = Hall::new(&[]);
    let crowd: Vec<GuestId> = (0..1_000).map(|_| hall.enter(0)).collect();
    hall.say(crowd[0], TEXT, b"hello");
    let ticks = ticks_to_rest(&mut hall, SMALL);
    assert!(ticks > 1, "it was no work");
    for guest in crowd {
        let seen = hall.read(guest).into_iter();
        // It took so long to let all in that some were pinged.
        let messages = seen.filter(|it| matches!(it, Seen::Message { .. }));
        assert_eq!(messages.count(), 1);
    }
}

/// What a room was told gathered in the queues of those who waited to be flushed, until they were closed as too slow
/// though they read all that came.
#[test]
fn nobody_is_too_slow_who_waits_to_be_flushed() {
    let mut hall = Hall::new(&["--max-queue", "1000"]);
    let crowd: Vec<GuestId> = (0..100).map(|_| hall.enter(0)).collect();
    for &guest in &crowd {
        hall.say(guest, PING, b"?");
    }
    // From here on one of them is flushed in a tick, and 64 are served.
    for _ in 0..20 {
        hall.say(crowd[0], TEXT, &[b'x'; 100]);
        hall.tick(0);
    }
    ticks_to_rest(&mut hall, SMALL);
    for guest in crowd {
        let seen = hall.read(guest);
        let messages = seen.iter().filter(|it| matches!(it, Seen::Message { .. }));
        assert_eq!(messages.count(), 20, "guest {guest}: {:?}", seen.last());
    }
}

/// Counts for 60 s in how many ticks how many guests hear something, by what `hears` says of it.
fn most_at_once(
    hall: &mut Hall,
    guests: &[GuestId],
    hears: fn(&mut Hall, GuestId) -> bool,
) -> usize {
    let (mut all, mut most) = (0, 0);
    for _ in 0..60_000 / TICK_MS {
        hall.tick(u64::MAX);
        let heard = guests.iter().filter(|&&guest| hears(hall, guest)).count();
        (all, most) = (all + heard, most.max(heard));
    }
    assert!(all >= guests.len(), "{all} of {}", guests.len());
    most
}

/// All who had come in the first seconds of a server were pinged in the same tick, and so were those who had spoken in the
/// same tick.
#[test]
fn pings_are_spread_from_the_start() {
    let mut hall = Hall::begun_at(0, &["--max-per-address", "0", "--connect-rate", "0"]);
    let guests: Vec<GuestId> = (0..100).map(|_| hall.enter(0)).collect();
    for &guest in &guests {
        hall.say(guest, TEXT, b"hello");
    }
    hall.tick(u64::MAX);
    hall.discard(&guests);
    let most = most_at_once(&mut hall, &guests, |hall, guest| {
        let seen = hall.read(guest);
        let is_pinged = seen.iter().any(|it| matches!(it, Seen::Ping(_)));
        if is_pinged {
            hall.say(guest, 10, b"");
        }
        is_pinged
    });
    assert!(most <= 10, "{most} pings in a tick");
}

/// The same of the heartbeats of streams.
#[test]
fn heartbeats_are_spread_from_the_start() {
    let mut hall = Hall::begun_at(0, &[]);
    let guests: Vec<GuestId> = (0..100).map(|_| hall.connect(usize::MAX)).collect();
    for &guest in &guests {
        hall.send(
            guest,
            b"GET /rooms/room-0/events HTTP/1.1\r\nHost: localhost\r\n\r\n",
        );
    }
    hall.tick(u64::MAX);
    assert!(
        hall.sip(guests[0], usize::MAX)
            .starts_with(b"HTTP/1.1 200 ")
    );
    hall.discard(&guests);
    let most = most_at_once(&mut hall, &guests, |hall, guest| {
        !hall.sip(guest, usize::MAX).is_empty()
    });
    assert!(most <= 10, "{most} heartbeats in a tick");
}

/// A member waits behind a few of those who have just come, not behind all of them.
#[test]
fn a_member_does_not_wait_behind_all_newcomers() {
    let mut hall = Hall::new(&[]);
    let (talker, listener) = (hall.enter(0), hall.enter(0));
    let crowd: Vec<GuestId> = (0..2_000).map(|_| hall.connect(usize::MAX)).collect();
    for &guest in &crowd {
        hall.send(guest, &units::upgrade(1));
    }
    hall.whole_tick(TICK);
    hall.say(talker, TEXT, b"hello");
    hall.whole_tick(TICK);
    hall.server.check_budget(SMALL).expect("a bounded tick");
    assert_eq!(
        hall.read(listener).len(),
        1,
        "not in the tick in which it came"
    );
    let waiting = hall.unread(&crowd);
    assert!(waiting > 0, "nobody was there to wait behind");
    ticks_to_rest(&mut hall, SMALL);
    assert_eq!(hall.unread(&crowd), 0);
}

/// Everyone was told in one tick that the server ends, and freed in one when they had gone.
#[test]
fn closing_many_takes_several_ticks() {
    let mut hall = Hall::new(&[]);
    let crowd: Vec<GuestId> = (0..2_000).map(|_| hall.connect(usize::MAX)).collect();
    for &guest in &crowd {
        hall.send(guest, &units::upgrade(guest));
    }
    hall.tick(u64::MAX);
    for &guest in &crowd[..1_000] {
        hall.end(guest);
    }
    let ticks = ticks_to_rest(&mut hall, SMALL);
    assert!(ticks > 3, "{ticks} ticks");
    assert_eq!(hall.server.connection_count(), 1_000);
    hall.server.begin_drain(hall.now);
    let ticks = ticks_to_rest(&mut hall, SMALL);
    assert!(ticks > 3, "{ticks} ticks");
    hall.discard(&crowd[..1_000]);
    for &guest in &crowd[1_000..] {
        let bytes = hall.sip(guest, usize::MAX);
        assert!(
            bytes.ends_with(b"\x03\xe9server is shutting down"),
            "{bytes:?}"
        );
    }
}
