//! Why a command is refused, in the words that its sender reads.

use std::borrow::Cow;

use crate::codec::json::command::Invalid;
use crate::codec::token::Refused;
use crate::core::chat::{JoinError, Refusal, TooFast, TooManyRooms};

/// Why a command is not obeyed; the connection stays.
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) message: Cow<'static, str>,
    /// Milliseconds after which it may be sent again, where that helps.
    pub(super) retry_ms: Option<u64>,
}

impl Failure {
    pub(super) fn new(code: &'static str, message: &'static str) -> Self {
        Self {
            code,
            message: message.into(),
            retry_ms: None,
        }
    }
}

impl From<TooFast> for Failure {
    fn from(TooFast { retry_ms }: TooFast) -> Self {
        Self {
            retry_ms: Some(retry_ms),
            ..Self::new("rate_limited", "too fast; send it again after retry_ms")
        }
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Self {
            code: invalid.code,
            message: invalid.message.into(),
            retry_ms: None,
        }
    }
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::TooManyRooms => TooManyRooms.into(),
            JoinError::TooManyJoined => {
                Self::new("too_many_rooms", "leave a room first; see limits")
            }
        }
    }
}

impl From<TooManyRooms> for Failure {
    fn from(_: TooManyRooms) -> Self {
        let message =
            "there are as many rooms as there may be, or you have begun as many as you may";
        Self::new("too_many_rooms", message)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooManyKeys => {
                Self::new("too_many_keys", "this room retains as many keys as it may")
            }
            Refusal::NoMemory => Self::new("too_many_keys", "the server retains as much as it may"),
            Refusal::TooManyRooms => TooManyRooms.into(),
            Refusal::TooFast { retry_ms } => TooFast { retry_ms }.into(),
            Refusal::Unavailable { retry_ms } => Self {
                retry_ms: Some(retry_ms),
                ..Self::new(
                    "unavailable",
                    "messages cannot be kept for now; send it again after retry_ms",
                )
            },
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::new(refused.code(), refused.message())
    }
}

/// What a name has to be.
pub(super) const BAD_NAME: &str = "a name is 1 to 32 characters that can be seen, mixes no scripts within a word, and does not look like a guest's or like a line of a chat";

/// The refusal of one who names nobody that is here.
pub(super) const NO_SUCH_USER: Failure = Failure {
    code: "no_such_user",
    message: Cow::Borrowed("nobody of this name is here"),
    retry_ms: None,
};

/// Two would be taken for one.
pub(super) const NAME_TAKEN: &str = "somebody else is here whose name looks the same";

/// The refusal of one who has shown no token.
pub(super) const NO_TOKEN: Failure = Failure {
    code: "token_needed",
    message: Cow::Borrowed("log in with a token first"),
    retry_ms: None,
};

/// The same at the line port.
pub(super) const NO_TOKEN_LINE: Failure = Failure {
    code: "token_needed",
    message: Cow::Borrowed("a token is needed here: /login TOKEN"),
    retry_ms: None,
};

/// The refusal of one who has `--max-per-person` connections.
pub(super) const TOO_MANY_OF_ONE: Failure = Failure {
    code: "too_many_connections",
    message: Cow::Borrowed("you have as many connections as one may have; close another first"),
    retry_ms: None,
};

/// The refusal of a direct message that nobody takes.
pub(super) const BUSY: Failure = Failure {
    code: "busy",
    message: Cow::Borrowed("they do not read as fast as they are written to; try again"),
    retry_ms: None,
};
