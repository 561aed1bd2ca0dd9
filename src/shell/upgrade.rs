//! An upgrade without a close: this process starts the new binary, and hands it the sockets and all that it knows.
//!
//! The two speak over a pair of Unix sockets, of which the new process has one as its standard input:
//!
//! 1. The new process reads its settings and says hello, with the version of the state that it reads. Until then the old one
//!    goes on as always.
//! 2. The old one is held: it reads nothing more, and goes on until nothing is on its way. Then it sends its `Baggage`, its
//!    state, and the descriptors.
//! 3. The new process builds a server of that, opens the store, and says that it is ready.
//! 4. The old one says go, and is done but for connections over TLS, whose keys it cannot hand on: it tells them to come back.
//!
//! Until it has said go, the old process has changed nothing. Whatever fails, or takes too long, it goes on.

mod baggage;
mod channel;
mod command;
mod giver;
mod taker;

pub(super) use baggage::{Baggage, SocketState};
pub use command::{UpgradeArgs, upgrade};
pub(super) use giver::{Next, TAKE_OVER, Upgrade};
pub(super) use taker::{Handover, Taker};
