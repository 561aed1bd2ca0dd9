//! Everyone of a room is cut off and comes back at once (`--return`), and what that does to a pair in another room.
//!
//! Those who come back have a poll of their own, which is looked at for a few events at a time: between them it is the
//! pair's turn, so that its latency shows the server and not the work of this program.

use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use tungstenite::http::Uri;

use super::Load;
use super::client::Role;
use super::connecting::list;
use super::sending::Pace;
use super::stage::{Stage, Step};
use crate::door::{Door, Draft};
use crate::handshake::RequestTemplate;
use crate::options::Options;
use crate::record::{Latencies, no_latencies};
use crate::stamp::{PROBE, Stamp};

/// Events, and connects, of those who come back before the pair is looked at again: some 0.1 ms.
const BATCH: usize = 8;
/// In the poll of the others, the poll of those who come back. No connection has this number.
const CROWD: Token = Token(usize::MAX);

/// Those who come back, and the room that they come back to.
pub(super) struct Returns {
    pub(super) wanted: usize,
    missed: u32,
    /// Messages per second while they come back.
    rate: Option<f64>,
    pub(super) door: Door,
    /// By node: how the speaker comes into the room.
    templates: Vec<Option<RequestTemplate>>,
    poll: Poll,
    events: Events,
    /// There may be more events than were taken.
    is_busy: bool,
    /// Connects of this coming, the first or the second.
    begun: usize,
    /// Slot and id of those who are there.
    here: Vec<(usize, u64)>,
    speaker: Option<(usize, u64)>,
    draft: Draft,
    pace: Pace,
    /// The pair's latency before.
    pub(super) calm: Option<Latencies>,
}

/// How those who came back fared.
#[derive(Debug)]
pub(crate) struct Returned {
    /// How many were let in.
    pub(crate) answered: u64,
    /// From the call to connect() to the answer to `join`.
    pub(crate) times: Latencies,
    /// Latency of the others before.
    pub(crate) calm: Latencies,
}

impl Returns {
    /// What the options ask for, if they do. The others' `poll` tells of events here.
    pub(super) fn new(
        options: &Options,
        uris: &[Uri],
        poll: &Poll,
    ) -> Result<Option<Returns>, String> {
        let Some(wanted) = options.returns else {
            return Ok(None);
        };
        let door = Door::new(options, &uris[0])?;
        let failed = |error: io::Error| format!("epoll: {error}");
        let crowd = Poll::new().map_err(failed)?;
        let fd = crowd.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&fd), CROWD, Interest::READABLE)
            .map_err(failed)?;
        Ok(Some(Returns {
            wanted,
            missed: options.missed,
            rate: options.return_rate,
            templates: uris
                .iter()
                .map(|uri| door.request(uri))
                .collect::<Result<Vec<_>, _>>()?,
            draft: door.draft(options.size),
            door,
            poll: crowd,
            events: Events::with_capacity(BATCH),
            is_busy: false,
            begun: 0,
            here: Vec::new(),
            speaker: None,
            pace: Pace::Window,
            calm: None,
        }))
    }

    pub(super) fn template(&self, node: usize) -> Option<&RequestTemplate> {
        self.templates[node].as_ref()
    }

    /// Where the events of their connections come.
    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// One of them is in the room, or on the way there.
    pub(super) fn arrived(&mut self, key: usize, id: u64) {
        self.here.push((key, id));
    }

    /// The speaker's connection is being opened.
    pub(super) fn speaker_comes(&mut self, key: usize, id: u64) {
        self.speaker = Some((key, id));
    }

    fn needs_speaker(&self) -> bool {
        self.missed > 0 || self.rate.is_some()
    }
}

impl Load {
    /// When there is something to do for those who come back: at once, at a time, or when an event says so.
    pub(super) fn returns_next_ns(&self) -> u64 {
        let Some(returns) = &self.returns else {
            return u64::MAX;
        };
        let is_coming = matches!(
            self.stage,
            Stage::Returns(Step::Gathering { .. } | Step::Storm { .. })
        );
        let can_begin = is_coming && returns.begun < returns.wanted && self.connector.has_room();
        match returns.is_busy || can_begin {
            true => 0,
            false => returns.pace.next_ns(),
        }
    }

