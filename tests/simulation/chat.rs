//! The real chat: people at the JSON door, at the port for lines, readers of streams and plain members in the same rooms,
//! who lose their connections at any time and come back for what they have missed.

mod follower;
mod line;
mod log;
mod names;
mod person;
mod plain;
mod plan;
mod positions;
mod presence;
mod reader;
mod shadow;
mod sprayer;
mod streams;
mod typist;
mod world;

pub(crate) use plan::ChatPlan;
pub(crate) use world::ChatWorld;
