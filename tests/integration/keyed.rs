//! The state of a key from doors that have nothing but text: lines, datagrams, and the plain door's address.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};

use serde_json::{Value, json};

use crate::common::{JsonClient, Server, close_of, eventually, get, upgrade, upgrade_with};

fn port_of(line: &str) -> u16 {
    line.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// The state of all keys of a room, as who comes in finds it, as soon as there are so many.
fn state(server: &Server, room: &str, count: usize) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    eventually("the room keeps them", || {
        let (_, joined) = JsonClient::in_room(server, room);
        let retained = joined["retained"].as_array().unwrap();
        found = retained
            .iter()
            .map(|it| (it["key"].as_str().unwrap().to_owned(), it["data"].clone()))
            .collect();
        found.len() == count
    });
    found
}

/// How many datagrams have come to this, which is not told before the first has.
fn count(server: &Server, result: &str) -> u64 {
    let metrics = server.http().ask(get("/metrics"));
    let metrics = String::from_utf8(metrics.body).unwrap();
    let label = format!("parlor_datagrams_total{{result=\"{result}\"}} ");
    let mut counts = metrics.lines().filter_map(|line| line.strip_prefix(&label));
    counts.next().map_or(0, |count| count.parse().unwrap())
}

fn pair(key: &str, data: &str) -> (String, Value) {
    (key.to_owned(), json!(data))
}

#[test]
fn datagrams_and_lines_set_keys() {
    let server = Server::start(&["--line-port", "0", "--udp-port", "0", "--max-keys", "4"]);
    let lines = port_of(&server.next_line());
    let to = (Ipv4Addr::LOCALHOST, port_of(&server.next_line()));
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    udp.send_to(b"plant/boiler.temp 21.5\n", to).unwrap();
    assert_eq!(state(&server, "plant", 1), [pair("boiler.temp", "21.5")]);
    udp.send_to(b"plant/a/b 1", to).unwrap();
    let mut typist = TcpStream::connect((Ipv4Addr::LOCALHOST, lines)).unwrap();
    typist
        .write_all(b"plant/boiler.temp 22\n/set plant/door wide open\n")
        .unwrap();
    let mut kept = state(&server, "plant", 3);
    kept.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        kept,
        [
            pair("a/b", "1"),
            pair("boiler.temp", "22"),
            pair("door", "wide open")
        ]
    );
    for (datagram, result) in [
        ("plant/ 1".to_owned(), "bad_key"),
        ("plant/a?age=60 1".to_owned(), "bad_key"),
        ("plant/a?ttl=0 1".to_owned(), "bad_key"),
        (format!("plant/{} 1", "k".repeat(129)), "bad_key"),
        ("pl ant".to_owned(), "taken"),
        ("/a 1".to_owned(), "bad_room"),
    ] {
        let before = count(&server, result);
        udp.send_to(datagram.as_bytes(), to).unwrap();
        eventually(result, || count(&server, result) == before + 1);
    }
    // The fourth key is the last that the room keeps.
    udp.send_to(b"plant/c 1", to).unwrap();
    udp.send_to(b"plant/d 1", to).unwrap();
    eventually("it is refused", || count(&server, "too_many_keys") == 1);
    assert_eq!(state(&server, "plant", 4).len(), 4);
}

#[test]
fn what_is_said_with_a_slash_is_said() {
    let server = Server::start(&["--line-port", "0"]);
    let lines = port_of(&server.next_line());
    let (mut member, _) = JsonClient::in_room(&server, "lobby");
    let mut typist = TcpStream::connect((Ipv4Addr::LOCALHOST, lines)).unwrap();
    for said in ["and/or both", "http://example.com/a 5", "tea/milk 1 or 2"] {
        typist.write_all(format!("{said}\n").as_bytes()).unwrap();
        assert_eq!(member.wait_for("message")["data"], said);
    }
}

#[test]
fn the_plain_door_has_one_key() {
    let server = Server::start(&["--max-keys", "1"]);
    let mut sensor = server.client("/ws/plant?key=boiler.temp&retain");
    for value in ["21", "21.5"] {
        sensor.send(value);
        sensor.expect(value);
    }
    assert_eq!(state(&server, "plant", 1), [pair("boiler.temp", "21.5")]);
    let mut member = JsonClient::in_room(&server, "plant").0;
    let mut passing = server.client("/ws/plant?key=door");
    passing.expect("21.5");
    passing.send("open");
    let message = member.wait_for("message");
    assert_eq!(
        (&message["key"], &message["data"]),
        (&json!("door"), &json!("open"))
    );
    assert_eq!(state(&server, "plant", 1), [pair("boiler.temp", "21.5")]);
    let mut other = server.client("/ws/plant?key=door&retain");
    other.expect("21.5");
    other.send("open");
    let end = other.next();
    let (code, reason) = close_of(&end);
    assert_eq!(
        (code, reason.as_str()),
        (1008, "too many keys are retained")
    );
    let longest = "k".repeat(128);
    for (query, status) in [
        ("retain", 400),
        ("key=&retain", 400),
        ("key=a&retain=maybe", 400),
        (&format!("key={longest}k"), 400),
        (&format!("key={longest}"), 101),
    ] {
        let request = upgrade(&format!("/ws/plant?{query}"));
        assert_eq!(server.http().ask(request).status, status, "{query}");
    }
    let json_door = upgrade_with(
        "/ws/plant?key=a",
        "Sec-WebSocket-Protocol: parlor.v1.json\r\n",
    );
    assert_eq!(server.http().ask(json_door).status, 400);
}
