//! How much of a file is sent, for people at a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// It is drawn no more often, and not at all for what is sent at once.
const EVERY: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Progress {
    name: String,
    length: u64,
    /// `None` where nobody looks.
    next: Option<Instant>,
    is_drawn: bool,
}

impl Progress {
    pub(super) fn new(name: &str, length: u64) -> Self {
        let is_seen = io::stderr().is_terminal();
        Self {
            // A terminal obeys control characters.
            name: name.chars().filter(|c| !c.is_control()).collect(),
            length,
            next: is_seen.then(|| Instant::now() + EVERY),
            is_drawn: false,
        }
    }

    /// So many bytes are sent.
    pub(super) fn show(&mut self, sent: u64) {
        let Some(next) = self.next.filter(|next| *next <= Instant::now()) else {
            return;
        };
        self.next = Some(next.max(Instant::now()) + EVERY);
        self.is_drawn = true;
        let percent = (sent as f64 / self.length.max(1) as f64 * 100.0) as u64;
        let _ = write!(io::stderr(), "\r{} {percent} %", self.name);
    }
}

/// Takes the line away.
impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_drawn {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
