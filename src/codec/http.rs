//! HTTP/1.1 and 1.0, the server's side of it (RFC 9110, RFC 9112).

pub mod body;
pub mod disposition;
pub mod encoding;
pub mod forwarded;
pub mod host;
pub mod origin;
pub mod query;
pub mod range;
pub mod request;
pub mod response;
mod target;
pub mod upgrade;
