//! Why a command or a request is refused: the code for programs, the message for people, the status of HTTP.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use crate::codec::error_code::ErrorCode;
use crate::codec::http::response::{Problem, Status};
use crate::codec::json::ban::BanRecord;
use crate::codec::json::command::CommandParseError;
use crate::codec::token::TokenError;
use crate::core::chat::{JoinError, PublishError, TooFastError, TooManyRoomsError};
use crate::limits::{RETRY_AFTER_SECONDS, RETRY_RATE_SECONDS};

/// Why a command or a request is not obeyed. The connection stays open.
#[derive(Clone, Debug)]
pub(super) struct CommandError {
    pub(super) code: ErrorCode,
    pub(super) message: Cow<'static, str>,
    /// Milliseconds after which it may be sent again, where that helps.
    pub(super) retry_ms: Option<u64>,
    /// A field with more, and its JSON: of a conflict the state of the key, of a ban what it is.
    pub(super) more: Option<(&'static str, Box<str>)>,
}

impl CommandError {
    pub(super) const fn new(code: ErrorCode, message: &'static str) -> Self {
        Self {
            code,
            message: Cow::Borrowed(message),
            retry_ms: None,
            more: None,
        }
    }

    /// The status of the answer to a request that is refused so.
    pub(super) fn status(&self) -> Status {
        status_of(self.code)
    }
}

/// The status of the answer to a request that is refused with this code (RFC 9110 section 15.5, 15.6).
fn status_of(code: ErrorCode) -> Status {
    match code {
        ErrorCode::BadJson
        | ErrorCode::BadCommand
        | ErrorCode::BadRoom
        | ErrorCode::BadName
        | ErrorCode::BadResume
        | ErrorCode::NotJoined => Status::BAD_REQUEST,
        ErrorCode::TokenNeeded | ErrorCode::BadToken | ErrorCode::TokenExpired => {
            Status::UNAUTHORIZED
        }
        ErrorCode::NotAllowed | ErrorCode::Banned => Status::FORBIDDEN,
        ErrorCode::NoSuchUser => Status::NOT_FOUND,
        ErrorCode::NameTaken => Status::CONFLICT,
        ErrorCode::Conflict => Status::PRECONDITION_FAILED,
        ErrorCode::TooManyConnections | ErrorCode::RateLimited => Status::TOO_MANY_REQUESTS,
        ErrorCode::TooManyRooms | ErrorCode::Busy | ErrorCode::Unavailable => {
            Status::SERVICE_UNAVAILABLE
        }
        ErrorCode::NotKept => Status::NOT_IMPLEMENTED,
        ErrorCode::TooManyKeys => Status::INSUFFICIENT_STORAGE,
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let status = status_of(error.code);
        match error.code {
            ErrorCode::RateLimited => {
                let detail =
                    "too many messages, or new rooms, come from you; go on after Retry-After";
                Self::new(status, detail).with(&[("Retry-After", RETRY_RATE_SECONDS)])
            }
            ErrorCode::TooManyRooms | ErrorCode::TooManyConnections | ErrorCode::Unavailable => {
                Self::detailed(status, error.message).with(&[("Retry-After", RETRY_AFTER_SECONDS)])
            }
            _ => Self {
                extension: error.more,
                ..Self::detailed(status, error.message)
            },
        }
    }
}

impl From<TooFastError> for CommandError {
    fn from(TooFastError { retry_ms }: TooFastError) -> Self {
        Self {
            retry_ms: Some(retry_ms),
            ..Self::new(
                ErrorCode::RateLimited,
                "too fast; send it again a little later",
            )
        }
    }
}

impl From<CommandParseError> for CommandError {
    fn from(invalid: CommandParseError) -> Self {
        Self {
            code: invalid.code,
            message: invalid.message.into(),
            retry_ms: None,
            more: None,
        }
    }
}

impl From<JoinError> for CommandError {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::TooManyRooms => TooManyRoomsError.into(),
            JoinError::TooManyJoined => {
                Self::new(ErrorCode::TooManyRooms, "leave a room first; see limits")
            }
        }
    }
}

impl From<TooManyRoomsError> for CommandError {
    fn from(_: TooManyRoomsError) -> Self {
        let message =
            "there are as many rooms as there may be, or you have begun as many as you may";
        Self::new(ErrorCode::TooManyRooms, message)
    }
}

