//! Several servers that share people by one log: who is where, whose a name is, and what is said to one person.

mod chaos;
mod circle;
mod first;
mod handover;
mod lists;
mod log;
mod posts;
mod scenes;
