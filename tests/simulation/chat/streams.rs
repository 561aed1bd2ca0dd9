//! A reader of a room's stream of Server-Sent Events, who comes back with `Last-Event-ID`.

use serde_json::Value;

use super::follower::{Asked, Follower, parse_id};
use super::line::{Loss, Network};
use super::plan::room_name;
use super::reader::{StreamReader, StreamSeen};
use super::shadow::Shadow;
use super::world::{Guest, Here};
use crate::model::Checked;
use crate::random::Random;

pub(crate) struct Stream {
    random: Random,
    follower: Follower,
    network: Option<Network>,
    life: Option<usize>,
    /// The last `id:` seen.
    last_id: Option<String>,
    asked: Option<Asked>,
    reader: StreamReader,
    /// The state of keys is coming: what it was opened with, what it had asked for, unless it has fallen behind, and the
    /// offsets that have come.
    state: Option<(Value, Option<Asked>, Vec<u64>)>,
    /// Loses its connection when it has read so many bytes.
    cut: Option<usize>,
    read_count: usize,
}

impl Stream {
    pub(crate) fn new(
        room: usize,
        network: Option<Network>,
        cut: Option<usize>,
        random: Random,
    ) -> Self {
        Self {
            random,
            follower: Follower::new(room),
            network,
            life: None,
            last_id: None,
            asked: None,
            reader: StreamReader::default(),
            state: None,
            cut,
            read_count: 0,
        }
    }

    fn connect(&mut self, shadow: &mut Shadow) {
        let network = self
            .network
            .unwrap_or_else(|| Network::new(&mut self.random));
        let life = shadow.lines.connect(network, self.random.next());
        let last = self.random.pick(&[None, None, Some(0), Some(5), Some(300)]);
        let since = self.last_id.as_deref().and_then(|id| parse_id(id).ok());
        let last = last.filter(|_| self.network.is_none());
        let query = last.map_or(String::new(), |last| format!("?last={last}"));
        let id = self.last_id.as_ref();
        let id = id.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        let room = room_name(self.follower.room);
        let request =
            format!("GET /rooms/{room}/events{query} HTTP/1.1\r\nHost: localhost\r\n{id}\r\n");
        self.asked = Some(Asked {
            last: last.unwrap_or(if since.is_some() { 100 } else { 0 }),
            since,
            sent_ms: shadow.now,
        });
        self.life = Some(life);
        self.reader = StreamReader::default();
        shadow.lines.all[life].send(request.as_bytes());
    }

    fn on_event(
        &mut self,
        id: Option<&str>,
        name: Option<&str>,
        data: &str,
        shadow: &mut Shadow,
    ) -> Checked {
        let event: Value =
            serde_json::from_str(data).map_err(|error| format!("{error}: {data}"))?;
        match (name, id, self.asked.take()) {
            // No position: the state of keys comes first, and its last has one.
            (Some("joined"), None, asked) => {
                if event["recovered"] != false {
                    return Err(format!("no position: {event}"));
                }
                self.state = Some((event, asked, Vec::new()));
            }
            (Some("joined"), Some(id), Some(asked)) => {
                self.follower.on_opened(&event, id, &asked, shadow)?;
                self.on_state(&event, Vec::new(), shadow);
            }
            (Some("joined"), Some(_), None) => self.on_state(&event, Vec::new(), shadow),
            (None, id, None) if self.state.is_some() => {
                let (opened, asked, mut state) = self.state.take().expect("it is coming");
                let epoch = opened["epoch"].as_str().ok_or("no epoch")?;
                state.push(shadow.see(self.follower.room, epoch, &event)?);
                match (id, &asked) {
                    (None, _) => self.state = Some((opened, asked, state)),
                    (Some(id), Some(asked)) => {
                        self.follower.on_opened(&opened, id, asked, shadow)?;
                        self.on_state(&opened, state, shadow);
                    }
                    (Some(_), None) => self.on_state(&opened, state, shadow),
                }
            }
            (None, Some(id), None) => {
                self.follower.on_message(&event, shadow)?;
                let (epoch, offset) = parse_id(id)?;
                let is_its = event["offset"] == offset;
                let here = self
                    .follower
                    .position
                    .as_ref()
                    .is_some_and(|(it, _)| *it == epoch);
                if !is_its || !here {
                    return Err(format!("{event} has the id {id}"));
                }
            }
            (Some("gap"), None, None) => self.follower.on_gap(&event, shadow)?,
            (Some("bye"), None, None) => {}
            other => return Err(format!("{other:?} came as {event}")),
        }
        if let Some(id) = id {
            self.last_id = Some(id.to_owned());
        }
        Ok(())
    }

