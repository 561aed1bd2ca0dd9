//! A direct message that other nodes were asked to deliver.

use serde_json::value::RawValue;

use crate::core::chat::PersonId;
use crate::core::id::ConnectionId;
use crate::core::store::{DirectMessage, DirectOutcome, PublicPerson};

/// A direct message whose sender waits for what becomes of it at other nodes.
#[derive(Debug)]
pub(super) struct SentDirect {
    pub(super) id: ConnectionId,
    pub(super) echo: Option<Box<RawValue>>,
    pub(super) from: PersonId,
    pub(super) message: Box<DirectMessage>,
    /// The name by which whoever is at no node is told by push.
    pub(super) pushed_to: Option<Box<str>>,
    /// How many nodes were asked, once that is known.
    asked: Option<usize>,
    answered: usize,
    /// The addressee is somewhere, and takes nothing now.
    is_busy: bool,
}

/// What has become of it, as far as that is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered(PublicPerson),
    NoSuchUser,
    Busy,
    /// Others have to answer yet.
    Open,
}

impl SentDirect {
    /// `is_busy`: the addressee is here, and takes nothing now.
    pub(super) fn new(
        id: ConnectionId,
        echo: Option<Box<RawValue>>,
        from: PersonId,
        message: Box<DirectMessage>,
        is_busy: bool,
    ) -> Self {
        Self {
            id,
            echo,
            from,
            message,
            pushed_to: None,
            asked: None,
            answered: 0,
            is_busy,
        }
    }

    /// So many nodes were asked.
    pub(super) fn on_sent(&mut self, nodes: usize) -> Fate {
        self.asked = Some(nodes);
        self.fate()
    }

    /// One of them has answered, which may come before their number is known.
    pub(super) fn on_outcome(&mut self, outcome: DirectOutcome) -> Fate {
        self.answered += 1;
        match outcome {
            DirectOutcome::Delivered(to) => return Fate::Delivered(to),
            DirectOutcome::Busy => self.is_busy = true,
            DirectOutcome::NoSuchUser => {}
        }
        self.fate()
    }

    fn fate(&self) -> Fate {
        match self.asked {
            Some(asked) if self.answered >= asked && self.is_busy => Fate::Busy,
            Some(asked) if self.answered >= asked => Fate::NoSuchUser,
            _ => Fate::Open,
        }
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn held_bytes(&self) -> usize {
        let echo = self.echo.as_ref().map_or(0, |echo| echo.get().len());
        let name = self.pushed_to.as_ref().map_or(0, |name| name.len());
        self.message.held_bytes() + echo + name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::store::Content;

    fn person() -> PublicPerson {
        let name = "ana".into();
        PublicPerson { id: 1, name }
    }

    fn sent() -> SentDirect {
        let message = DirectMessage {
            from: person(),
            at_ms: 0,
            content: Content::Text,
            body: b"hello".as_slice().into(),
        };
        let id = ConnectionId::new(0, 0);
        SentDirect::new(id, None, PersonId(1), message.into(), false)
    }

    #[test]
    fn one_who_takes_it_is_enough() {
        let mut sent = sent();
        assert_eq!(sent.on_sent(3), Fate::Open);
        assert_eq!(sent.on_outcome(DirectOutcome::Busy), Fate::Open);
        let taken = DirectOutcome::Delivered(person());
        assert_eq!(sent.on_outcome(taken), Fate::Delivered(person()));
    }

    #[test]
    fn nobody_has_it_once_all_have_answered() {
        assert_eq!(sent().on_sent(0), Fate::NoSuchUser);
        let mut early = sent();
        assert_eq!(early.on_outcome(DirectOutcome::NoSuchUser), Fate::Open);
        assert_eq!(early.on_outcome(DirectOutcome::Busy), Fate::Open);
        assert_eq!(early.on_sent(2), Fate::Busy);
    }
}