    /// A few events of those who come back.
    pub(super) fn serve_returns(&mut self) -> io::Result<()> {
        let Some(returns) = &mut self.returns else {
            return Ok(());
        };
        match returns.poll.poll(&mut returns.events, Some(Duration::ZERO)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let events: Vec<Event> = returns.events.iter().cloned().collect();
        returns.is_busy = events.len() == BATCH;
        events.iter().for_each(|event| self.on_event(event));
        Ok(())
    }

    pub(super) fn gather(&mut self, now_ns: u64) {
        let give_up_ns = now_ns + self.options.connect_timeout.as_nanos() as u64;
        self.stage = Stage::Returns(Step::Gathering { give_up_ns });
    }

    pub(super) fn advance_returns(&mut self, now_ns: u64, step: Step) -> Result<(), String> {
        match step {
            Step::Gathering { give_up_ns } => self.go_on_gathering(now_ns, give_up_ns)?,
            Step::Calm { until_ns } if now_ns >= until_ns => {
                self.books.recorder.end(now_ns);
                self.cut_all_off(now_ns);
            }
            Step::Away {
                until_ns,
                give_up_ns,
            } => {
                let is_said = self.books.heard >= u64::from(self.options.missed);
                if is_said && now_ns >= until_ns {
                    self.begin_storm();
                } else if now_ns >= give_up_ns {
                    let (heard, missed) = (self.books.heard, self.options.missed);
                    return Err(format!(
                        "of {missed} messages for those who are away {heard} came back"
                    ));
                }
            }
            Step::Storm { give_up_ns } => self.go_on_storming(now_ns, give_up_ns),
            Step::Settling { seen, since_ns } => self.settle(now_ns, seen, since_ns),
            Step::Calm { .. } => {}
        }
        Ok(())
    }

    fn go_on_gathering(&mut self, now_ns: u64, give_up_ns: u64) -> Result<(), String> {
        self.begin_returns();
        let failures = self.connector.failures.iter();
        let lost = list(failures.chain(&self.books.disconnected));
        let Some(returns) = &mut self.returns else {
            return Ok(());
        };
        let (answered, wanted) = (self.books.lives.answered, returns.wanted);
        if !lost.is_empty() {
            return Err(format!(
                "{answered} of {wanted} came into the room, then: {lost}"
            ));
        }
        if returns.needs_speaker() && returns.speaker.is_none() {
            self.begin_connect(Role::Speaker, 0, 0);
        }
        if answered == wanted as u64 && self.connector.under_way == 0 {
            let until_ns = now_ns + self.options.seconds.as_nanos() as u64;
            self.books.recorder.begin(now_ns);
            self.stage = Stage::Returns(Step::Calm { until_ns });
        } else if now_ns >= give_up_ns {
            return Err(format!("{answered} of {wanted} came into the room in time"));
        }
        Ok(())
    }

    /// Begins a few of the connects that are still to be begun.
    fn begin_returns(&mut self) {
        for _ in 0..BATCH {
            let Some(returns) = &mut self.returns else {
                return;
            };
            if returns.begun == returns.wanted || !self.connector.has_room() {
                return;
            }
            returns.begun += 1;
            let node = self.connector.next_node();
            self.begin_connect(Role::Visitor, 0, node);
        }
    }

    fn cut_all_off(&mut self, now_ns: u64) {
        let Some(returns) = &mut self.returns else {
            return;
        };
        returns.begun = 0;
        let (here, missed) = (std::mem::take(&mut returns.here), returns.missed);
        here.into_iter()
            .for_each(|(key, id)| self.cut_off(key, id, now_ns));
        self.books.heard = 0;
        (0..missed).for_each(|_| self.say(now_ns));
        self.stage = Stage::Returns(Step::Away {
            until_ns: now_ns + self.options.warmup.as_nanos() as u64,
            give_up_ns: now_ns + self.options.connect_timeout.as_nanos() as u64,
        });
    }

    /// The speaker says one message.
    fn say(&mut self, time_ns: u64) {
        let run = self.books.run;
        let Some(returns) = &mut self.returns else {
            return;
        };
        let Some((key, id)) = returns.speaker else {
            return;
        };
        let Some(client) = self.clients.get_mut(key).filter(|client| client.id == id) else {
            return;
        };
        // The sender's number is that of probes: nobody keeps account of these.
        let stamp = Stamp {
            run,
            sender: PROBE,
            sequence: 0,
            time_ns,
        };
        returns.draft.append(&stamp, &mut client.out);
        if client.flush().is_err() {
            self.gone(key, "reset by the server");
        }
    }

    fn begin_storm(&mut self) {
        let calm = self.books.recorder.take();
        let mark = self.mark(self.now_ns());
        self.marks.begin(mark);
        self.visitors.begin_counting();
        self.connector.failures.clear();
        self.books.lives.answered = 0;
        // After the mark, which takes its time: what was due meanwhile is not counted.
        let now_ns = self.now_ns();
        self.books.recorder.begin(now_ns);
        if let Some(returns) = &mut self.returns {
            returns.calm = Some(calm);
            if let Some(per_second) = returns.rate {
                returns.pace = Pace::rate(per_second, now_ns);
            }
        }
        let give_up_ns = now_ns + self.options.connect_timeout.as_nanos() as u64;
        self.stage = Stage::Returns(Step::Storm { give_up_ns });
    }

    fn go_on_storming(&mut self, now_ns: u64, give_up_ns: u64) {
        self.begin_returns();
        self.say_due(now_ns);
        let failed: u64 = self.connector.failures.values().sum();
        let done = self.books.lives.answered + self.visitors.dropped + failed;
        let wanted = self.options.returns.unwrap_or_default() as u64;
        if done < wanted && now_ns < give_up_ns {
            return;
        }
        self.marks.end(self.mark(now_ns));
        self.books.recorder.end(now_ns);
        self.sending = false;
        if let Some(returns) = &mut self.returns {
            returns.pace = Pace::Window;
        }
        self.stage = Stage::Returns(Step::Settling {
            seen: self.books.lives.messages,
            since_ns: now_ns,
        });
    }

    /// The server has ended the connection of one of them, or the speaker's.
    pub(super) fn return_lost(&mut self, life: Option<usize>, reason: String) {
        *self.books.disconnected.entry(reason).or_default() += 1;
        if let Some(life) = life
            && !self.books.lives.lose(life)
        {
            self.visitors.dropped += 1;
        }
    }

    /// How those who came back fared, if some were to.
    pub(super) fn take_returned(&mut self) -> Option<Returned> {
        let returns = self.returns.as_mut()?;
        let lives = &mut self.books.lives;
        Some(Returned {
            answered: lives.answered,
            times: std::mem::replace(&mut lives.times, no_latencies()),
            calm: returns.calm.take()?,
        })
    }

    /// The bar's name, how much is done of how much, and words.
    pub(super) fn show_returns(&self, step: Step) -> (&'static str, (u64, u64), String) {
        let wanted = self.options.returns.unwrap_or_default() as u64;
        let answered = self.books.lives.answered;
        let counted = (answered, wanted);
        let words = format!("{answered} of {wanted} in the room");
        match step {
            Step::Gathering { .. } => ("gathering", counted, words),
            Step::Calm { .. } => ("calm", counted, words),
            Step::Away { .. } => ("away", (0, wanted), format!("{wanted} are away")),
            Step::Storm { .. } => ("returning", counted, words),
            Step::Settling { .. } => ("settling", counted, words),
        }
    }

    fn say_due(&mut self, now_ns: u64) {
        while let Some(returns) = &mut self.returns
            && let Some((due_ns, _)) = returns.pace.take_due(now_ns)
        {
            self.say(due_ns);
        }
    }

    fn settle(&mut self, now_ns: u64, seen: u64, since_ns: u64) {
        let lives = &mut self.books.lives;
        let missing = lives.missing(self.books.last_said);
        let is_silent = now_ns >= since_ns + self.options.loss_timeout.as_nanos() as u64;
        if missing == 0 || lives.messages == seen && is_silent {
            lives.recovery.holes += missing;
            self.silence.since_ns = now_ns;
            self.stage = Stage::Draining;
        } else if lives.messages != seen {
            self.stage = Stage::Returns(Step::Settling {
                seen: lives.messages,
                since_ns: now_ns,
            });
        }
    }
}
