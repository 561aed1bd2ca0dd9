//! The line port: people with `nc`.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};

use serde_json::json;

use crate::common::{JsonClient, PATIENCE, SECRET, Server, TestFile, eventually, token, token_of};

/// A server with a line port, and which that is.
fn start(flags: &[&str]) -> (Server, u16) {
    let server = Server::start(&[&["--line-port", "0"], flags].concat());
    let line = server.next_line();
    let port = line.rsplit_once(':').unwrap().1.parse().unwrap();
    (server, port)
}

/// Someone who types.
struct Typist(BufReader<TcpStream>);

impl Typist {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Comes in under a name.
    fn named(port: u16, name: &str) -> Self {
        let mut typist = Self::connect(port);
        typist.types(&format!("/nick {name}"));
        typist.sees(&format!("* you are {name}"));
        typist
    }

    fn types(&mut self, line: &str) {
        self.sends(format!("{line}\r\n").as_bytes());
    }

    fn sends(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.0.read_line(&mut line).unwrap();
        (length > 0).then(|| line.trim_end_matches('\n').to_owned())
    }

    /// The next line that begins so; others are passed over.
    fn sees(&mut self, beginning: &str) -> String {
        self.sees_line(|line| line.starts_with(beginning))
    }

    fn sees_line(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.line().expect("another line");
            if is_it(&line) {
                return line;
            }
        }
    }
}

#[test]
fn whoever_types_is_in_the_lobby() {
    let (server, port) = start(&[]);
    let mut plain = server.client("/ws");
    let (mut json, _) = JsonClient::in_room(&server, "lobby");
    let mut alice = Typist::named(port, "alice");
    alice.types("hello, room");
    alice.sees("alice: hello, room");
    plain.expect("hello, room");
    let message = json.expect("message");
    assert_eq!(
        (&message["from"]["name"], &message["data"]),
        (&json!("alice"), &json!("hello, room"))
    );
    plain.send("two\nlines \u{1b}[2J");
    alice.sees("guest-");
    json.say("lobby", json!({"a": [1, "b"]}));
    assert!(alice.sees("guest-").ends_with(": {\"a\":[1,\"b\"]}"));
}

#[test]
fn a_terminal_gets_no_control_characters() {
    let (server, port) = start(&[]);
    let mut plain = server.client("/ws");
    let mut alice = Typist::named(port, "alice");
    plain.send("a\u{1b}[2J\u{7}b\r\nc\u{202e}d");
    assert!(alice.sees("guest-").ends_with(": a[2Jb / cd"));
}

#[test]
fn commands() {
    let (server, port) = start(&[]);
    let (mut json, _) = JsonClient::in_room(&server, "tea");
    json.ask(json!({"type": "login", "name": "bob"}));
    json.say("tea", "said before");
    let mut alice = Typist::named(port, "alice");
    alice.types("/join tea");
    alice.sees("* you are alice in tea, 2 here");
    alice.sees("bob: said before");
    alice.types("/who");
    let who = alice.sees("* 2 in tea:");
    assert!(who.contains("alice") && who.contains("bob"), "{who}");
    alice.types("/msg bob psst");
    alice.sees("alice -> bob: psst");
    let direct = json.wait_for("direct");
    assert_eq!(
        (&direct["from"]["name"], &direct["data"]),
        (&json!("alice"), &json!("psst"))
    );
    json.ask(json!({"type": "direct", "to": "alice", "data": "yes?"}));
    alice.sees("bob -> alice: yes?");
    alice.types("/help");
    alice.sees("* /join ROOM");
    for (line, error) in [
        ("/dance", "! there is no such command"),
        ("/nick bob", "! someone else has this name"),
        ("/join a b", "! a room is named"),
        ("/msg nobody x", "! nobody of this name"),
    ] {
        alice.types(line);
        alice.sees(error);
    }
    alice.types("/quit");
    alice.sees("* goodbye");
    assert_eq!(alice.line(), None);
    eventually("she has left", || {
        json.ask(json!({"type": "members", "room": "tea"}))["count"] == 1
    });
}

#[test]
fn who_comes_and_goes_is_told() {
    let (_server, port) = start(&[]);
    let mut alice = Typist::named(port, "alice");
    let bob = Typist::named(port, "bob");
    let news = alice.sees_line(|line| line.contains("bob is here"));
    assert!(news.ends_with("2 here"), "{news}");
    drop(bob);
    assert_eq!(alice.sees("* bob has left"), "* bob has left, 1 here");
}

#[test]
fn what_is_no_line() {
    let (_server, port) = start(&["--rate", "5"]);
    let mut alice = Typist::connect(port);
    alice.sends(b"\xff\xfe\n");
    alice.sees("! that line is not UTF-8");
    alice.sends(b"\n".repeat(12).as_slice());
    alice.sees("! too fast");
    let mut long = Typist::connect(port);
    long.sends(&[b'x'; 9_000]);
    long.sees("! that line is too long");
    long.sees("* message too big");
    assert_eq!(long.line(), None);
}

#[test]
fn the_end_is_announced_and_a_full_house_says_so() {
    let (server, port) = start(&["--max-connections", "1"]);
    let mut alice = Typist::connect(port);
    alice.sees("* /help");
    let mut late = Typist::connect(port);
    late.sees("* the parlor is full");
    assert_eq!(late.line(), None);
    server.signal("TERM");
    alice.sees("* server is shutting down");
    assert_eq!(alice.line(), None);
}

