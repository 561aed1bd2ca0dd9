//! Who says something, and on whose account.

use std::net::Ipv4Addr;

use crate::core::access::Rights;
use crate::core::chat::{Author, Owner, Sender};
use crate::core::net::peer::Peer;

/// Who says something, whatever their door.
#[derive(Clone, Copy)]
pub(super) struct Publisher<'a> {
    pub(super) author: &'a Author,
    /// Whose ids of messages `dedup` is one of.
    pub(super) sender: &'a Sender,
    pub(super) owner: &'a Owner,
}

/// On whose account it is what somebody with these rights, at this address, has the server keep.
pub(super) fn owner_of(rights: &Rights, peer: Option<Peer>) -> Owner {
    match rights.grant() {
        Some(grant) => Owner::Holder(grant.name.shown()),
        None => Owner::at(peer.map_or(Ipv4Addr::LOCALHOST.into(), |peer| peer.ip)),
    }
}
