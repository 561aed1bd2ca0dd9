//! Rooms: who hears what, in which order, and what a room may be called.

use std::io::Write;
use std::net::Shutdown;
use std::thread;

use tungstenite::{Bytes, Error, Message};

use crate::common::{Client, FIN, Frame, Server, TEXT, eventually, frame, noise, upgrade};

/// `room` with every octet percent-encoded.
fn encoded(room: &str) -> String {
    room.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn everyone_in_the_room_hears_a_message_and_so_does_its_sender() {
    let server = Server::start(&[]);
    let mut members: Vec<Client> = (0..10).map(|_| server.client("/ws")).collect();
    members[3].send("hello");
    for member in &mut members {
        member.expect("hello");
    }
}

#[test]
fn text_stays_text_and_binary_stays_binary() {
    let server = Server::start(&[]);
    let (mut one, mut other) = (server.client("/ws"), server.client("/ws"));
    let messages = [
        Message::text(""),
        Message::text("two\nlines\r\n"),
        Message::text("<img src=x onerror=alert(1)>"),
        Message::text("茶 \u{202e} 😀 \0"),
        Message::binary(Bytes::new()),
        Message::binary("text, but sent as binary"),
        Message::binary(noise(1, 60_000)),
    ];
    for message in &messages {
        one.send(message.clone());
    }
    for message in &messages {
        one.expect(message.clone());
        other.expect(message.clone());
    }
}

#[test]
fn the_order_is_one_for_all() {
    const SENDERS: usize = 4;
    const EACH: usize = 300;
    let server = Server::start(&[]);
    let members: Vec<Client> = (0..SENDERS).map(|_| server.client("/ws/order")).collect();
    let heard: Vec<Vec<String>> = thread::scope(|scope| {
        let threads: Vec<_> = members
            .into_iter()
            .enumerate()
            .map(|(i, mut member)| {
                scope.spawn(move || {
                    for n in 0..EACH {
                        member.send(format!("{i} {n}"));
                    }
                    (0..SENDERS * EACH)
                        .map(|_| member.next().to_string())
                        .collect()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for other in &heard[1..] {
        assert_eq!(other, &heard[0]);
    }
    for i in 0..SENDERS {
        let prefix = format!("{i} ");
        let own: Vec<_> = heard[0]
            .iter()
            .filter_map(|text| text.strip_prefix(&prefix))
            .collect();
        let sent: Vec<_> = (0..EACH).map(|n| n.to_string()).collect();
        assert_eq!(own, sent, "what sender {i} said");
    }
}

#[test]
fn a_room_hears_nothing_of_another() {
    let server = Server::start(&[]);
    let (mut tea, mut coffee) = (server.client("/ws/tea"), server.client("/ws/coffee"));
    let mut upper = server.client("/ws/Tea");
    tea.say("green");
    coffee.say("black");
    upper.say("white");
    tea.say("jasmine");
}

#[test]
fn the_room_without_a_name_is_the_lobby() {
    let server = Server::start(&[]);
    let (mut one, mut other) = (server.client("/ws"), server.client("/ws/lobby"));
    one.say("hello");
    other.expect("hello");
}

#[test]
fn names_are_compared_after_percent_decoding() {
    let server = Server::start(&[]);
    let (mut one, mut other) = (server.client("/ws/tea-1"), server.client("/ws/%74%65a%2D1"));
    one.say("hello");
    other.expect("hello");
    let lower = encoded("茶室").to_lowercase();
    let (mut one, mut other) = (
        server.client(&format!("/ws/{}", encoded("茶室"))),
        server.client(&format!("/ws/{lower}")),
    );
    one.say("你好");
    other.expect("你好");
    // The Kelvin sign looks like K and lower-cases to k, and is neither.
    let mut kelvin = server.client(&format!("/ws/{}", encoded("\u{212a}")));
    let mut letter = server.client("/ws/K");
    kelvin.say("one");
    letter.say("two");
    kelvin.say("three");
}

#[test]
fn names_of_every_allowed_kind() {
    let server = Server::start(&[]);
    for name in [
        "a",
        "A-b_c.d:9",
        "комната",
        "غرفة",
        "חדר",
        "部屋",
        "방",
        "٣",
        &"茶".repeat(64),
    ] {
        server
            .client(&format!("/ws/{}", encoded(name)))
            .say("hello");
    }
}

#[test]
fn names_that_are_none() {
    let server = Server::start(&[]);
    let mut paths: Vec<String> = [
        "a b",
        "a/b",
        "a\0",
        "\u{202e}a",
        "a\n",
        "😀",
        "a,b",
        "<b>",
        "a%",
        "!",
        "\u{200b}",
    ]
    .iter()
    .map(|name| format!("/ws/{}", encoded(name)))
    .collect();
    paths.push(format!("/ws/{}", "a".repeat(65)));
    paths.push(format!("/ws/{}", encoded(&"茶".repeat(65))));
    paths.extend(
        [
            "/ws/%",
            "/ws/%4",
            "/ws/%zz",
            "/ws/%ff",
            "/ws/%c3",
            "/ws/%ED%A0%80",
            "/ws/",
        ]
        .map(String::from),
    );
    for path in paths {
        let response = server.http().ask(upgrade(&path));
        assert_eq!(response.status, 400, "{path}: {response:?}");
        response.expect_problem(400);
    }
    let deeper = server.http().ask(upgrade("/ws/a/b"));
    assert!(matches!(deeper.status, 400 | 404), "{deeper:?}");
}

#[test]
fn a_member_that_leaves_hears_no_more_and_the_room_goes_on() {
    let server = Server::start(&[]);
    let (mut stays, leaves) = (server.client("/ws/tea"), server.client("/ws/tea"));
    leaves.leave();
    stays.say("one less");
    let mut comes = server.client("/ws/tea");
    stays.say("one more");
    comes.expect("one more");
}

#[test]
fn a_newcomer_hears_nothing_of_before() {
    let server = Server::start(&[]);
    let mut first = server.client("/ws/tea");
    first.say("before");
    let mut second = server.client("/ws/tea");
    second.say("after");
    first.expect("after");
}

#[test]
fn a_newcomer_in_a_flood_hears_all_from_some_message_on() {
    let server = Server::start(&["--max-queue", "100000000"]);
    let flooder = server.raw("/ws/flood");
    let mut sending = flooder.stream().try_clone().unwrap();
    // Several messages in each write, so that they are handed out together.
    let flooding = thread::spawn(move || {
        for n in (0..).step_by(50) {
            let batch: Vec<u8> = (n..n + 50)
                .flat_map(|n: u32| frame(FIN | TEXT, n.to_string().as_bytes()))
                .collect();
            if sending.write_all(&batch).is_err() {
                return;
            }
        }
    });
    let mut draining = flooder.stream().try_clone().unwrap();
    let draining = thread::spawn(move || std::io::copy(&mut draining, &mut std::io::sink()));
    for _ in 0..200 {
        let mut newcomer = server.raw("/ws/flood");
        let number = |frame: Frame| {
            String::from_utf8(frame.payload)
                .unwrap()
                .parse::<u32>()
                .unwrap()
        };
        let first = number(newcomer.next());
        for n in 1..200 {
            assert_eq!(number(newcomer.next()), first + n, "after {first}");
        }
    }
    flooder.stream().shutdown(Shutdown::Both).unwrap();
    flooding.join().unwrap();
    // With an error: what is sent to a socket that is shut is answered with a reset.
    let _ = draining.join().unwrap();
}

#[test]
fn a_flood_of_rooms_is_bounded() {
    let server = Server::start(&["--max-rooms", "2"]);
    let mut first = server.client("/ws/first");
    let second = server.client("/ws/second");
    server.http().ask(upgrade("/ws/third")).expect_problem(503);
    let mut guest = server.client("/ws/first");
    first.say("there is place in the rooms there are");
    guest.expect("there is place in the rooms there are");
    second.leave();
    eventually("place for a room", || {
        match Client::over(server.tcp(), "/ws/third") {
            Ok(mut member) => {
                member.say("at last");
                true
            }
            Err(Error::Http(_)) => false,
            Err(error) => panic!("{error}"),
        }
    });
}

#[test]
fn rooms_come_and_go_without_a_trace() {
    let server = Server::start(&["--max-rooms", "10"]);
    for n in 0..200 {
        let mut member = server.client(&format!("/ws/room-{n}"));
        member.say("in and out");
        member.leave();
    }
    server.client("/ws/the-last").say("still place");
}
