//! An end to what SQLite does for too long. A look at its steps would not do: full-text search works within one.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::InterruptHandle;

use super::thread::spawn;
use crate::shell::error::RunError;

/// When the work of a connection is interrupted.
#[derive(Clone, Copy, Debug)]
enum Due {
    Never,
    At(Instant),
    /// There is no connection any more.
    Ended,
}

#[derive(Debug)]
struct Shared {
    due: Mutex<Due>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, due: Due) {
        *self.lock() = due;
        self.changed.notify_one();
    }

    /// Interrupts what takes too long until there is nothing to interrupt. Under the lock: what begins next is not hit.
    fn watch(&self, connection: &InterruptHandle) {
        let mut due = self.lock();
        loop {
            let wait = match *due {
                Due::Ended => return,
                Due::Never => Duration::MAX,
                Due::At(at) => at.saturating_duration_since(Instant::now()),
            };
            if wait.is_zero() {
                connection.interrupt();
                *due = Due::Never;
                continue;
            }
            let waited = self.changed.wait_timeout(due, wait);
            due = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Watches the work of a connection, on a thread of its own.
#[derive(Debug)]
pub(super) struct Deadline {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Deadline {
    pub(super) fn new(connection: InterruptHandle) -> Result<Self, RunError> {
        let shared = Arc::new(Shared {
            due: Mutex::new(Due::Never),
            changed: Condvar::new(),
        });
        let watched = Arc::clone(&shared);
        let thread = spawn("parlor-deadline", move || watched.watch(&connection))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Does some work, which is interrupted if it takes longer.
    pub(super) fn within<T>(&self, most: Duration, work: impl FnOnce() -> T) -> T {
        self.shared.set(Due::At(Instant::now() + most));
        let done = work();
        self.shared.set(Due::Never);
        done
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.shared.set(Due::Ended);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("a thread of the store has panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, ErrorCode};

    use super::*;

    /// It never ends by itself.
    const ENDLESS: &str =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

    #[test]
    fn what_takes_too_long_is_interrupted_and_what_follows_is_not() {
        let connection = Connection::open_in_memory().unwrap();
        let deadline = Deadline::new(connection.get_interrupt_handle()).unwrap();
        let ask = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        for _ in 0..3 {
            let late = deadline.within(Duration::from_millis(1), || ask(ENDLESS));
            let code = late.unwrap_err().sqlite_error_code();
            assert_eq!(code, Some(ErrorCode::OperationInterrupted));
            let soon = deadline.within(Duration::from_secs(60), || ask("SELECT 7"));
            assert_eq!(soon, Ok(7));
        }
    }
}
