//! The HTTP door: requests, their bodies and their responses.

pub(in crate::core::server) mod bans;
mod body;
mod copies;
pub(in crate::core::server) mod fields;
mod files;
pub(in crate::core::server) mod incoming;
mod push;
mod queries;
pub(in crate::core::server) mod respond;
pub(in crate::core::server) mod rooms;
mod route;
