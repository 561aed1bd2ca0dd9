//! Ring three: the poll loop, the listener, TLS, the clock, signals and the configuration. Knows no message formats.

mod accepting;
mod announce;
mod clock;
pub mod config;
mod datagrams;
pub mod doctor;
mod entrance;
mod error;
mod escalations;
mod event_loop;
mod files;
mod hooks;
mod import_socket;
mod input_file;
mod keys;
mod listener;
pub mod logging;
mod outgoing;
mod push;
pub mod push_doctor;
mod push_key;
mod redis;
mod reload;
mod shared_folder;
mod store;
mod systemd;
mod timestamp;
mod tls;
pub mod token;
pub mod transfer;
mod transport;
pub mod upgrade;

pub use error::RunError;
pub use event_loop::run;
