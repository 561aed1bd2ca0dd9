//! The stages of a run.

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Connecting,
    /// Until every reader has got a probe.
    Probing {
        next_ns: u64,
        give_up_ns: u64,
    },
    WarmingUp {
        until_ns: u64,
    },
    Measuring {
        until_ns: u64,
        next_cut_ns: u64,
    },
    /// Until nothing is owed, or nothing has come for long.
    Draining,
    /// Those that stalled read again, which shows who was cut off.
    Waking,
    /// Everyone of a room goes and comes back.
    Returns(Step),
    /// Idle: connections are held, nothing is sent.
    Holding {
        until_ns: u64,
    },
    /// After that: all have been told to leave, and the server is to let them go.
    Leaving {
        give_up_ns: u64,
    },
    Done,
}

/// How far those are who go and come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// All come for the first time.
    Gathering { give_up_ns: u64 },
    /// They are there, and the pair is measured.
    Calm { until_ns: u64 },
    /// They have been cut off, and miss what is said.
    Away { until_ns: u64, give_up_ns: u64 },
    /// They come back, and the pair is measured.
    Storm { give_up_ns: u64 },
    /// All are back; what was said meanwhile may come.
    Settling { seen: u64, since_ns: u64 },
}
