//! Large messages: what comes back is what went in, octet by octet.

use std::thread;

use tungstenite::{Bytes, Message, Utf8Bytes};

use crate::common::{Server, noise};

const LARGE: usize = 16 << 20;

#[test]
fn sixteen_mebibytes_of_noise_come_back() {
    let server = Server::start(&["--max-message", "16777216"]);
    let mut client = server.client("/ws");
    let message = Bytes::from(noise(16, LARGE));
    client.send(message.clone());
    assert!(
        client.next() == Message::Binary(message),
        "the noise came back changed"
    );
}

#[test]
fn sixteen_mebibytes_of_text_come_back() {
    let server = Server::start(&["--max-message", "16777216"]);
    let mut client = server.client("/ws");
    // Characters of each length, so that they lie across every boundary of a buffer.
    let text: String = ["a", "é", "茶", "😀"]
        .into_iter()
        .cycle()
        .take(LARGE / 10 * 4)
        .collect();
    let text = Utf8Bytes::from(text);
    client.send(Message::Text(text.clone()));
    assert!(
        client.next() == Message::Text(text),
        "the text came back changed"
    );
}

#[test]
fn one_octet_more_than_the_limit_is_refused() {
    let server = Server::start(&["--max-message", "16777216"]);
    let mut client = server.raw("/ws");
    let length = LARGE as u64 + 1;
    client.send([&[0x82, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat());
    client.expect_failure(1009);
}

#[test]
fn large_messages_of_many_reach_all() {
    const MEMBERS: usize = 4;
    const LENGTH: usize = 1 << 20;
    let server = Server::start(&["--max-message", "1048576", "--max-queue", "16777216"]);
    let members: Vec<_> = (0..MEMBERS).map(|_| server.client("/ws/large")).collect();
    thread::scope(|scope| {
        for (i, mut member) in members.into_iter().enumerate() {
            scope.spawn(move || {
                member.send(noise(i as u64 + 100, LENGTH));
                let mut heard: Vec<Bytes> =
                    (0..MEMBERS).map(|_| member.next().into_data()).collect();
                heard.sort();
                let mut said: Vec<Bytes> = (0..MEMBERS)
                    .map(|i| noise(i as u64 + 100, LENGTH).into())
                    .collect();
                said.sort();
                assert!(heard == said, "member {i} heard something else");
            });
        }
    });
}
