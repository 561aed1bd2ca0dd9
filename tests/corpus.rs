//! What the fuzzer has found interesting, once more: each file of tests/fuzz/corpus on the property it was found with.

#[path = "fuzz/properties/mod.rs"]
mod properties;

use std::fs;
use std::path::Path;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count > 10, "{target} has a corpus of {count}");
}

#[test]
fn http() {
    replay("http", properties::http::check);
}

#[test]
fn body() {
    replay("body", properties::body::check);
}

#[test]
fn websocket() {
    replay("websocket", properties::websocket::check);
}

#[test]
fn deflate() {
    replay("deflate", properties::deflate::check);
}

#[test]
fn line() {
    replay("line", properties::line::check);
}

#[test]
fn json() {
    replay("json", properties::json::check);
}

#[test]
fn proxy() {
    replay("proxy", properties::proxy::check);
}

#[test]
fn resp() {
    replay("resp", properties::resp::check);
}

#[test]
fn datagram() {
    replay("datagram", properties::datagram::check);
}

#[test]
fn incoming() {
    replay("incoming", properties::incoming::check);
}

#[test]
fn media() {
    replay("media", properties::media::check);
}

#[test]
fn connection() {
    replay("connection", properties::connection::check);
}
