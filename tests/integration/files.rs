//! Files: how they are sent to a room and read, what the others are told, and what becomes of them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};

use serde_json::{Value, json};

use crate::common::{
    Data, Http, JsonClient, PATIENCE, Redis, Response, SECRET, Server, TestFile, eventually, get,
    noise, token, token_of, with_a_healthy_pair,
};

/// The head of a request that brings so many bytes.
fn head(path: &str, headers: &str, length: usize) -> String {
    format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n")
}

fn put(server: &Server, path: &str, headers: &str, body: &[u8]) -> Response {
    let mut http = server.http();
    http.send(head(path, headers, body.len()));
    http.send(body);
    http.response()
}

/// Sends a file, and gives what is told of it.
#[track_caller]
fn upload(server: &Server, name: &str, body: &[u8]) -> Value {
    let response = put(server, &format!("/rooms/tea/files/{name}"), "", body);
    assert_eq!(response.status, 201, "{response:?}");
    let message: Value = serde_json::from_slice(&response.body).unwrap();
    let href = message["data"]["file"]["href"].as_str();
    assert_eq!(response.header("location"), href);
    message["data"]["file"].clone()
}

fn href(file: &Value) -> &str {
    file["href"].as_str().unwrap()
}

fn read_with(server: &Server, path: &str, headers: &str) -> Response {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    server.http().ask(request)
}

fn read(server: &Server, path: &str) -> Response {
    read_with(server, path, "")
}

fn stored(data: &Data) -> usize {
    fs::read_dir(data.folder().join("files")).unwrap().count()
}

/// A PNG of 3 by 2 pixels, as far as its size goes.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0\x12\x16\xf1M";

#[test]
fn a_file_is_told_of_in_its_room_and_read_as_it_was_sent() {
    let data = Data::new();
    let server = data.serve(&["--line-port", "0"]);
    let line_port: u16 = server
        .next_line()
        .rsplit_once(':')
        .unwrap()
        .1
        .parse()
        .unwrap();
    let mut typist = BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, line_port)).unwrap());
    typist.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    typist.get_mut().write_all(b"/join tea\n").unwrap();
    let mut lines = typist.lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains(" in tea")));
    let (mut reader, _) = JsonClient::in_room(&server, "tea");
    let body = noise(7, 300_000);
    let file = upload(&server, "my%20report%E2%82%AC.pdf", &body);
    assert_eq!(file["name"], "my report\u{20ac}.pdf");
    assert_eq!(file["type"], "application/pdf");
    assert_eq!(file["bytes"], 300_000);
    let message = reader.expect("message");
    assert_eq!(message["data"], json!({"file": file}));
    let line = lines.find(|line| line.contains(": my report")).unwrap();
    let (_, line) = line.split_once(": ").unwrap();
    let link = line
        .strip_prefix("my report\u{20ac}.pdf (300 kB) http://")
        .expect(line);
    assert!(link.ends_with(href(&file)), "{line}");
    let whole = read(&server, href(&file));
    assert!(whole.body == body);
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert_eq!(
        whole.header("content-disposition"),
        Some("attachment; filename=\"my report_.pdf\"; filename*=UTF-8''my%20report%E2%82%AC.pdf")
    );
    // Another name leads to the same: it is for people.
    let id = href(&file).split('/').nth(2).unwrap();
    assert!(read(&server, &format!("/files/{id}/other")).body == body);
}

#[test]
fn a_browser_shows_pictures_and_runs_nothing() {
    let data = Data::new();
    let server = data.serve(&[]);
    let picture = upload(&server, "x.html", PNG);
    assert_eq!(picture["type"], "image/png");
    assert_eq!(
        (&picture["width"], &picture["height"]),
        (&json!(3), &json!(2))
    );
    let page = upload(
        &server,
        "x.png",
        b"<script>alert(1)</script>                       ",
    );
    assert_eq!(page["type"], "application/octet-stream");
    for (file, disposition) in [
        (&picture, "inline; filename=\"x.html\""),
        (&page, "attachment; filename=\"x.png\""),
    ] {
        let response = read(&server, href(file));
        assert_eq!(response.header("content-disposition"), Some(disposition));
        assert_eq!(response.header("content-type"), file["type"].as_str());
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        let policy = response.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("sandbox; default-src 'none';"),
            "{policy}"
        );
    }
}

