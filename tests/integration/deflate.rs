//! permessage-deflate (RFC 7692), with frames by hand.

use flate2::{Compress, Compression, FlushCompress};
use parlor::codec::ws::deflate::{Deflater, Effort, Inflater};
use serde_json::{Value, json};

use crate::common::{CLOSE, FIN, Frame, JsonClient, RawClient, Server, TEXT, upgrade_with};

const RSV1: u8 = 0x40;
const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/// A client whose offer is taken up; also gives what was agreed on.
fn connect(server: &Server, path: &str, headers: &str) -> (RawClient, String) {
    let mut http = server.http();
    http.send(upgrade_with(path, headers));
    let response = http.head();
    assert_eq!(response.status, 101);
    let agreed = response.header("sec-websocket-extensions");
    let agreed = agreed.unwrap_or_default().to_owned();
    (RawClient::over_response(http, !agreed.is_empty()), agreed)
}

fn deflate(text: &str) -> Vec<u8> {
    let mut deflater = Deflater::default();
    let small = deflater.deflate(text.as_bytes(), false, Effort::Best);
    small.unwrap().to_vec()
}

/// The text of a frame, which says itself whether it is compressed.
fn text_of(frame: &Frame) -> String {
    let mut inflater = Inflater::default();
    let bytes = match frame.first & RSV1 {
        0 => &frame.payload[..],
        _ => inflater.inflate(&frame.payload, 1 << 20).unwrap(),
    };
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_message_is_compressed_for_those_who_agreed_and_for_no_one_else() {
    let server = Server::start(&["--deflate-min", "128"]);
    let (mut small, agreed) = connect(&server, "/ws/tea", OFFER);
    assert_eq!(
        agreed,
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    );
    let (mut tiny, agreed) = connect(
        &server,
        "/ws/tea",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12\r\n",
    );
    assert!(agreed.ends_with("server_max_window_bits=12"), "{agreed}");
    let mut plain = server.client("/ws/tea");
    let text = "tea, or coffee? ".repeat(100);
    small.send_frame(FIN | RSV1 | TEXT, &deflate(&text));
    plain.expect(text.as_str());
    for client in [&mut small, &mut tiny] {
        let frame = client.next();
        assert_eq!(frame.first, FIN | RSV1 | TEXT);
        assert!(frame.payload.len() < 100, "{}", frame.payload.len());
        assert_eq!(text_of(&frame), text);
    }
    plain.send("short");
    small.expect(FIN | TEXT, b"short");
}

#[test]
fn a_room_of_few_is_not_compressed_and_a_long_answer_is() {
    let server = Server::start(&[]);
    let headers = format!("{OFFER}Sec-WebSocket-Protocol: parlor.v1.json\r\n");
    let (mut client, _) = connect(&server, "/ws/tea", &headers);
    let (mut other, _) = JsonClient::in_room(&server, "tea");
    let text = "again and ".repeat(1_000);
    for _ in 0..10 {
        other.say("tea", text.clone());
    }
    let command = json!({"type": "history", "room": "tea"}).to_string();
    client.send_frame(FIN | TEXT, command.as_bytes());
    let (mut told, mut answered) = (0, false);
    while told < 10 || !answered {
        let frame = client.next();
        let event: Value = serde_json::from_str(&text_of(&frame)).unwrap();
        match event["type"].as_str() {
            Some("history") => {
                assert_eq!(frame.first, FIN | RSV1 | TEXT);
                answered = true;
            }
            // Welcome, joined and presence are short, and messages have one reader.
            kind => {
                assert_eq!(frame.first, FIN | TEXT, "{event}");
                told += u32::from(kind == Some("message"));
            }
        }
    }
}

#[test]
fn a_message_that_many_read_is_compressed() {
    let server = Server::start(&[]);
    let mut many: Vec<_> = (0..300)
        .map(|_| connect(&server, "/ws/tea", OFFER).0)
        .collect();
    let text = "tea, or coffee? ".repeat(100);
    many[0].send_frame(FIN | RSV1 | TEXT, &deflate(&text));
    for client in &mut many {
        let frame = client.next();
        assert_eq!(frame.first, FIN | RSV1 | TEXT);
        assert_eq!(text_of(&frame), text);
    }
}

#[test]
fn the_json_door_is_compressed_too() {
    let server = Server::start(&["--deflate-min", "128"]);
    let headers = format!("{OFFER}Sec-WebSocket-Protocol: parlor.v1.json\r\n");
    let (mut client, _) = connect(&server, "/ws/tea", &headers);
    let mut next = || serde_json::from_str::<Value>(&text_of(&client.next())).unwrap();
    assert_eq!(
        (&next()["type"], &next()["type"]),
        (&json!("welcome"), &json!("joined"))
    );
    let (mut other, _) = JsonClient::in_room(&server, "tea");
    other.say("tea", "again and ".repeat(100));
    loop {
        let frame = client.next();
        let event: Value = serde_json::from_str(&text_of(&frame)).unwrap();
        if event["type"] == "message" {
            assert_eq!(
                (frame.first, &event["data"]),
                (FIN | RSV1 | TEXT, &json!("again and ".repeat(100)))
            );
            return;
        }
    }
}

#[test]
fn a_compressed_message_may_come_in_fragments_with_a_ping_between() {
    let server = Server::start(&[]);
    let (mut client, _) = connect(&server, "/ws", OFFER);
    let payload = deflate("fragments and fragments");
    let (one, two) = payload.split_at(3);
    client.send_frame(RSV1 | TEXT, one);
    client.send_frame(FIN | 0x9, b"?");
    client.send_frame(FIN, two);
    client.expect(FIN | 0xa, b"?");
    client.expect(FIN | TEXT, b"fragments and fragments");
}

#[test]
fn what_breaks_the_rules_ends_the_connection() {
    let server = Server::start(&["--max-message", "1000"]);
    let broken = |first: u8, payload: &[u8], code: u16| {
        let (mut client, _) = connect(&server, "/ws", OFFER);
        client.send_frame(first, payload);
        client.expect_failure(code);
    };
    broken(FIN | RSV1 | TEXT, b"\xff\xff\xff", 1007);
    broken(FIN | RSV1 | TEXT, &deflate(&"0".repeat(10_000_000)), 1009);
    broken(
        FIN | RSV1 | TEXT,
        &{
            let mut deflater = Deflater::default();
            let small = deflater.deflate(&[0xff; 100], false, Effort::Best);
            small.unwrap().to_vec()
        },
        1007,
    );
    broken(FIN | RSV1 | 0x9, b"", 1002);
    let mut plain = server.raw("/ws");
    plain.send_frame(FIN | RSV1 | TEXT, &deflate("not agreed on, not agreed on"));
    plain.expect_failure(1002);
}

#[test]
fn who_keeps_a_window_that_was_not_agreed_on_is_told_so() {
    let server = Server::start(&[]);
    let mut witness = server.client("/ws");
    let (mut client, agreed) = connect(&server, "/ws", OFFER);
    assert!(agreed.contains("client_no_context_takeover"));
    let mut window = Compress::new(Compression::default(), false);
    let mut deflate = |text: &str| {
        let mut out = Vec::with_capacity(1000);
        window
            .compress_vec(text.as_bytes(), &mut out, FlushCompress::Sync)
            .unwrap();
        out[..out.len() - 4].to_vec()
    };
    let text = "the same again, and the same again";
    client.send_frame(FIN | RSV1 | TEXT, &deflate(text));
    witness.expect(text);
    client.expect(FIN | TEXT, text.as_bytes());
    client.send_frame(FIN | RSV1 | TEXT, &deflate(text));
    let frame = client.next();
    let reason = String::from_utf8_lossy(&frame.payload[2..]).into_owned();
    assert_eq!(
        (frame.first, &frame.payload[..2]),
        (FIN | CLOSE, &1007_u16.to_be_bytes()[..])
    );
    assert_eq!(reason, "invalid compressed data, or context takeover");
    // Who does as the response says is not in their way.
    witness.say("calm");
}

#[test]
fn compression_can_be_off() {
    let server = Server::start(&["--no-deflate"]);
    let (mut client, agreed) = connect(&server, "/ws", OFFER);
    assert_eq!(agreed, "");
    let text = "x".repeat(1000);
    client.send_frame(FIN | TEXT, text.as_bytes());
    client.expect(FIN | TEXT, text.as_bytes());
}
