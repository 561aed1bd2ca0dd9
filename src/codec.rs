//! Ring one: bytes in, values out, and back. Knows no sockets, no rooms and no time.

pub mod datagram;
pub mod error_code;
pub mod http;
pub mod json;
pub mod line;
pub mod media;
pub mod proxy;
pub mod resp;
pub mod sse;
pub mod target;
pub mod token;
pub mod ws;
