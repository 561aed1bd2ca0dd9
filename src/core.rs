//! Ring two: connections, rooms, delivery, limits and timers, as a deterministic state machine.
//!
//! Sockets come in as values that can be read and written, time and randomness as arguments: what runs here runs the
//! same on a kernel's sockets and under a simulator.
//!
//! Its parts, each of which imports only those above it: small values (`now`, `stream`, `ready`, `ensure`, `id`, `network`, `pace`,
//! [`budget`], `file`, [`handover`]), [`chat`] (rooms and people), [`access`] (rights), `ban` (who may not come in), [`store`] and [`redis`] (what outlives a room here), [`push`] (what phones are told), `net` (connections and their lists), `delivery` (from a
//! message to queued bytes), [`hooks`] (what receivers of webhooks are told), [`escalation`] (alarms that nobody acknowledges), [`export`] (from a message to a line of a file, and back), `server` (the tick, and the doors by which clients come in).

pub mod access;
mod ban;
pub mod budget;
pub mod chat;
mod delivery;
mod ensure;
pub mod escalation;
pub mod export;
pub mod file;
pub mod handover;
pub mod hooks;
mod id;
mod net;
mod network;
mod now;
mod pace;
mod pattern;
pub mod push;
mod ready;
pub mod redis;
mod server;
pub mod site;
pub mod store;
mod stream;

pub use crate::codec::http::origin::parse as parse_origin;
pub use crate::codec::proxy::Client;
pub use id::ConnectionId;
pub use net::ending::EndReason;
pub use net::hosts::Hosts;
pub use net::proxied::{Proxied, ProxiedState};
pub use now::Now;
pub use ready::Ready;
pub use server::{DatagramResult, Server};
pub use stream::Stream;
