//! What other nodes were told of a room, and what has changed since.

use std::collections::BTreeMap;

use crate::core::chat::elsewhere::{Elsewhere, Told};
use crate::core::chat::person::{Author, Name, PublicId};

/// What is shared of one room.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// What was told of it; `None` before that.
    pub(super) told: Option<LastTold>,
    /// Others may know of members: that there are none any more has to be told.
    pub(super) is_known: bool,
    /// It is told at a time that is set already.
    pub(super) is_due: bool,
    pub(super) elsewhere: Elsewhere,
}

/// What was told last of a room.
#[derive(Debug)]
pub(super) struct LastTold {
    pub(super) sequence: u64,
    pub(super) unlisted: usize,
    pub(super) people: BTreeMap<PublicId, Name>,
}

impl LastTold {
    /// What has changed since this was told, or the whole.
    pub(super) fn since(&self, before: Option<&Self>) -> Told {
        let change = before.filter(|it| !it.people.is_empty());
        let before = |id: &PublicId| change.and_then(|it| it.people.get(id));
        let present = self.people.iter();
        let present = present.filter(|(id, name)| before(id) != Some(*name));
        let gone = change.into_iter().flat_map(|it| it.people.keys());
        let gone = gone.filter(|id| !self.people.contains_key(id));
        Told {
            sequence: self.sequence,
            after: change.map_or(0, |it| it.sequence),
            unlisted: self.unlisted,
            gone: gone.copied().collect(),
            present: present
                .map(|(&id, name)| Author {
                    id,
                    name: name.clone(),
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::chat::person::PersonId;

    fn told(sequence: u64, unlisted: usize, present: &[u64]) -> LastTold {
        let present = present
            .iter()
            .map(|number| Author::guest(PersonId(*number)));
        LastTold {
            sequence,
            unlisted,
            people: present.map(|who| (who.id, who.name)).collect(),
        }
    }

    #[test]
    fn what_has_changed_is_told() {
        let first = told(1, 0, &[1, 2]);
        let whole = first.since(None);
        assert_eq!((whole.after, whole.present.len()), (0, 2));
        let change = told(4, 3, &[2, 5]).since(Some(&first));
        let ids = |people: &[Author]| people.iter().map(|who| who.id.number()).collect::<Vec<_>>();
        assert_eq!((change.sequence, change.after, change.unlisted), (4, 1, 3));
        assert_eq!(ids(&change.present), [5]);
        assert_eq!(change.gone, [Author::guest(PersonId(1)).id]);
        let crowd = told(5, 300, &[]);
        assert_eq!(
            told(6, 0, &[1]).since(Some(&crowd)).after,
            0,
            "the whole again"
        );
    }
}
