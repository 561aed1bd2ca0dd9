//! What every test from outside needs: a server process, HTTP by hand, and two kinds of WebSocket
//! client: tungstenite for what a decent peer does, frames by hand for what it does not.

mod client;
mod data;
mod events;
mod health;
mod http;
mod json;
mod raw;
mod redis;
mod server;
pub(crate) mod tls;
mod tokens;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

pub(crate) use client::{Client, close_of};
pub(crate) use data::Data;
pub(crate) use events::Events;
pub(crate) use health::with_a_healthy_pair;
pub(crate) use http::{Http, Response, get, post, post_chunked, upgrade, upgrade_with};
pub(crate) use json::JsonClient;
pub(crate) use raw::{BINARY, CLOSE, CONTINUATION, FIN, Frame, PING, PONG, RawClient, TEXT, frame};
pub(crate) use redis::Redis;
pub(crate) use server::{Finished, Server, run, run_with_environment};
pub(crate) use tokens::{SECRET, TestFile, token, token_by, token_of, unix_seconds};

/// How long an expected event may take before a test fails: far beyond what an idle machine needs, as
/// the machine that runs the tests is seldom idle.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A connection of which the kernel holds little while nobody reads.
pub(crate) fn narrow(server: &Server) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&server.address().into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

/// Has the connection end with a reset when it is dropped, or its process killed.
pub(crate) fn reset(stream: &TcpStream) {
    SockRef::from(stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

/// Waits until `done` says so. For states that announce themselves by no event, such as a descriptor
/// that another process has closed.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "in vain waited for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Bytes that look random and are the same in every run (xorshift64).
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
