//! What went wrong before, each in a run of its own that shows it.

use parlor::limits::{READ_BUDGET, READ_BUFFER, ROOM_BACKLOG, ROOM_BACKLOG_MESSAGES};

use crate::hall::{GuestId, Hall, TICK_MS};
use crate::reader::Seen;
use crate::units;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PONG: u8 = 10;

/// What each flooder says over and over.
const NOISE: [u8; 4000] = [b'!'; 4000];

/// One tick of a room that is flooded: its flooders never run out of things to say, and a fan-out takes many ticks.
fn flood(hall: &mut Hall, flooders: &[GuestId]) {
    for &flooder in flooders {
        hall.flood(flooder, &NOISE, 3 * READ_BUDGET);
    }
    hall.tick(0);
    hall.discard(flooders);
}

fn is_close(seen: &Seen) -> bool {
    matches!(seen, Seen::Close { .. })
}

fn says(seen: &Seen, text: &str) -> bool {
    matches!(seen, Seen::Message { payload, .. } if payload == text.as_bytes())
}

/// A member whose pong waits behind a flood was taken for dead.
#[test]
fn who_answers_pings_stays_in_a_flooded_room() {
    let mut hall = Hall::new(&["--ping-interval", "0.2", "--pong-timeout", "0.2"]);
    let flooders = [(); 8].map(|()| hall.enter(0));
    let listener = hall.enter(0);
    let (mut pings, mut held) = (0, 0);
    for _ in 0..300 {
        flood(&mut hall, &flooders);
        held += usize::from(hall.unread(&flooders) >= 8 * 3 * READ_BUDGET);
        for seen in hall.read(listener) {
            assert!(!is_close(&seen), "cut off after {pings} pings: {seen:?}");
            if let Seen::Ping(payload) = seen {
                pings += 1;
                hall.say(listener, PONG, &payload);
            }
        }
    }
    assert!(pings >= 5, "pinged {pings} times in {} ms", 300 * TICK_MS);
    assert!(held > 150, "the room kept up in all but {held} ticks");
}

/// Whoever was not among the first few in the line of a flooded room was never read.
#[test]
fn a_modest_sender_gets_its_turn_among_flooders() {
    let mut hall = Hall::new(&[]);
    let flooders = [(); 8].map(|()| hall.enter(0));
    let modest = [(); 12].map(|()| hall.enter(0));
    for _ in 0..100 {
        flood(&mut hall, &flooders);
        hall.discard(&modest);
    }
    let texts = modest.map(|guest| format!("and I say {guest}"));
    for (&guest, text) in modest.iter().zip(&texts) {
        hall.say(guest, TEXT, text.as_bytes());
    }
    // The rest of one batch, all of what has gathered, and at most the next. What is read is taken, so that a batch may
    // be longer than its limit by one read and what was unfinished before.
    let batch = (ROOM_BACKLOG + 2 * READ_BUFFER) / NOISE.len();
    let mut waits_for = texts.to_vec();
    let mut others = 0;
    for _ in 0..200 {
        flood(&mut hall, &flooders);
        for seen in hall.read(modest[0]) {
            match waits_for.iter().position(|text| says(&seen, text)) {
                Some(index) => drop(waits_for.remove(index)),
                None if waits_for.is_empty() => {}
                None => others += 1,
            }
        }
        hall.discard(&modest[1..]);
        assert!(
            others <= 3 * batch,
            "{others} messages came, but not {waits_for:?}"
        );
    }
    assert!(waits_for.is_empty(), "never came: {waits_for:?}");
}

/// Batches on their way used the budget up, and everyone who held a byte was cut for it.
#[test]
fn nobody_is_cut_for_what_is_on_its_way() {
    let mut hall = Hall::new(&["--max-memory", "1048576"]);
    let flooders: Vec<GuestId> = (1..=40).map(|room| hall.enter(room)).collect();
    let bystanders = [(); 3].map(|()| hall.enter(0));
    for guest in bystanders {
        let unfinished = &hall.frame(TEXT, b"by and by")[..8];
        hall.send(guest, unfinished);
    }
    let mut most = 0;
    for _ in 0..100 {
        flood(&mut hall, &flooders);
        most = most.max(hall.server.memory_used());
        for guest in bystanders {
            assert_eq!(hall.read(guest), [], "a bystander was told this");
        }
    }
    assert!(most > 1 << 20, "{most} bytes are within the budget");
    assert!(flooders.iter().all(|&guest| !hall.is_gone(guest)));
}

