//! The WebSocket protocol (RFC 6455), the server's side of it.

pub mod close;
pub mod deflate;
pub mod frame;
pub mod message;
mod reason;