impl From<PublishError> for CommandError {
    fn from(refusal: PublishError) -> Self {
        match refusal {
            PublishError::Conflict => Self::new(
                ErrorCode::Conflict,
                "the state of this key is another one by now: see current",
            ),
            PublishError::TooManyKeys => Self::new(
                ErrorCode::TooManyKeys,
                "this room retains as many keys as it may",
            ),
            PublishError::NoMemory => Self::new(
                ErrorCode::TooManyKeys,
                "the server retains as much as it may",
            ),
            PublishError::TooManyRooms => TooManyRoomsError.into(),
            PublishError::TooFast { retry_ms } => TooFastError { retry_ms }.into(),
            PublishError::Unavailable { retry_ms } => Self {
                retry_ms: Some(retry_ms),
                ..Self::new(
                    ErrorCode::Unavailable,
                    "messages cannot be kept or read for now; try again a little later",
                )
            },
        }
    }
}

impl From<TokenError> for CommandError {
    fn from(refused: TokenError) -> Self {
        let retry_ms = match refused {
            TokenError::KeysAwaited { retry_ms } => Some(retry_ms),
            _ => None,
        };
        Self {
            retry_ms,
            ..Self::new(refused.code(), refused.message())
        }
    }
}

/// Somebody is refused for this ban.
pub(super) fn banned(ban: &BanRecord) -> CommandError {
    let mut message = match &ban.room {
        None => "you are banned here".to_owned(),
        Some(room) => format!("you are banned from {room}"),
    };
    if let Some(until_ms) = ban.until {
        let until = UNIX_EPOCH + Duration::from_millis(until_ms.min(LAST_MS));
        message += &format!(" until {}", humantime::format_rfc3339_seconds(until));
    }
    if let Some(reason) = &ban.reason {
        message += &format!(": {reason}");
    }
    let notice = serde_json::to_string(&ban.notice()).unwrap_or_default();
    CommandError {
        message: message.into(),
        more: Some(("ban", notice.into())),
        ..CommandError::new(ErrorCode::Banned, "")
    }
}

/// The last millisecond that RFC 3339 can write.
const LAST_MS: u64 = 253_402_300_799_999;

/// The name is not valid.
pub(super) const BAD_NAME: CommandError = CommandError {
    code: ErrorCode::BadName,
    message: Cow::Borrowed(
        "a name is 1 to 32 characters that can be seen, mixes no scripts within a word, and does not look like a guest's or like a line of a chat",
    ),
    retry_ms: None,
    more: None,
};

/// Nobody of that name is connected.
pub(super) const NO_SUCH_USER: CommandError = CommandError {
    code: ErrorCode::NoSuchUser,
    message: Cow::Borrowed("nobody of this name is here"),
    retry_ms: None,
    more: None,
};

/// The name is that of another person.
pub(super) const NAME_OF_ANOTHER: CommandError = CommandError {
    code: ErrorCode::NameTaken,
    message: Cow::Borrowed("someone else has this name"),
    retry_ms: None,
    more: None,
};

/// The name looks like that of another person who is connected.
pub(super) const NAME_TAKEN: CommandError = CommandError {
    code: ErrorCode::NameTaken,
    message: Cow::Borrowed("somebody else is here whose name looks the same"),
    retry_ms: None,
    more: None,
};

/// No token was shown.
pub(super) const NO_TOKEN: CommandError = CommandError {
    code: ErrorCode::TokenNeeded,
    message: Cow::Borrowed("log in with a token first"),
    retry_ms: None,
    more: None,
};

/// The same at the line port.
pub(super) const NO_TOKEN_LINE: CommandError = CommandError {
    code: ErrorCode::TokenNeeded,
    message: Cow::Borrowed("a token is needed here: /login TOKEN"),
    retry_ms: None,
    more: None,
};

/// The person has `--max-per-person` connections.
pub(super) const TOO_MANY_OF_ONE: CommandError = CommandError {
    code: ErrorCode::TooManyConnections,
    message: Cow::Borrowed("you have as many connections as one may have; close another first"),
    retry_ms: None,
    more: None,
};

/// No connection of the addressee takes the direct message.
pub(super) const BUSY: CommandError = CommandError {
    code: ErrorCode::Busy,
    message: Cow::Borrowed("they do not read as fast as they are written to; try again"),
    retry_ms: None,
    more: None,
};