    /// All of the state of keys has come; who comes back to where they were is not told it.
    fn on_state(&mut self, opened: &Value, state: Vec<u64>, shadow: &mut Shadow) {
        if opened["recovered"] == false {
            let offset = opened["offset"].as_u64().unwrap_or_default();
            self.follower.on_state(offset, state, shadow);
        }
    }

    fn go_out(&mut self) {
        self.follower.go_out();
        self.state = None;
        self.asked = None;
        self.life = None;
    }
}

impl Guest for Stream {
    fn act(&mut self, shadow: &mut Shadow) {
        match self.life {
            None if self.random.chance(200) => self.connect(shadow),
            Some(life) if self.random.chance(shadow.plan.loss) && self.network.is_none() => {
                let loss = self.random.pick(&[Loss::Reset, Loss::Abort]);
                shadow.lines.all[life].lose(loss);
                self.go_out();
            }
            _ => {}
        }
    }

    fn settle(&mut self, shadow: &mut Shadow) -> bool {
        if self.life.is_none() {
            self.connect(shadow);
        }
        self.follower.is_in && self.state.is_none()
    }

    fn read(&mut self, shadow: &mut Shadow) -> Checked {
        let Some(life) = self.life else {
            return Ok(());
        };
        let most = self.cut.map_or(usize::MAX, |cut| cut - self.read_count);
        let bytes = shadow.lines.all[life].take(most);
        self.read_count += bytes.len();
        for seen in self.reader.feed(&bytes)? {
            shadow.note(|| format!("stream, life {life}, sees {seen:?}"));
            match seen {
                StreamSeen::Event { id, name, data } => {
                    self.on_event(id.as_deref(), name.as_deref(), &data, shadow)?;
                }
                StreamSeen::Status(200) | StreamSeen::Nothing => {}
                // A clock that jumps leaves no time for a request.
                StreamSeen::Status(408) if shadow.plan.jumps => {}
                StreamSeen::Status(status) => return Err(format!("a stream is refused: {status}")),
            }
        }
        if self.cut == Some(self.read_count) {
            self.cut = None;
            shadow.lines.all[life].lose(Loss::Reset);
            self.go_out();
        } else if shadow.lines.all[life].is_at_end() {
            shadow.lines.all[life].lose(Loss::HalfClose);
            // A slow reader of such a room is not closed.
            let plan = &shadow.plan;
            let pings = plan.limits.ping_interval.ms().is_some();
            let is_memory_tight = plan.limits.max_memory < 1 << 20;
            if self.follower.is_in
                && plan.conflates(self.follower.room)
                && !pings
                && !is_memory_tight
                && !shadow.is_ending
            {
                return Err("a reader of a room that conflates is closed".to_owned());
            }
            self.go_out();
        }
        Ok(())
    }

    fn check_at_rest(&mut self, shadow: &mut Shadow) -> Checked {
        self.follower.check_at_rest(shadow)
    }

    fn here(&self) -> Vec<Here> {
        let here = Here {
            room: self.follower.room,
            id: None,
            presence: None,
        };
        if self.follower.is_in {
            vec![here]
        } else {
            Vec::new()
        }
    }

    fn life(&self) -> Option<usize> {
        self.life
    }

    fn read_count(&self) -> usize {
        self.read_count
    }
}
