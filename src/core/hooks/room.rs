//! Who is in a room, as webhooks were told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::body;
use super::endpoint::Endpoint;
use super::here::Here;
use crate::core::chat::{Name, PublicId, RoomName};
use crate::limits::MAX_LISTED;
use crate::settings::HookEvent;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct HookRoom {
    /// The places of the webhooks that are told of it.
    #[serde(skip)]
    wanted: Vec<usize>,
    /// Who was there at this server; `None`: more than are named.
    told: Option<BTreeMap<PublicId, Name>>,
    count_here: usize,
    /// Somebody has come or gone since.
    is_stirred: bool,
    due_ms: Option<u64>,
    /// When something was told last.
    flushed_ms: Option<u64>,
}

impl HookRoom {
    pub(super) fn wanted(&self) -> &[usize] {
        &self.wanted
    }

    pub(super) fn set_wanted(&mut self, endpoints: &[Endpoint], name: &RoomName) {
        let wanted = endpoints.iter().enumerate();
        let wanted = wanted.filter(|(_, endpoint)| endpoint.is_for(name));
        self.wanted = wanted.map(|(index, _)| index).collect();
    }

    /// A webhook is told who is there. If nobody was before, the next change is one of that.
    pub(super) fn begin_with(&mut self, here: &Here) {
        if self.told.is_none() && self.count_here == 0 && self.due_ms.is_none() {
            self.know(here);
            self.is_stirred = false;
        }
    }

    /// Who is there is known from now on. Gives who was, and how many.
    fn know(&mut self, here: &Here) -> (Option<BTreeMap<PublicId, Name>>, usize) {
        let before = std::mem::replace(&mut self.count_here, here.count_here);
        let people = here.people.iter();
        let now = (here.count_here <= MAX_LISTED)
            .then(|| people.map(|it| (it.id, it.name.clone())).collect());
        (std::mem::replace(&mut self.told, now), before)
    }

    pub(super) fn stir(&mut self) {
        self.is_stirred = true;
    }

    /// Something is to be told, `apart_ms` after the last time at the earliest. Gives the time if that is not set yet.
    pub(super) fn schedule(&mut self, now_ms: u64, apart_ms: u64) -> Option<u64> {
        if self.due_ms.is_some() {
            return None;
        }
        let earliest_ms = self
            .flushed_ms
            .map_or(0, |flushed_ms| flushed_ms + apart_ms);
        self.due_ms = Some(earliest_ms.max(now_ms));
        self.due_ms
    }

    pub(super) fn on_flush(&mut self, now_ms: u64) {
        self.due_ms = None;
        self.flushed_ms = Some(now_ms);
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    pub(super) fn is_due(&self) -> bool {
        self.due_ms.is_some()
    }

    /// What has changed since this was asked last, as events in JSON.
    pub(super) fn changes(&mut self, here: &Here) -> Vec<(HookEvent, Vec<u8>)> {
        if !std::mem::take(&mut self.is_stirred) {
            return Vec::new();
        }
        let (told, before) = self.know(here);
        let elsewhere = here.count.saturating_sub(here.count_here);
        let mut changes = Vec::new();
        if before == 0 && here.count_here > 0 && elsewhere == 0 {
            changes.push((HookEvent::Occupied, body::event("occupied")));
        }
        // Nobody was there before the first time.
        let told = told.or_else(|| (before == 0).then(BTreeMap::new));
        if let (Some(told), Some(now)) = (&told, &self.told) {
            let joined = now.iter().filter(|(id, _)| !told.contains_key(id));
            changes.extend(joined.map(|it| (HookEvent::Joined, body::person("joined", it))));
            let left = told.iter().filter(|(id, _)| !now.contains_key(id));
            changes.extend(left.map(|it| (HookEvent::Left, body::person("left", it))));
        } else if here.count_here != before {
            let kind = match here.count_here > before {
                true => HookEvent::Joined,
                false => HookEvent::Left,
            };
            changes.push((kind, body::count(here.count)));
        }
        if before > 0 && here.count == 0 {
            changes.push((HookEvent::Vacated, body::event("vacated")));
        }
        changes
    }
}