/// With the budget used up, those in front of the line took each byte that came free, and kept their places in front.
#[test]
fn over_the_budget_everyone_gets_a_turn() {
    let mut hall = Hall::new(&["--max-memory", "1048576"]);
    let flooders: Vec<GuestId> = (1..=40).map(|room| hall.enter(room)).collect();
    let modest = [(); 3].map(|()| hall.enter(0));
    for _ in 0..100 {
        flood(&mut hall, &flooders);
    }
    let mut waits_for = modest.map(|guest| format!("and I say {guest}")).to_vec();
    for (&guest, text) in modest.iter().zip(&waits_for) {
        hall.say(guest, TEXT, text.as_bytes());
    }
    // One turn of everyone, a slice each.
    for _ in 0..2 * flooders.len() {
        flood(&mut hall, &flooders);
        let seen = hall.read(modest[0]);
        waits_for.retain(|text| !seen.iter().any(|seen| says(seen, text)));
    }
    assert!(waits_for.is_empty(), "not heard: {waits_for:?}");
}

/// Bytes that many share were counted in full for each of them, so that all of them were cut before the one who really
/// held much.
#[test]
fn who_holds_most_alone_is_cut_first() {
    let mut hall = Hall::new(&["--max-memory", "1048576"]);
    let hog = hall.enter_with(1, 600);
    let feeder = hall.enter(1);
    let stalled = [(); 20].map(|()| hall.enter_with(0, 600));
    let speaker = hall.enter(0);
    for (from, messages) in [(speaker, 14), (feeder, 8)] {
        for _ in 0..messages {
            hall.say(from, TEXT, &[b'.'; 50_000]);
            hall.tick(u64::MAX);
            hall.discard(&[speaker, feeder]);
        }
    }
    hall.widen();
    hall.tick(u64::MAX);
    let ended: Vec<Seen> = hall.read(hog).into_iter().filter(is_close).collect();
    assert!(
        matches!(
            &ended[..],
            [Seen::Close {
                code: Some(1013),
                ..
            }]
        ),
        "{ended:?}"
    );
    for guest in stalled {
        assert_eq!(hall.read(guest).len(), 14);
    }
}

/// What gathered for a batch was not counted before the batch set out.
#[test]
fn what_gathers_is_in_the_budget() {
    let mut hall = Hall::new(&["--max-memory", "1048576"]);
    let sender = hall.enter(0);
    let before = hall.server.memory_used();
    hall.say(sender, TEXT, &[b'.'; 60_000]);
    hall.begin_tick();
    let grown = hall.server.memory_used() - before;
    assert!(grown >= 60_000, "{grown} bytes");
    hall.end_tick(u64::MAX);
}

/// One tick took in 64 KiB from everyone who had it, whatever the budget.
#[test]
fn one_tick_takes_in_no_more_than_the_budget() {
    let mut hall = Hall::new(&["--max-memory", "1048576"]);
    let flooders: Vec<GuestId> = (1..=50).map(|room| hall.enter(room)).collect();
    for &flooder in &flooders {
        hall.flood(flooder, &NOISE, READ_BUDGET);
    }
    let there = hall.unread(&flooders);
    hall.begin_tick();
    let taken = there - hall.unread(&flooders);
    assert!(taken > 1 << 19, "hardly anything was read: {taken} bytes");
    assert!(
        taken <= (1 << 20) + READ_BUDGET,
        "{taken} bytes were taken in, with a budget of a mebibyte"
    );
    hall.end_tick(u64::MAX);
    assert!(flooders.iter().all(|&guest| !hall.is_gone(guest)));
}

/// A batch was bounded in bytes alone: of empty messages it held 131,072.
#[test]
fn a_batch_of_empty_messages_is_bounded() {
    let mut hall = Hall::new(&[]);
    let flooders = [(); 12].map(|()| hall.enter(0));
    for flooder in flooders {
        hall.flood(flooder, b"", READ_BUDGET);
    }
    hall.tick(0);
    let heard = hall.read(flooders[0]).len();
    let empty = hall.frame(TEXT, b"").len();
    let bound = ROOM_BACKLOG_MESSAGES as usize + READ_BUDGET.div_ceil(empty);
    assert!((1..=bound).contains(&heard), "{heard} messages in a batch");
}

