//! What a step through the input of a connection came to.

/// The result of one step through the input.
pub(super) enum Step {
    /// Something was taken. There may be more.
    Taken,
    /// The input is incomplete.
    NeedMore,
    /// The rest has to wait, until a response has left or a limit allows more.
    Wait,
    /// The connection's turn is over. It goes on in its next one.
    TurnOver,
}
