//! What a store keeps of bans, so that a restart ends none.

/// What a store is asked about bans. Not answered.
#[derive(Clone, Debug)]
pub enum BanRequest {
    /// To keep a ban, in the place of what is kept under its id.
    Keep {
        /// What it is found by.
        id: Box<str>,
        /// What it is, in JSON.
        text: Box<str>,
    },
    /// To forget a ban that is lifted.
    Forget {
        /// Its id.
        id: Box<str>,
    },
    /// To forget a ban that has ended, unless another was kept under its id since.
    End {
        /// Its id.
        id: Box<str>,
        /// What it was, in JSON.
        text: Box<str>,
    },
    /// To tell all bans, if they are others than this server has heard of: only a log is asked that several servers share.
    Compare,
}
