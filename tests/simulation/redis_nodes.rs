//! Whole nodes on one Redis: servers, each with the engine and the connections that it has in the shell, and a Redis in memory
//! that runs the real functions. What clients were told is judged, whatever goes wrong between the nodes and Redis.

mod chaos;
pub(crate) mod cluster;
mod escalations;
mod files;
mod folder;
mod judge;
mod patterns;
mod pushes;
mod rooms;
