//! How an invariant is checked.

/// Says what is wrong unless the invariant holds.
pub(super) fn ensure(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(otherwise.to_owned())
    }
}
