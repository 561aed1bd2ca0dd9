//! Ring one: bytes in, values out, and back. Knows no sockets, no rooms and no time.

pub mod datagram;
pub mod error_code;
pub mod freshness;
pub mod http;
pub mod incoming;
pub mod json;
pub mod key_patterns;
pub mod line;
pub mod media;
pub mod proxy;
pub mod push;
pub mod resp;
pub mod sse;
pub mod target;
pub mod token;
pub mod webhook;
pub mod ws;