#[test]
fn parts_and_copies_that_are_still_good() {
    let data = Data::new();
    let server = data.serve(&[]);
    let file = upload(&server, "a", b"0123456789");
    let path = href(&file);
    let etag = read(&server, path).header("etag").unwrap().to_owned();
    let part = |headers: &str| {
        let response = read_with(&server, path, headers);
        let range = response.header("content-range").map(str::to_owned);
        (
            response.status,
            range,
            String::from_utf8(response.body).unwrap(),
        )
    };
    let bytes = |range: &str, body: &str| (206, Some(range.to_owned()), body.to_owned());
    assert_eq!(part("Range: bytes=2-4\r\n"), bytes("bytes 2-4/10", "234"));
    assert_eq!(part("Range: bytes=-3\r\n"), bytes("bytes 7-9/10", "789"));
    let fresh = format!("Range: bytes=8-\r\nIf-Range: {etag}\r\n");
    assert_eq!(part(&fresh), bytes("bytes 8-9/10", "89"));
    let whole = (200, None, "0123456789".to_owned());
    assert_eq!(part("Range: bytes=8-\r\nIf-Range: \"other\"\r\n"), whole);
    assert_eq!(part("Range: bytes=0-1,4-5\r\n"), whole);
    let beyond = (416, Some("bytes */10".to_owned()), String::new());
    assert_eq!(part("Range: bytes=10-\r\n"), beyond);
    let copy = read_with(&server, path, &format!("If-None-Match: {etag}\r\n"));
    assert_eq!((copy.status, copy.body.len()), (304, 0));
    let mut http = server.http();
    http.send(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    let head = http.head();
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("10"))
    );
    let again = http.ask(get(path));
    assert_eq!(again.body, b"0123456789", "on the same connection");
}

#[test]
fn what_is_over_a_limit_is_refused_before_it_is_sent() {
    let data = Data::new();
    let server = data.serve(&["--max-file", "1000", "--file-quota", "1500"]);
    let detail = |response: &Response| {
        response.expect_problem(response.status);
        String::from_utf8(response.body.clone()).unwrap()
    };
    let mut http = server.http();
    let waits = "Expect: 100-continue\r\n";
    let refused = http.ask(head("/rooms/tea/files/a", waits, 1001));
    assert_eq!(refused.status, 413);
    assert!(detail(&refused).contains("--max-file"), "{refused:?}");
    let mut http = server.http();
    assert_eq!(
        http.ask(head("/rooms/tea/files/a", waits, 1000)).status,
        100
    );
    http.send(noise(1, 1000));
    assert_eq!(http.response().status, 201);
    let refused = put(&server, "/rooms/tea/files/a", "", &noise(1, 501));
    assert_eq!(refused.status, 507);
    assert!(detail(&refused).contains("--file-quota"), "{refused:?}");
    for (path, status) in [
        ("/rooms/tea/files/", 400),
        ("/rooms/tea/files/%2E%2E", 400),
        ("/rooms/te%20a/files/a", 400),
        ("/rooms/tea/files/a?nam=b", 400),
        ("/rooms/tea/file/a", 404),
        ("/files/a", 405),
    ] {
        put(&server, path, "", b"x").expect_problem(status);
    }
    put(
        &server,
        "/rooms/tea/files/a",
        "Content-Encoding: gzip\r\n",
        b"x",
    )
    .expect_problem(415);
    put(
        &server,
        "/rooms/tea/files/a",
        "Origin: http://evil.example\r\n",
        b"x",
    )
    .expect_problem(403);
    read(&server, "/files/0123456789abcdef0123456789abcdef/a").expect_problem(404);
    read(&server, "/files/../parlor.db").expect_problem(404);
    assert_eq!(stored(&data), 1);
}

#[test]
fn without_a_directory_there_are_no_files() {
    let server = Server::start(&[]);
    let refused = put(&server, "/rooms/tea/files/a", "", b"x");
    refused.expect_problem(501);
    assert!(
        String::from_utf8(refused.body)
            .unwrap()
            .contains("--data DIR")
    );
    let client = JsonClient::new(&server, "/ws");
    assert_eq!(client.welcome["limits"].get("file"), None);
}

