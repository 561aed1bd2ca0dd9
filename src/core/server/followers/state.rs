//! What the server that takes over is told of those who follow patterns.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::core::chat::RoomName;
use crate::core::id::ConnectionId;
use crate::core::server::followers::{Followed, Follower, Followers, Search, ToEnter};
use crate::core::server::join_options::JoinOptions;

/// What one connection follows. A search that is not done begins anew: whoever is in a room already is not led into it again.
#[derive(Debug, Serialize, Deserialize)]
struct FollowerState {
    patterns: Vec<(Box<str>, JoinOptions)>,
    queue: VecDeque<ToEnter>,
    is_searching: bool,
    rooms: BTreeSet<RoomName>,
    is_told: bool,
}

/// All of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::core::server) struct FollowersState(Vec<(ConnectionId, FollowerState)>);

impl Followers {
    pub(in crate::core::server) fn state(&self) -> FollowersState {
        let told = |follower: &Follower| FollowerState {
            patterns: follower
                .patterns
                .iter()
                .map(|it| (it.text.clone(), it.options.clone()))
                .collect(),
            queue: follower.queue.clone(),
            is_searching: follower.search.is_some(),
            rooms: follower.rooms.clone(),
            is_told: follower.is_told,
        };
        let all = self.by_connection.iter();
        FollowersState(all.map(|(id, follower)| (*id, told(follower))).collect())
    }

    /// Takes over those who are here.
    pub(in crate::core::server) fn take_over(
        &mut self,
        state: FollowersState,
        is_here: impl Fn(ConnectionId) -> bool,
    ) {
        let here = state.0.into_iter().filter(|(id, _)| is_here(*id));
        self.by_connection = BTreeMap::from_iter(here.map(|(id, it)| {
            let patterns = it.patterns.into_iter();
            let follower = Follower {
                patterns: patterns
                    .map(|(text, options)| Followed::new(&text, options))
                    .collect(),
                queue: it.queue,
                search: it.is_searching.then(Search::default),
                rooms: it.rooms,
                is_ready: false,
                is_resting: false,
                is_told: it.is_told,
            };
            (id, follower)
        }));
        let ids: Vec<ConnectionId> = self.by_connection.keys().copied().collect();
        for id in ids {
            self.get_ready(id);
        }
    }

    /// Keeps only those who are here.
    pub(in crate::core::server) fn retain(&mut self, is_here: impl Fn(ConnectionId) -> bool) {
        self.by_connection.retain(|id, _| is_here(*id));
    }
}
