//! The doors by which clients come in, one file each: what they ask for, and how they are answered.

pub(super) mod admin;
pub(super) mod datagrams;
pub(super) mod events;
pub(super) mod http;
pub(super) mod json;
pub(super) mod lines;
mod plain;
