//! `parlor send`: files from the command line.

use std::fs;

use serde_json::json;

use crate::common::tls::Authority;
use crate::common::{
    Data, Finished, JsonClient, SECRET, Server, TestFile, eventually, get, run, token_of,
};

fn send(server: &Server, flags: &[&str]) -> Finished {
    let address = format!("http://localhost:{}", server.port);
    run(&[&["send", "--server", &address], flags].concat())
}

#[track_caller]
fn expect_refusal(finished: &Finished, words: &str) {
    let Finished {
        status,
        stdout,
        stderr,
    } = finished;
    assert_eq!((status.code(), &**stdout), (Some(1), ""), "{stderr}");
    assert!(
        stderr.contains(words) && stderr.lines().count() == 1,
        "{stderr}"
    );
}

#[test]
fn it_prints_the_link_of_each_file() {
    let data = Data::new();
    let server = data.serve(&["--max-file", "1000"]);
    let (mut reader, _) = JsonClient::in_room(&server, "tea");
    let [one, empty, long] = [&b"hello"[..], b"", &[1; 1001]].map(TestFile::new);
    let sent = send(
        &server,
        &[one.path(), empty.path(), "--room", "tea", "--name", "ana"],
    );
    assert_eq!(sent.stderr, "");
    let links: Vec<&str> = sent.stdout.lines().collect();
    assert_eq!(links.len(), 2, "{links:?}");
    let host = format!("http://localhost:{}", server.port);
    for (link, body) in links.iter().zip([&b"hello"[..], b""]) {
        let path = link.strip_prefix(&host).expect(link);
        assert_eq!(server.http().ask(get(path)).body, body);
        let message = reader.expect("message");
        assert_eq!(message["from"]["name"], "ana");
        assert_eq!(message["data"]["file"]["href"], json!(path));
    }
    expect_refusal(&send(&server, &[long.path()]), "--max-file");
    expect_refusal(
        &send(&server, &["/does/not/exist"]),
        "cannot read /does/not/exist",
    );
    expect_refusal(&send(&server, &[data.path()]), "no regular file");
    expect_refusal(
        &send(&server, &[one.path(), "--room", "no room"]),
        "a room is named",
    );
    drop(server);
    let gone = run(&["send", one.path(), "--server", "http://127.0.0.1:1"]);
    expect_refusal(&gone, "cannot connect to http://127.0.0.1:1");
}

#[test]
fn it_shows_a_token_within_tls() {
    let data = Data::new();
    let authority = Authority::new("send");
    let secret = TestFile::new(SECRET);
    let server = authority.serve(&["--data", data.path(), "--secret-file", secret.path()]);
    let file = TestFile::new("hello");
    let (token, junk) = (TestFile::new(token_of("ana")), TestFile::new("\n"));
    let address = format!("https://localhost:{}", server.port);
    let flags = ["send", file.path(), "--server", &address];
    // The certificate is for another name, by an authority that the system does not know.
    expect_refusal(&run(&flags), "cannot speak TLS");
    authority.issue("localhost", |_| {});
    server.signal("HUP");
    let root = authority.root();
    let flags = [&flags[..], &["--ca-file", root.to_str().unwrap()]].concat();
    eventually("the new certificate is shown", || {
        run(&flags).stderr.contains("a token is needed")
    });
    let with = |path| run(&[&flags[..], &["--token-file", path]].concat());
    expect_refusal(&with(junk.path()), "there is no token");
    let sent = with(token.path());
    assert_eq!(sent.stderr, "");
    assert!(
        sent.stdout.starts_with(&format!("{address}/files/")),
        "{}",
        sent.stdout
    );
    assert_eq!(
        fs::read_dir(data.folder().join("files")).unwrap().count(),
        1
    );
}
