//! What must hold for any bytes: run by the fuzzer, and by `cargo test` on the corpus.

#![allow(dead_code, reason = "each fuzz target uses one of these")]

pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod datagram;
pub(crate) mod deflate;
pub(crate) mod http;
pub(crate) mod incoming;
pub(crate) mod json;
pub(crate) mod line;
pub(crate) mod media;
pub(crate) mod proxy;
pub(crate) mod resp;
pub(crate) mod websocket;

/// Where to cut `input` into parts, as the bytes of `choices` have it.
fn cuts(input: &[u8], choices: &[u8]) -> Vec<usize> {
    let mut at = 0;
    let mut cuts = Vec::new();
    for &choice in choices {
        at = (at + usize::from(choice)).min(input.len());
        cuts.push(at);
    }
    cuts.push(input.len());
    cuts
}