#[test]
fn files_outlive_the_server_and_not_their_messages() {
    let data = Data::new();
    let mut server = data.serve(&[]);
    let file = upload(&server, "a", b"hello");
    server.signal("TERM");
    server.wait();
    let server = data.serve(&[]);
    assert_eq!(read(&server, href(&file)).body, b"hello");
    // Its room is only in the store so far.
    let second = upload(&server, "b", b"world");
    let messages: Value =
        serde_json::from_slice(&read(&server, "/rooms/tea/messages").body).unwrap();
    let told = messages["messages"].as_array().unwrap();
    assert_eq!(told[0]["data"]["file"], file);
    assert_eq!(
        (&told[1]["data"]["file"], &told[1]["offset"]),
        (&second, &json!(2))
    );
    let emptied = server
        .http()
        .ask("DELETE /rooms/tea HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(emptied.status, 204);
    for file in [&file, &second] {
        read(&server, href(file)).expect_problem(404);
    }
    eventually("the bytes are gone", || stored(&data) == 0);
}

#[test]
fn what_is_broken_off_leaves_nothing() {
    let data = Data::new();
    let server = data.serve(&[]);
    let mut http = server.http();
    http.send(head("/rooms/tea/files/a", "", 1_000_000));
    http.send(noise(1, 500_000));
    eventually("some has come", || stored(&data) == 1);
    drop(http);
    eventually("it is gone", || stored(&data) == 0);
    // A server that dies removes nothing; the next one does.
    let mut http = server.http();
    http.send(head("/rooms/tea/files/a", "", 1_000_000));
    http.send(noise(1, 500_000));
    eventually("some has come", || stored(&data) == 1);
    let mut server = server;
    server.signal("KILL");
    server.wait();
    let _server = data.serve(&[]);
    assert_eq!(stored(&data), 0);
}

#[test]
fn rights_are_those_of_the_room() {
    let data = Data::new();
    let secret = TestFile::new(SECRET);
    let server = data.serve(&["--secret-file", secret.path()]);
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let (ana, reader) = (
        bearer(&token_of("ana")),
        bearer(&token(json!({"sub": "bob", "subscribe": ["tea"]}))),
    );
    let stranger = bearer(&token(
        json!({"sub": "cem", "subscribe": ["milk"], "publish": ["milk"]}),
    ));
    let path = "/rooms/tea/files/a";
    put(&server, path, "", b"hello").expect_problem(401);
    put(&server, path, &reader, b"hello").expect_problem(403);
    let sent = put(&server, path, &ana, b"hello");
    assert_eq!(sent.status, 201);
    let href = sent.header("location").unwrap();
    read(&server, href).expect_problem(401);
    read_with(&server, href, &stranger).expect_problem(403);
    assert_eq!(read_with(&server, href, &reader).body, b"hello");
    let token = token_of("dan");
    assert_eq!(
        read(&server, &format!("{href}?token={token}")).body,
        b"hello"
    );
    let messages = read_with(&server, "/rooms/tea/messages", &reader);
    let messages: Value = serde_json::from_slice(&messages.body).unwrap();
    assert_eq!(messages["messages"][0]["from"]["name"], "ana");
}

#[test]
fn a_file_is_from_the_person_who_sends_it() {
    let data = Data::new();
    let server = data.serve(&[]);
    let (mut ana, _) = JsonClient::in_room(&server, "tea");
    let welcome = ana.ask(json!({"type": "login", "name": "ana"}));
    assert_eq!(welcome["limits"]["file"], 25 << 20);
    let resume = welcome["resume"].as_str().unwrap();
    let path = "/rooms/tea/files/a";
    let own = put(
        &server,
        path,
        &format!("Parlor-Resume: {resume}\r\n"),
        b"hello",
    );
    assert_eq!(own.status, 201);
    let message = ana.expect("message");
    assert_eq!(message["from"], welcome["you"]);
    put(&server, path, "Parlor-Resume: 1.2\r\n", b"hello").expect_problem(403);
    put(&server, "/rooms/tea/files/a?name=ana", "", b"hello").expect_problem(409);
    let named = put(&server, "/rooms/tea/files/a?name=bob", "", b"hello");
    assert_eq!(named.status, 201);
    assert_eq!(ana.expect("message")["from"]["name"], "bob");
}

#[test]
fn many_at_once_beside_a_chat_that_goes_on() {
    let data = Data::new();
    let server = data.serve(&["--max-memory", "67108864"]);
    let body = noise(3, 2_000_000);
    with_a_healthy_pair(&server, || {
        let mut senders: Vec<Http> = (0..20).map(|_| server.http()).collect();
        for sender in &mut senders {
            sender.send(head("/rooms/files/files/a", "", body.len()));
        }
        for slice in body.chunks(100_000) {
            for sender in &mut senders {
                sender.send(slice);
            }
        }
        let hrefs: Vec<String> = senders
            .iter_mut()
            .map(|sender| {
                let response = sender.response();
                assert_eq!(response.status, 201, "{response:?}");
                response.header("location").unwrap().to_owned()
            })
            .collect();
        for (reader, href) in senders.iter_mut().zip(&hrefs) {
            reader.send(get(href));
        }
        for reader in &mut senders {
            assert!(reader.response().body == body);
        }
    });
}

#[test]
fn nodes_on_redis_share_files() {
    let (redis, data) = (Redis::start(&["--save", ""]), Data::new());
    let url = redis.url();
    let folder = data.folder().join("files");
    let flags = ["--redis", &url, "--files", folder.to_str().unwrap()];
    let [one, two] = [Server::start(&flags), Server::start(&flags)];
    for server in [&one, &two] {
        eventually("Redis is there", || {
            put(server, "/rooms/pub/files/a", "", b"").status == 201
        });
    }
    let file = upload(&one, "kettle.txt", b"the kettle is on");
    let response = read(&two, href(&file));
    assert_eq!(response.status, 200);
    assert_eq!(response.body, b"the kettle is on");
    let part = read_with(&two, href(&file), "Range: bytes=4-9\r\n");
    assert_eq!((part.status, &*part.body), (206, &b"kettle"[..]));
    let client = JsonClient::new(&two, "/ws");
    assert!(client.welcome["limits"]["file"].is_u64());
    let delete = "DELETE /rooms/tea HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(two.http().ask(delete).status, 204);
    eventually("it is gone", || read(&one, href(&file)).status == 404);
    let count = || fs::read_dir(&folder).unwrap().count();
    eventually("its bytes are gone", || count() == 2);
}
