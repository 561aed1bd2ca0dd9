//! Those at other nodes as they are told to the server that takes over.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{Elsewhere, Told};
use crate::core::chat::person::Author;

/// Who is in a room at one node.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core::chat) struct NodeState {
    node: Box<str>,
    sequence: u64,
    unlisted: usize,
    people: Vec<Author>,
}

impl NodeState {
    /// The same, as that node has told it.
    pub(in crate::core::chat) fn told(self) -> (Rc<str>, Told) {
        let told = Told {
            sequence: self.sequence,
            after: 0,
            unlisted: self.unlisted,
            present: self.people,
            gone: Vec::new(),
        };
        (self.node.into(), told)
    }
}

impl Elsewhere {
    pub(in crate::core::chat) fn state(&self) -> Vec<NodeState> {
        let nodes = self.nodes.iter().map(|(name, node)| NodeState {
            node: (&**name).into(),
            sequence: node.sequence,
            unlisted: node.unlisted,
            people: node
                .people
                .iter()
                .map(|(&id, name)| Author {
                    id,
                    name: name.clone(),
                })
                .collect(),
        });
        nodes.collect()
    }
}
