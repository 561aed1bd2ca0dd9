//! The publisher of a message, and the owner whose quota it counts against.

use std::net::Ipv4Addr;
use std::rc::Rc;

use crate::core::access::Rights;
use crate::core::chat::{Author, Name, Owner, Sender};
use crate::core::net::peer::Peer;
use crate::core::net::pending::Post;

/// The publisher of a message, at any door.
#[derive(Clone, Copy)]
pub(super) struct Publisher<'a> {
    pub(super) author: &'a Author,
    /// Whose `dedup` ids these are.
    pub(super) sender: &'a Sender,
    pub(super) owner: &'a Owner,
}

/// The owner whose quota is used by a client with these rights, at this address.
pub(super) fn owner_of(rights: &Rights, peer: Option<Peer>) -> Owner {
    match rights.grant() {
        Some(grant) => Owner::Holder(grant.name.shown()),
        None => Owner::at(peer.map_or(Ipv4Addr::LOCALHOST.into(), |peer| peer.ip)),
    }
}

/// Whose `dedup` ids those of a POST are.
pub(super) fn sender_of_post(post: &Post) -> Sender {
    match (&post.owner, &post.author.name) {
        (Owner::Address(_), Name::Chosen(name)) => {
            Sender::Named(post.owner.clone(), Rc::clone(name))
        }
        (owner, _) => Sender::Owner(owner.clone()),
    }
}
