//! The servers of Redis that connections are to, and which of them has which slots.

use std::collections::BTreeSet;

use crate::core::redis::links::link::{Identity, Link, Role};
use crate::core::redis::links::target::Address;
use crate::core::redis::links::topology::Range;
use crate::core::redis::partition::Slot;
use crate::core::stream::Stream;
use crate::limits::MAX_LINKS;

/// Connections to each server: one for commands, and one for channels.
pub(super) const PLACES: usize = 2;
const MAX_SERVERS: usize = MAX_LINKS / PLACES;

/// The number of a connection for commands among those of its server, and of that for channels.
pub(super) const COMMANDS: usize = 0;
pub(super) const CHANNELS: usize = 1;

/// Which connection: of which server, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) server: usize,
    pub(super) place: usize,
}

/// Where a connection is, or is to be.
#[derive(Debug)]
pub(super) struct Place<S> {
    pub(super) link: Option<Link<S>>,
    /// The number of the attempt that is under way.
    pub(super) attempt: Option<u64>,
    /// Where the connection, or the attempt, is to.
    pub(super) address: Address,
    /// When it is tried again.
    pub(super) at_ms: u64,
    pub(super) failures: u32,
    /// The connection before.
    pub(super) before: Option<Identity>,
}

#[derive(Debug)]
pub(super) struct Server<S> {
    /// Where it is tried next.
    pub(super) address: Address,
    /// What is there is a Sentinel.
    pub(super) is_sentinel: bool,
    pub(super) places: [Place<S>; PLACES],
}

/// Who has which slot of a cluster.
#[derive(Debug)]
struct Masters {
    of: Box<[Option<u16>]>,
    /// All that have slots.
    all: BTreeSet<usize>,
}

/// The servers, at places that they keep.
#[derive(Debug)]
pub(super) struct Servers<S> {
    list: Vec<Option<Server<S>>>,
    /// `None`: it is no cluster, and the first one has all slots.
    masters: Option<Masters>,
}

impl<S: Stream> Server<S> {
    pub(super) fn new(address: Address, is_sentinel: bool) -> Self {
        let place = || Place {
            link: None,
            attempt: None,
            address: address.clone(),
            at_ms: 0,
            failures: 0,
            before: None,
        };
        Self {
            places: [place(), place()],
            address,
            is_sentinel,
        }
    }

    /// Its connection for commands, if that can be used.
    pub(super) fn commands(&mut self) -> Option<&mut Link<S>> {
        let link = self.places[COMMANDS].link.as_mut();
        link.filter(|link| link.is_ready())
    }

    /// Its connection for channels, if that can be used.
    pub(super) fn channels(&mut self) -> Option<&mut Link<S>> {
        let link = self.places[CHANNELS].link.as_mut();
        link.filter(|link| link.is_ready())
    }

    pub(super) fn is_ready(&self) -> bool {
        let link = self.places[COMMANDS].link.as_ref();
        link.is_some_and(Link::is_ready)
    }

    pub(super) fn role(&self, place: usize) -> Role {
        match place {
            COMMANDS if self.is_sentinel => Role::Sentinel,
            COMMANDS => Role::Commands,
            _ => Role::Channels,
        }
    }
}

impl<S: Stream> Servers<S> {
    pub(super) fn new(first: Option<Server<S>>) -> Self {
        Self {
            list: vec![first],
            masters: None,
        }
    }

    pub(super) fn get(&self, server: usize) -> Option<&Server<S>> {
        self.list.get(server)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, server: usize) -> Option<&mut Server<S>> {
        self.list.get_mut(server)?.as_mut()
    }

    pub(super) fn place_mut(&mut self, at: At) -> Option<&mut Place<S>> {
        self.get_mut(at.server)?.places.get_mut(at.place)
    }

    pub(super) fn link_mut(&mut self, at: At) -> Option<&mut Link<S>> {
        self.place_mut(at)?.link.as_mut()
    }

    /// All servers with their numbers.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &Server<S>)> {
        let all = self.list.iter().enumerate();
        all.filter_map(|(number, server)| Some((number, server.as_ref()?)))
    }

    /// All places of connections.
    pub(super) fn places(&self) -> Vec<At> {
        let of_one = |(server, _)| (0..PLACES).map(move |place| At { server, place });
        self.all().flat_map(of_one).collect()
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.masters.is_some()
    }

    /// Who has a slot.
    pub(super) fn master_of(&self, slot: Slot) -> Option<usize> {
        match &self.masters {
            None => self.all().next().map(|(number, _)| number),
            Some(masters) => masters.of[usize::from(slot.0)].map(usize::from),
        }
    }

    /// Whether somebody has slots, or would have them if it is alone.
    pub(super) fn is_master(&self, server: usize) -> bool {
        match &self.masters {
            None => true,
            Some(masters) => masters.all.contains(&server),
        }
    }

    /// Whether all slots have masters that commands can be sent to.
    pub(super) fn is_whole(&self) -> bool {
        let is_ready = |server: &usize| self.get(*server).is_some_and(Server::is_ready);
        match &self.masters {
            None => self.all().all(|(_, server)| server.is_ready()),
            Some(masters) => {
                masters.of.iter().all(Option::is_some) && masters.all.iter().all(is_ready)
            }
        }
    }

    /// The one at an address, which is a new one if none was there.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn at(&mut self, address: &Address) -> Result<usize, String> {
        if let Some((number, _)) = self.all().find(|(_, it)| it.address == *address) {
            return Ok(number);
        }
        self.add(Server::new(address.clone(), false))
    }

    /// Adds one, and gives its number.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn add(&mut self, server: Server<S>) -> Result<usize, String> {
        let free = self.list.iter().position(Option::is_none);
        let number = free.unwrap_or(self.list.len());
        if number >= MAX_SERVERS {
            return Err(format!("the cluster has more than {MAX_SERVERS} masters"));
        }
        if number == self.list.len() {
            self.list.push(None);
        }
        self.list[number] = Some(server);
        Ok(number)
    }

    pub(super) fn remove(&mut self, server: usize) {
        self.list[server] = None;
    }

    /// These masters have the slots; those that nobody is named for have none.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn share(&mut self, ranges: &[Range]) -> Result<(), String> {
        let mut of = vec![None; usize::from(Slot::COUNT)];
        let mut all = BTreeSet::new();
        for Range { slots, master } in ranges {
            let master = self.at(master)?;
            all.insert(master);
            let slots = usize::from(*slots.start())..=usize::from(*slots.end());
            let slots = of.get_mut(slots).unwrap_or_default();
            slots.fill(u16::try_from(master).ok());
        }
        let of = of.into();
        self.masters = Some(Masters { of, all });
        Ok(())
    }

    /// A slot has this master.
    pub(super) fn set_master(&mut self, slot: Slot, server: usize) {
        if let Some(masters) = &mut self.masters {
            masters.of[usize::from(slot.0)] = u16::try_from(server).ok();
            masters.all.insert(server);
        }
    }

    /// One that is alone has all slots.
    pub(super) fn leave_cluster(&mut self) {
        self.masters = None;
    }
}
