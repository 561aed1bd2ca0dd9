//! What things cost, in units of the budget. Rough: they decide when the clock is looked at, and what the simulation counts.

/// Asking whether there is time.
pub const SCAN: u64 = 50;
/// Looking one connection, room, name or message up, or putting it on a list.
pub const LOOKUP: u64 = 100;
/// One system call that reads.
pub const READ: u64 = 1_500;
/// Reading from someone in no room: a request with a login and a join, or a step of a TLS handshake. So much that the
/// clock is looked at after each, because a signature may cost a hundred times as much as a request.
pub const NEWCOMER: u64 = 20_000;
/// One system call that writes.
pub const WRITE: u64 = 5_000;
/// A byte that is copied, checked or unmasked.
pub const BYTE: u64 = 1;
/// A byte of JSON that is parsed or made.
pub const JSON_BYTE: u64 = 3;
/// A message or an event, however short, that is taken or encoded.
pub const MESSAGE: u64 = 500;
/// Compressing or inflating something, however short.
pub const DEFLATE: u64 = 5_000;
/// A byte that is compressed.
pub const DEFLATE_BYTE: u64 = 20;
/// A byte that is inflated.
pub const INFLATED_BYTE: u64 = 3;
/// A byte that is signed by HMAC-SHA256, once.
pub const SIGNED_BYTE: u64 = 4;
/// Taking a connection in: accept(2), and registering it.
pub const ADMIT: u64 = 15_000;
/// Freeing a connection: close(2), and its line in the log.
pub const FREE: u64 = 15_000;

/// What a number of bytes costs, at this much for each.
pub fn of_bytes(bytes: usize, each: u64) -> u64 {
    bytes as u64 * each
}
