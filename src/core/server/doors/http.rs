//! The HTTP door: requests, their bodies and their responses.

pub(in crate::core::server) mod body;
pub(in crate::core::server) mod fields;
mod files;
mod queries;
pub(in crate::core::server) mod respond;
pub(in crate::core::server) mod rooms;
mod route;
