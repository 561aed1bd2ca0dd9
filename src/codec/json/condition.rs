//! A condition under which a message is published.

use serde::{Deserialize, Serialize};

use super::epoch::Epoch;

/// What the state of a key has to be for a message to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// The key has none.
    New,
    /// It is the message with this offset.
    Offset {
        /// That of the message.
        offset: u64,
        /// The epoch of the offset; `None`: that of the room when the message comes.
        epoch: Option<u64>,
    },
}

impl Condition {
    /// Reads what a command, or the query of a request, says of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(
        offset: Option<u64>,
        epoch: Option<&str>,
        is_new: bool,
    ) -> Result<Option<Self>, &'static str> {
        let epoch = match epoch.map(Epoch::parse) {
            Some(None) => return Err("if_epoch is the epoch of a room, as in joined"),
            epoch => epoch.flatten().map(|it| it.0),
        };
        match (offset, epoch, is_new) {
            (Some(offset), epoch, false) => Ok(Some(Self::Offset { offset, epoch })),
            (Some(_), _, true) => Err("if_offset and if_new exclude each other"),
            (None, Some(_), _) => Err("if_epoch needs if_offset"),
            (None, None, true) => Ok(Some(Self::New)),
            (None, None, false) => Ok(None),
        }
    }

    /// The same where the epoch of the room is this, unless it names another.
    #[must_use]
    pub fn of(self, room: u64) -> Self {
        match self {
            Self::New => Self::New,
            Self::Offset { offset, epoch } => Self::Offset {
                offset,
                epoch: epoch.or(Some(room)),
            },
        }
    }

    /// Whether it is so where the room has this epoch, and the state of the key this offset.
    pub fn holds(self, room: u64, current: Option<u64>) -> bool {
        match self {
            Self::New => current.is_none(),
            Self::Offset { offset, epoch } => {
                current == Some(offset) && epoch.is_none_or(|it| it == room)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read() {
        let at = |offset, epoch| Some(Condition::Offset { offset, epoch });
        assert_eq!(Condition::parse(None, None, false), Ok(None));
        assert_eq!(Condition::parse(None, None, true), Ok(Some(Condition::New)));
        assert_eq!(Condition::parse(Some(7), None, false), Ok(at(7, None)));
        let epoch = Some("00000000000000ab");
        assert_eq!(
            Condition::parse(Some(7), epoch, false),
            Ok(at(7, Some(0xab)))
        );
        assert!(Condition::parse(Some(7), None, true).is_err());
        assert!(Condition::parse(None, epoch, false).is_err());
        assert!(Condition::parse(None, epoch, true).is_err());
        assert!(Condition::parse(Some(7), Some("ab"), false).is_err());
    }

    #[test]
    fn it_holds_for_one_state() {
        let (new, at) = (Condition::New, |offset, epoch| Condition::Offset {
            offset,
            epoch,
        });
        assert!(new.holds(1, None) && !new.holds(1, Some(7)));
        assert!(at(7, None).holds(1, Some(7)) && at(7, Some(1)).holds(1, Some(7)));
        assert!(!at(7, None).holds(1, None) && !at(7, None).holds(1, Some(8)));
        assert!(!at(7, Some(2)).holds(1, Some(7)));
        assert_eq!(
            (at(7, None).of(1), at(7, Some(2)).of(1)),
            (at(7, Some(1)), at(7, Some(2)))
        );
    }
}
