//! The lines to the server: one for each connection that anyone has had.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::habits::Reading;
use crate::random::Random;
use crate::socket::{Journal, Link, Luck, Shared, Socket};

/// How someone loses a connection, or gives it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    Reset,
    /// Closed with whatever is unread.
    Abort,
    /// Our side ends; what still comes is read.
    HalfClose,
}

/// What someone's network is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    pub(crate) reading: Reading,
    /// Bytes that arrive at the server in one step.
    pub(crate) pace: usize,
    pub(crate) luck: Luck,
}

impl Network {
    pub(crate) fn good() -> Self {
        let luck = Luck {
            short_read: 0,
            short_write: 0,
            no_read: 0,
            no_write: 0,
            interrupted: 0,
            capacity: usize::MAX,
            keeps: false,
        };
        Self {
            reading: Reading::Prompt,
            pace: usize::MAX,
            luck,
        }
    }

    pub(crate) fn new(random: &mut Random) -> Self {
        let mut often = || random.pick(&[0, 20, 200, 600]);
        let luck = Luck {
            short_read: often(),
            short_write: often(),
            no_read: often() / 2,
            no_write: often() / 2,
            interrupted: often() / 4,
            capacity: usize::MAX,
            keeps: often() > 20,
        };
        let mut network = Self {
            luck,
            ..Self::good()
        };
        if random.chance(400) {
            network.reading = Reading::Slow(random.between(1, 800));
            network.luck.capacity = random.between(1, 2000);
        }
        if random.chance(300) {
            network.pace = random.between(1, 300);
        }
        network
    }
}

pub(crate) struct Line {
    pub(crate) index: Option<usize>,
    /// It leads to the port for lines of text.
    pub(crate) is_text: bool,
    pub(crate) link: Shared,
    network: Network,
    /// What it is like when there is no hurry.
    hurried: Option<Network>,
    random: Random,
    outgoing: VecDeque<u8>,
    wants_end: bool,
    /// Bytes that the client has read.
    pub(crate) read_count: usize,
    /// Nobody is at our end any more.
    is_lost: bool,
}

#[derive(Default)]
pub(crate) struct Lines {
    pub(crate) all: Vec<Line>,
    pub(crate) journal: Journal,
    /// All is to arrive soon.
    pub(crate) hurries: bool,
}

impl Lines {
    /// A new connection; says which.
    pub(crate) fn connect(&mut self, network: Network, seed: u64) -> usize {
        let life = self.all.len();
        let link = Link::new(life, network.luck, Random::new(seed, 0), &self.journal);
        let mut line = Line {
            index: None,
            is_text: false,
            link,
            network,
            hurried: None,
            random: Random::new(seed, 1),
            outgoing: VecDeque::new(),
            wants_end: false,
            read_count: 0,
            is_lost: false,
        };
        if self.hurries {
            line.hurry();
        }
        self.all.push(line);
        life
    }

    /// The same to the port for lines of text.
    pub(crate) fn connect_as_text(&mut self, network: Network, seed: u64) -> usize {
        let life = self.connect(network, seed);
        self.all[life].is_text = true;
        life
    }

    pub(crate) fn hurry(&mut self) {
        self.hurries = true;
        self.all.iter_mut().for_each(Line::hurry);
    }

    /// Each line is as slow as it was.
    pub(crate) fn relax(&mut self) {
        self.hurries = false;
        for line in &mut self.all {
            line.network = line.hurried.take().unwrap_or(line.network);
            line.link
                .borrow_mut()
                .set_capacity(line.network.luck.capacity);
        }
    }

    pub(crate) fn is_moving(&self) -> bool {
        self.all
            .iter()
            .any(|line| line.is_sending() || line.index.is_none() || line.link.borrow().has_event())
    }
}

impl Line {
    pub(crate) fn socket(&self) -> Socket {
        Socket(Rc::clone(&self.link))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if !self.wants_end && !self.is_lost {
            self.outgoing.extend(bytes);
        }
    }

    pub(crate) fn transmit(&mut self) {
        let mut link = self.link.borrow_mut();
        if link.dropped || self.is_lost {
            self.outgoing.clear();
            return;
        }
        let count = self.outgoing.len().min(self.network.pace);
        if count > 0 {
            link.arrive(self.outgoing.drain(..count));
        }
        if self.wants_end && self.outgoing.is_empty() && !link.client_ended {
            link.end();
        }
    }

    /// Reads as it does, up to `most` bytes.
    pub(crate) fn take(&mut self, most: usize) -> Vec<u8> {
        let most = match self.network.reading {
            _ if self.is_lost => 0,
            Reading::Prompt => most,
            Reading::Slow(bytes) if self.random.chance(300) => bytes.min(most),
            Reading::Slow(_) | Reading::Stalled => 0,
        };
        let bytes = self.link.borrow_mut().take(most);
        self.read_count += bytes.len();
        bytes
    }

    pub(crate) fn lose(&mut self, loss: Loss) {
        match loss {
            Loss::Reset => self.link.borrow_mut().reset(),
            Loss::Abort => self.link.borrow_mut().close(),
            Loss::HalfClose => {
                self.wants_end = true;
                return;
            }
        }
        self.is_lost = true;
    }

    /// The server has ended its side, and all that it wrote has been read.
    pub(crate) fn is_at_end(&self) -> bool {
        let link = self.link.borrow();
        (link.server_ended || link.dropped) && link.to_client.is_empty()
    }

    fn is_sending(&self) -> bool {
        !self.is_lost && !self.outgoing.is_empty() && !self.link.borrow().dropped
    }

    fn hurry(&mut self) {
        self.hurried.get_or_insert(self.network);
        self.network.pace = self.network.pace.max(4096);
        self.network.reading = Reading::Prompt;
        self.link.borrow_mut().widen();
    }
}
