//! A parlor that pushes, for tests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::codec::json::push::{PushKeys, PushKind, Severity, Wanted};
use crate::core::chat::{Author, Content, Message, Owner, RoomName};
use crate::core::now::Now;
use crate::core::push::{
    Knowledge, Person, Push, PushCall, PushOutcome, PushResult, Subscriber, Those,
};
use crate::core::store::KeptPush;

/// A parlor that pushes, and what its services have got.
pub(super) struct World {
    pub(super) push: Push,
    pub(super) now: Now,
    pub(super) people: People,
    pub(super) asks_for_tokens: bool,
    /// That of the next message.
    pub(super) offset: u64,
    /// What was delivered to each endpoint.
    pub(super) got: BTreeMap<String, Vec<Value>>,
}

/// Who is where, by their names.
#[derive(Default)]
pub(super) struct People {
    pub(super) here: BTreeSet<String>,
    /// And the room from which they are banned.
    pub(super) banned: BTreeSet<(String, RoomName)>,
}

impl Knowledge for People {
    fn is_here(&self, person: &Person, _: Option<&RoomName>) -> bool {
        let name = person.name();
        name.is_some_and(|name| self.here.contains(&**name))
    }

    fn is_banned(&self, person: &Person, room: Option<&RoomName>) -> bool {
        let both = person.name().zip(room);
        both.is_some_and(|(name, room)| self.banned.contains(&(name.to_string(), room.clone())))
    }
}

/// The first millisecond of a day.
pub(super) const MIDNIGHT_MS: u64 = 20_000 * 24 * 3_600_000;
pub(super) const MINUTE_MS: u64 = 60_000;

pub(super) fn wanted(rooms: &[&str], kinds: &[PushKind]) -> Wanted {
    Wanted {
        keys: PushKeys {
            public: [4; 65],
            auth: [1; 16],
        },
        rooms: rooms.iter().map(ToString::to_string).collect(),
        kinds: kinds.to_vec(),
        severity: Severity::Info,
        quiet: None,
        page: None,
    }
}

pub(super) fn holder(name: &str) -> Subscriber {
    Subscriber {
        person: Some(Person::Holder(name.into())),
        owner: Owner::Holder(name.into()),
        id: None,
        readable: Vec::new(),
    }
}

pub(super) fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            push: Push::new(KeptPush::default(), true, [7; 32]),
            now: Now {
                ms: 1_000,
                unix_ms: MIDNIGHT_MS,
            },
            people: People::default(),
            asks_for_tokens: true,
            offset: 41,
            got: BTreeMap::new(),
        }
    }

    pub(super) fn subscribe(&mut self, endpoint: &str, subscriber: Subscriber, wanted: Wanted) {
        let endpoint = format!("https://{endpoint}");
        let done = self
            .push
            .subscribe((&endpoint, wanted), subscriber, self.now);
        assert_eq!(done, Ok(()));
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now = Now {
            ms: self.now.ms + ms,
            unix_ms: self.now.unix_ms + ms,
        };
    }

    pub(super) fn with<T>(&mut self, act: impl FnOnce(&mut Push, &Those<'_>, Now) -> T) -> T {
        let those = Those {
            asks_for_tokens: self.asks_for_tokens,
            known: &self.people,
        };
        let done = act(&mut self.push, &those, self.now);
        assert_eq!(self.push.check(), Ok(()));
        done
    }

    /// Somebody says something in the room `plant`, and all who are to be told are looked for.
    pub(super) fn say(&mut self, from: &str, key: Option<&str>, body: &str) {
        self.publish(from, key, body);
        self.look();
    }

    /// All who are to be told are looked for.
    pub(super) fn look(&mut self) {
        self.with(|push, those, now| {
            while push.has_work() {
                push.step(those, now);
            }
        });
    }

    fn publish(&mut self, from: &str, key: Option<&str>, body: &str) {
        self.publish_in("plant", from, key, body);
    }

    /// Somebody says something, and nobody is looked for yet.
    pub(super) fn publish_in(&mut self, name: &str, from: &str, key: Option<&str>, body: &str) {
        let author = Author::stored(9, from);
        let content = match key {
            Some(_) => Content::Json,
            None => Content::Text,
        };
        let message = Message {
            expect: None,
            offset: Some(self.offset),
            at_ms: 0,
            author: &author,
            key,
            content,
            body: body.as_bytes(),
        };
        let place = room(name);
        self.with(|push, those, now| {
            if push.wants(key) {
                push.on_message((&place, 5), &message, None, those, now);
            }
        });
    }

    /// An alarm changes, and nobody is looked for yet.
    pub(super) fn say_only(&mut self, from: &str, change: &Value) {
        self.publish(from, Some("alarm.pump"), &change.to_string());
    }

    pub(super) fn alarm(&mut self, from: &str, change: &Value) {
        self.say(from, Some("alarm.pump"), &change.to_string());
    }

    pub(super) fn raise(&mut self, severity: &str) {
        self.alarm(
            "device",
            &json!({"alarm": "raised", "text": "hot", "severity": severity}),
        );
    }

    /// The calls that leave now.
    pub(super) fn leaving(&mut self) -> Vec<PushCall> {
        let calls = std::iter::from_fn(|| self.push.next_call(self.now));
        calls.collect()
    }

    pub(super) fn answer(&mut self, call: &PushCall, status: u16) {
        if status == 201 {
            let payload = serde_json::from_slice(&call.payload).unwrap();
            let got = self.got.entry(call.endpoint.to_string()).or_default();
            got.push(payload);
        }
        let outcome = PushOutcome {
            number: call.number,
            result: PushResult::Answered {
                status,
                retry_ms: None,
            },
        };
        self.push.on_outcome(&outcome, self.now);
        assert_eq!(self.push.check(), Ok(()));
    }

    /// All calls that may leave are answered well.
    pub(super) fn deliver(&mut self) {
        loop {
            let calls = self.leaving();
            if calls.is_empty() {
                return;
            }
            for call in calls {
                self.answer(&call, 201);
            }
        }
    }

    /// What was delivered to one: the kinds, or the states of alarms.
    pub(super) fn got(&self, endpoint: &str) -> Vec<String> {
        let got = self.got.get(&format!("https://{endpoint}"));
        let got = got.into_iter().flatten().map(|payload| {
            let parlor = &payload["parlor"];
            let told = parlor.get("state").unwrap_or(&parlor["kind"]);
            told.as_str().unwrap().to_owned()
        });
        got.collect()
    }
}

pub(super) const ALARM: &[PushKind] = &[PushKind::Alarm];
pub(super) const ALL: &[PushKind] = &[
    PushKind::Alarm,
    PushKind::Direct,
    PushKind::Mention,
    PushKind::Message,
];
