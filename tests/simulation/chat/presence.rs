//! Who is in a room, as someone at the JSON door knows it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::follower::list;
use crate::model::Checked;

#[derive(Clone, Debug, Default)]
pub(crate) struct Presence {
    /// Names by ids.
    pub(crate) people: BTreeMap<String, String>,
    pub(crate) count: u64,
    /// Those whose coming was told by an event.
    told: BTreeSet<(String, String)>,
}

impl Presence {
    pub(crate) fn on_joined(&mut self, joined: &Value) -> Checked {
        self.told.clear();
        self.people = people(list(joined, "members")?)?;
        self.count = joined["count"].as_u64().ok_or("no count")?;
        self.check_count()
    }

    /// `departed`: who has given up a connection or a name, so that they may come again.
    pub(crate) fn on_event(&mut self, event: &Value, departed: &BTreeSet<String>) -> Checked {
        let (joined, left) = (
            people(list(event, "joined")?)?,
            people(list(event, "left")?)?,
        );
        for (id, name) in left {
            self.people.remove(&id);
            self.told.retain(|(told, _)| *told != id);
            if joined.contains_key(&id) {
                return Err(format!("{name} came and went: {event}"));
            }
        }
        for (id, name) in joined {
            let is_new = self.told.insert((id.clone(), name.clone()));
            if !is_new && self.people.get(&id) == Some(&name) && !departed.contains(&id) {
                return Err(format!("{name} is here already: {event}"));
            }
            self.people.insert(id, name);
        }
        self.count = event["count"].as_u64().ok_or("no count")?;
        Ok(())
    }

    /// At rest the names are those of all who are here.
    pub(crate) fn check_count(&self) -> Checked {
        if self.people.len() as u64 != self.count {
            return Err(format!("{} people are {:?}", self.count, self.people));
        }
        Ok(())
    }
}

/// Names by ids; the names of people in one room are different.
pub(crate) fn people(list: &[Value]) -> Checked<BTreeMap<String, String>> {
    let mut people = BTreeMap::new();
    for person in list {
        let (id, name) = (person["id"].as_str(), person["name"].as_str());
        let (id, name) = id.zip(name).ok_or_else(|| format!("{person} is nobody"))?;
        if people.insert(id.to_owned(), name.to_owned()).is_some() {
            return Err(format!("{id} is named twice"));
        }
    }
    let names: BTreeSet<&String> = people.values().collect();
    if names.len() != people.len() {
        return Err(format!("two people have one name: {people:?}"));
    }
    Ok(people)
}