#[test]
fn where_a_token_is_wanted_it_is_a_line() {
    let file = TestFile::new(SECRET);
    let (_server, port) = start(&["--secret-file", file.path()]);
    let mut bob = Typist::connect(port);
    bob.sees("* a token is needed here: /login TOKEN");
    for line in ["hello", "/who", "/join tea", "/msg bob x", "/nick eve"] {
        bob.types(line);
        bob.sees("! a token is needed here: /login TOKEN");
    }
    bob.types("/login x");
    bob.sees("! this is not a JSON Web Token");
    bob.types(&format!("/login {}", token_of("Bob")));
    bob.sees("* you are Bob in lobby, 1 here");
    bob.types("/nick eve");
    bob.sees("! your name is that of your token");

    let mut alice = Typist::connect(port);
    let reader = json!({"sub": "alice", "subscribe": ["tea-*"], "publish": ["tea-2"]});
    alice.types(&format!("/login {}", token(reader)));
    alice.sees("* you are alice; /join one of: tea-*");
    alice.types("hello");
    alice.sees("! you are in no room");
    alice.types("/who");
    alice.sees("* you are in no room");
    alice.types("/join lobby");
    alice.sees("! your token does not allow that");
    alice.types("/join tea-1");
    alice.sees("* you are alice in tea-1");
    alice.types("hello");
    alice.sees("! your token does not allow that");
    alice.types("/join tea-2");
    alice.types("hello");
    alice.sees("alice: hello");
    alice.types(&format!("/login {}", token_of("alice")));
    alice.sees("* your new token is good");
    alice.types("/join lobby");
    alice.sees("* you are alice in lobby, 2 here");
}

/// What a web page can send to the port: `fetch('http://host:PORT', {method: 'POST', mode: 'no-cors', body: …})`.
#[test]
fn a_page_cannot_type() {
    let (server, port) = start(&["-v"]);
    let mut member = server.client("/ws");
    let fetch = "POST / HTTP/1.1\r\nHost: localhost:7000\r\nConnection: keep-alive\r\nContent-Length: 25\r\n\
                 User-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n/nick Admin\nI am Admin\n";
    let hello = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03/nick Admin\nI am Admin\n";
    for bytes in [
        fetch.as_bytes(),
        b"\r\nGET /\r\n/nick Admin\nI am Admin\n",
        b"OPTIONS * HTTP/1.1\r\nI am Admin\n",
        b"Host: a\r\nI am Admin\n",
        hello,
    ] {
        let mut page = Typist::connect(port);
        page.sends(bytes);
        page.sees("! this port takes lines of text");
        assert_eq!(page.line(), None);
    }
    // In parts, too.
    let mut page = Typist::connect(port);
    for part in ["PO", "ST / HT", "TP/1.1\r", "\nI am Admin\n"] {
        page.sends(part.as_bytes());
    }
    page.sees("! this port takes lines of text");
    assert_eq!(page.line(), None);
    server.wait_for_log(|line| line.contains("spoke HTTP to the line port"));
    server.wait_for_log(|line| line.contains("spoke TLS to the line port"));
    // Whoever has said something may speak of it.
    let mut alice = Typist::named(port, "alice");
    alice.types("GET / HTTP/1.1");
    alice.sees("alice: GET / HTTP/1.1");
    member.expect("GET / HTTP/1.1");
}

#[test]
fn the_last_line_needs_no_end() {
    let (server, port) = start(&[]);
    let mut member = server.client("/ws");
    let mut typist = Typist::connect(port);
    typist.sends(b"first\nlast one");
    typist
        .0
        .get_ref()
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    member.expect("first");
    member.expect("last one");
    typist.sees_line(|line| line.ends_with(": last one"));
    assert_eq!(typist.line(), None);
}

#[test]
fn lines_that_are_not_utf_8_are_limited_like_others() {
    let (server, port) = start(&[]);
    for line in [&b"\xff\n"[..], b"\xff\xfe\n", b"\xc3(\r\n", b"caf\xe9\n"] {
        let mut typist = Typist::connect(port);
        let flood = line.repeat(200_000);
        let mut writer = typist.0.get_ref().try_clone().unwrap();
        // It is cut off before all has been taken.
        let sending = std::thread::spawn(move || drop(writer.write_all(&flood)));
        typist.sees("! that line is not UTF-8");
        typist.sees("! too fast");
        typist.sees("* too many commands");
        assert_eq!(typist.line(), None);
        drop(typist);
        sending.join().unwrap();
    }
    assert_eq!(
        server.http().ask(crate::common::get("/healthz")).status,
        200
    );
}

#[test]
fn telnet_may_negotiate() {
    let (_server, port) = start(&[]);
    let mut putty = Typist::connect(port);
    putty.sends(
        b"\xff\xfb\x1f\xff\xfb\x20\xff\xfb\x18\xff\xfb\x27\xff\xfd\x01\xff\xfb\x03\xff\xfd\x03/nick ana\r\n",
    );
    putty.sees("* you are ana");
    putty.sends(b"\xff\xf1he\xff\xf6llo\r\n");
    putty.sees("ana: hello");
}
