//! Which messages a client hands on that goes by parlor.js' rule of positions: nothing that is not newer than where it is.

use crate::model::Checked;

/// Where such a client is in a room, over all its connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Positions {
    epoch: String,
    offset: u64,
    /// The last message that was handed on.
    handed_on: u64,
}

impl Positions {
    /// `joined`, with the offsets of its messages.
    pub(crate) fn on_joined(&mut self, epoch: &str, offset: u64, messages: &[u64]) {
        if self.epoch != epoch {
            *self = Self {
                epoch: epoch.to_owned(),
                ..Self::default()
            };
        }
        // Older ones, which were asked for again, are dropped.
        for &message in messages {
            if message > self.offset {
                self.hand_on(message);
            }
        }
        self.offset = self.offset.max(offset);
    }

    /// A message that comes by itself. Whatever is dropped was handed on before.
    pub(crate) fn on_message(&mut self, offset: u64) -> Checked {
        if offset > self.offset {
            self.hand_on(offset);
        } else if offset > self.handed_on {
            return Err(format!("parlor.js drops {offset}, at {self:?}"));
        }
        Ok(())
    }

    fn hand_on(&mut self, offset: u64) {
        self.offset = offset;
        self.handed_on = offset;
    }
}
