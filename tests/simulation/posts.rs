//! Messages that come by POST into a room that cannot keep up with them.

use parlor::limits::{MAX_PIPELINED, ROOM_BACKLOG};

use crate::hall::{GuestId, Hall, TICK_MS};
use crate::reader::Seen;
use crate::units;

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

/// A short request that posts a message.
fn short_post(message: &str) -> Vec<u8> {
    let length = message.len();
    format!("POST /rooms/room-0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{message}")
        .into_bytes()
}

/// Where in the room's order the messages are that a poster was told of.
fn offsets(hall: &mut Hall, poster: GuestId) -> Vec<u64> {
    let seen = hall.read(poster).into_iter().map(|seen| match seen {
        Seen::Response { status, body, .. } => {
            assert_eq!(status, 200);
            let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
            answer["offset"].as_u64().unwrap()
        }
        other => panic!("a poster sees {other:?}"),
    });
    seen.collect()
}

/// Each waited until the response to the one before it had left: one message in each tick, and a batch for each.
#[test]
fn what_is_posted_in_one_breath_goes_out_together() {
    const POSTS: usize = 32;
    for is_cut in [false, true] {
        let mut hall = Hall::new(&["--ping-interval", "0"]);
        let member = hall.enter(0);
        let poster = hall.connect(usize::MAX);
        let requests: Vec<u8> = (0..POSTS)
            .flat_map(|number| short_post(&format!("{number}|")))
            .collect();
        // Also where a read ends within a request.
        let now = if is_cut {
            requests.len() - 10
        } else {
            requests.len()
        };
        hall.send(poster, &requests[..now]);
        hall.tick(u64::MAX);
        let whole = POSTS - usize::from(is_cut);
        assert_eq!(names(&mut hall, member).len(), whole, "in one batch");
        let answered = offsets(&mut hall, poster);
        assert!(answered.into_iter().eq(1..=whole as u64), "in one tick");
        hall.send(poster, &requests[now..]);
        hall.tick(u64::MAX);
        let last = offsets(&mut hall, poster);
        assert_eq!(last.is_empty(), !is_cut);
    }
}

/// Who does not read the responses is not heard; who then does has lost nothing.
#[test]
fn who_posts_and_does_not_read_waits() {
    const POSTS: u64 = 1_000;
    let mut hall = Hall::new(&["--ping-interval", "0"]);
    let member = hall.enter(0);
    let poster = hall.connect(1_000);
    let mut heard = Vec::new();
    for number in 0..POSTS {
        hall.send(poster, &short_post(&format!("{number}|")));
    }
    for _ in 0..100 {
        hall.tick(u64::MAX);
        heard.extend(names(&mut hall, member));
    }
    let most = MAX_PIPELINED + 10;
    assert!(heard.len() <= most, "{} were taken", heard.len());
    let mut answered = Vec::new();
    for _ in 0..2_000 {
        hall.tick(u64::MAX);
        heard.extend(names(&mut hall, member));
        answered.extend(offsets(&mut hall, poster));
    }
    assert!(answered.into_iter().eq(1..=POSTS));
    assert!(heard.into_iter().eq((0..POSTS).map(|it| it.to_string())));
}

/// A request that is cut short by the end takes no answer from those before it.
#[test]
fn the_end_after_posts_waits_for_their_answers() {
    for rest in [
        "",
        "POST /rooms/room-0 HT",
        "POST /rooms/room-0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx",
    ] {
        let mut hall = Hall::new(&["--ping-interval", "0"]);
        let poster = hall.connect(usize::MAX);
        for number in 0..3 {
            hall.send(poster, &short_post(&format!("{number}|")));
        }
        hall.send(poster, rest.as_bytes());
        hall.end(poster);
        let mut answered = Vec::new();
        for _ in 0..5 {
            hall.tick(u64::MAX);
            answered.extend(offsets(&mut hall, poster));
        }
        assert_eq!(answered, [1, 2, 3], "{rest:?}");
        assert!(hall.is_gone(poster), "{rest:?}");
    }
}

/// A request of another kind waits, and is answered in its turn.
#[test]
fn other_requests_wait_for_the_answers_before_them() {
    let mut hall = Hall::new(&["--ping-interval", "0"]);
    let poster = hall.connect(usize::MAX);
    hall.send(poster, &short_post("1|"));
    hall.send(poster, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    hall.send(poster, &short_post("2|"));
    hall.send(
        poster,
        b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
    );
    hall.send(poster, &units::upgrade(0));
    for _ in 0..5 {
        hall.tick(u64::MAX);
    }
    assert_eq!(statuses(&mut hall, poster), [200, 200, 200, 404, 101]);
}
