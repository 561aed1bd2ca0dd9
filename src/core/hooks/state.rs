//! Webhooks as they are told to the server that takes over: it sends what this one has not, or does not know to have arrived.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Hooks;
use super::endpoint::{Counts, Health};
use super::lane::{Lane, Place};
use super::room::HookRoom;
use crate::core::chat::RoomName;

/// What is queued for webhooks, and what they were told of rooms.
#[derive(Debug, Serialize)]
pub(in crate::core) struct HooksState<'a> {
    endpoints: Vec<EndpointState<'a>>,
    rooms: &'a BTreeMap<RoomName, HookRoom>,
    stream: u64,
}

#[derive(Debug, Serialize)]
struct EndpointState<'a> {
    key: u64,
    lanes: Vec<(&'a Place, &'a Lane)>,
    counts: Counts,
    is_off: bool,
    health: Health,
}

/// The same as it is read.
#[derive(Debug, Default, Deserialize)]
pub(in crate::core) struct ToldHooks {
    endpoints: Vec<ToldEndpoint>,
    rooms: BTreeMap<RoomName, HookRoom>,
    stream: u64,
}

#[derive(Debug, Deserialize)]
struct ToldEndpoint {
    key: u64,
    lanes: Vec<(Place, Lane)>,
    counts: Counts,
    is_off: bool,
    /// A server before this version does not tell it.
    #[serde(default)]
    health: Health,
}

impl Hooks {
    /// All that is known. To be called when nothing waits for the store.
    pub(in crate::core) fn state(&self) -> HooksState<'_> {
        let endpoints = self.endpoints.iter();
        let endpoints = endpoints.map(|it| EndpointState {
            key: it.key(),
            lanes: it.lanes().iter().collect(),
            counts: it.counts(),
            is_off: it.is_off(),
            health: it.health(),
        });
        HooksState {
            endpoints: endpoints.collect(),
            rooms: &self.rooms,
            stream: self.stream,
        }
    }

    /// Begins with what another server has known. Gives the places of webhooks that it did not have.
    pub(in crate::core) fn take_over(&mut self, told: ToldHooks, node: &str) -> Vec<usize> {
        self.node = node.into();
        self.stream = told.stream;
        self.rooms = told.rooms;
        for (name, room) in &mut self.rooms {
            room.set_wanted(&self.endpoints, name);
            let due_ms = room.due_ms();
            self.due.extend(due_ms.map(|due_ms| (due_ms, name.clone())));
        }
        let mut new: Vec<usize> = (0..self.endpoints.len()).collect();
        for it in told.endpoints {
            let place = self.endpoints.iter().position(|one| one.key() == it.key);
            if let Some(place) = place {
                let lanes = it.lanes.into_iter().collect();
                self.endpoints[place].resume(lanes, it.counts, it.is_off, it.health);
                new.retain(|index| *index != place);
            }
        }
        new
    }
}