/// Those who were let in only to be told that the server is full took the places of those who had been let in to stay.
#[test]
fn who_is_refused_costs_nobody_a_place() {
    let mut hall = Hall::new(&["--max-connections", "2"]);
    let page = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let first = hall.connect(usize::MAX);
    let second = hall.connect(usize::MAX);
    let refused = [(); 3].map(|()| hall.connect(usize::MAX));
    assert_eq!(hall.ask(first, page), 200);
    for guest in refused {
        assert_eq!(hall.ask(guest, page), 503);
    }
    assert_eq!(hall.ask(first, &units::upgrade(0)), 101);
    hall.end(second);
    hall.tick(u64::MAX);
    assert!(hall.is_gone(second));
    // The refused do not close their side, and so are still there.
    assert!(refused.iter().all(|&guest| !hall.is_gone(guest)));
    hall.enter(0);
    let late = hall.connect(usize::MAX);
    assert_eq!(hall.ask(late, page), 503);
}

/// A peer that broke the protocol while the server closed was closed with unread bytes, and the reset overtook our close
/// frame.
#[test]
fn a_violation_while_closing_does_not_cost_the_close_frame() {
    let mut hall = Hall::new(&[]);
    let guest = hall.enter(0);
    hall.server.begin_drain(hall.now);
    hall.tick(u64::MAX);
    let unmasked = [0x81, 5];
    hall.send(guest, &unmasked);
    hall.send(guest, &vec![0; 4 * READ_BUDGET]);
    for _ in 0..10 {
        hall.tick(u64::MAX);
    }
    hall.end(guest);
    hall.tick(u64::MAX);
    assert!(hall.is_gone(guest));
    let seen = hall.read(guest);
    assert!(
        matches!(
            &seen[..],
            [Seen::Close {
                code: Some(1001),
                ..
            }]
        ),
        "{seen:?}"
    );
}

/// The endless drain of `--drain-timeout 0` also waited without an end for a peer that was not there any more.
#[test]
fn an_endless_drain_gives_dead_peers_up() {
    let mut hall = Hall::new(&["--drain-timeout", "0", "--close-timeout", "1"]);
    let dead = hall.enter(0);
    let alive = hall.enter(0);
    hall.server.begin_drain(hall.now);
    hall.tick(u64::MAX);
    assert!(hall.read(alive).iter().any(is_close));
    hall.say(alive, CLOSE, &1001_u16.to_be_bytes());
    hall.tick(u64::MAX);
    assert!(hall.is_gone(alive) && !hall.is_gone(dead));
    assert!(!hall.server.is_drained(hall.now));
    for _ in 0..2000 / TICK_MS {
        hall.tick(u64::MAX);
    }
    assert!(hall.is_gone(dead));
    assert!(hall.server.is_drained(hall.now));
}

/// Who was closed by a command of its own got the answers to the next ones after the close frame.
#[test]
fn nothing_comes_after_a_close_frame() {
    let mut hall = Hall::new(&["--rate", "1"]);
    let guest = hall.connect(600);
    hall.enter_json(guest);
    for _ in 0..20 {
        hall.say(guest, TEXT, br#"{"type":"ping"}"#);
    }
    hall.tick(u64::MAX);
    hall.widen();
    hall.tick(u64::MAX);
    let seen = hall.read(guest);
    assert!(seen.last().is_some_and(is_close), "{} came", seen.len());
}

/// A socket that had taken the close frame, and not sent it, was closed when the peer's came.
#[test]
fn a_close_frame_that_is_kept_before_the_kernel_still_leaves() {
    let mut hall = Hall::new(&[]);
    let guest = hall.enter(0);
    hall.keep(guest);
    hall.server.begin_drain(hall.now);
    hall.tick(u64::MAX);
    hall.say(guest, 8, &1000_u16.to_be_bytes());
    hall.tick(u64::MAX);
    assert!(!hall.is_gone(guest), "with its close frame");
    hall.widen();
    hall.tick(u64::MAX);
    let seen = hall.read(guest);
    let is_close = |seen: &Seen| {
        matches!(
            seen,
            Seen::Close {
                code: Some(1001),
                ..
            }
        )
    };
    assert!(seen.iter().any(is_close), "{seen:?}");
}
