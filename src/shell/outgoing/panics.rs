//! What becomes of a panic in a request.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A panic is a failure of its request alone: the thread goes on, and it is tried again.
pub(in crate::shell) fn guarded<T>(make: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(make)).map_err(|_| "the request has panicked".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_fails_only_its_call() {
        let result: Result<(), String> = guarded(|| panic!("of a test"));
        assert!(result.unwrap_err().contains("panicked"));
    }
}
