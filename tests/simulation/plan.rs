//! What a seed decides of a whole run.

use parlor::settings::Limits;

use crate::random::Random;
use crate::store::Habit;

/// The page that is served.
pub(crate) const PAGE: &[u8] = &[b'p'; 3000];

/// What a run does when its steps are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The server is told to end.
    Drain,
    /// All clients say goodbye.
    Close,
    /// All clients end their side.
    EndOfInput,
    /// All connections break.
    Reset,
    /// All clients are lost without a sign: only the deadlines end it.
    Silence,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) clients: usize,
    pub(crate) steps: usize,
    pub(crate) rooms: usize,
    pub(crate) limits: Limits,
    /// The clock jumps now and then.
    pub(crate) jumps: bool,
    /// The server pings.
    pub(crate) pings: bool,
    /// Nobody can be too slow.
    pub(crate) has_roomy_queues: bool,
    pub(crate) is_memory_tight: bool,
    /// Ticks run out of time before all is done.
    pub(crate) is_busy: bool,
    /// No room is so far behind that its members are not listened to for a while: what is said keeps the order in which
    /// it was read.
    pub(crate) keeps_order: bool,
    /// The end comes while everyone still talks.
    pub(crate) ends_in_full_swing: bool,
    /// These clients talk, the others listen.
    pub(crate) talkers: usize,
    /// Nobody comes back, and the same clients come whatever happens.
    pub(crate) is_steady: bool,
    pub(crate) ending: Ending,
    /// Messages are kept in a store, which answers late.
    pub(crate) store: Option<Habit>,
}

impl Plan {
    /// A run like most: a few dozen clients, each limit tight in some of the runs.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 0);
        let mut limits = Limits::default();
        let clients = random.between(2, 24);
        let rooms = random.between(1, 4);
        let (jumps, pings) = (random.chance(300), random.chance(500));
        let has_roomy_queues = random.chance(400);
        let is_memory_tight = random.chance(150);
        limits.max_message = random.pick(&[40, 125, 126, 300, 1000, 4096]);
        limits.max_queue = if has_roomy_queues {
            8 << 20
        } else {
            random.between(100, 3000)
        };
        if is_memory_tight {
            limits.max_memory = random.between(2000, 20_000);
        }
        limits.max_connections = if random.chance(200) {
            random.between(1, clients)
        } else {
            10_000
        };
        if random.chance(200) {
            limits.max_rooms = random.between(1, rooms);
        }
        let seconds = |text: &str| text.parse().expect("these are seconds");
        limits.ping_interval = seconds(if pings { "2" } else { "0" });
        limits.pong_timeout = seconds("1");
        limits.handshake_timeout = seconds("3");
        limits.close_timeout = seconds("1.5");
        limits.drain_timeout = seconds("20");
        limits.history = random.pick(&[0, 3, 256]);
        limits.history_bytes = random.pick(&[500, 5_000, 1 << 20]);
        limits.history_time = seconds("30");
        let endings = [
            Ending::Drain,
            Ending::Close,
            Ending::EndOfInput,
            Ending::Reset,
            Ending::Silence,
        ];
        let ending = random.pick(&endings[..if pings { 5 } else { 4 }]);
        let (steps, is_busy) = (random.between(20, 250), random.chance(300));
        Self {
            seed,
            clients,
            steps,
            rooms,
            limits,
            jumps,
            pings,
            has_roomy_queues,
            is_memory_tight,
            is_busy,
            // Where memory or time is used up, what comes has to wait, as in a room that is behind.
            keeps_order: !is_memory_tight && !is_busy,
            ends_in_full_swing: random.chance(400),
            talkers: usize::MAX,
            is_steady: false,
            ending,
            store: random.chance(500).then(|| Habit {
                late_ms: random.pick(&[0, 5, 60]),
                ..Habit::default()
            }),
        }
    }

    /// A hall: thousands in a few rooms.
    pub(crate) fn crowd(seed: u64) -> Self {
        let mut plan = Self::new(seed);
        plan.clients = 2500;
        plan.steps = 40;
        plan.limits.max_connections = 10_000;
        plan.limits.max_message = 300;
        plan.is_busy = seed.is_multiple_of(2);
        plan.be_roomy();
        plan
    }

    /// A room about as large as one slice of a fan-out.
    pub(crate) fn hall(seed: u64) -> Self {
        let mut plan = Self::new(seed);
        let mut random = Random::new(seed, 1);
        plan.clients = random.between(60, 140);
        plan.steps = random.between(40, 100);
        plan.talkers = 10;
        plan.rooms = 1;
        plan.limits.max_connections = 10_000;
        plan.limits.max_message = 200;
        plan
    }

    /// More is said in a large room than can be handed out: it falls behind.
    pub(crate) fn flood(seed: u64) -> Self {
        let mut plan = Self::hall(seed);
        plan.steps = 30;
        plan.is_busy = true;
        plan.be_roomy();
        plan.limits.max_message = 60_000;
        plan.limits.max_queue = 4 << 20;
        plan.keeps_order = false;
        plan.ends_in_full_swing = false;
        plan
    }

    fn be_roomy(&mut self) {
        self.is_memory_tight = false;
        self.keeps_order = !self.is_busy;
        self.limits.max_memory = Limits::default().max_memory;
    }

    /// A run in which nothing that a client does can depend on another's reading.
    pub(crate) fn steady(seed: u64) -> Self {
        let mut plan = Self::new(seed);
        plan.is_steady = true;
        plan.is_busy = false;
        // When it answers depends on all who talk.
        plan.store = None;
        plan.be_roomy();
        plan.limits.max_connections = 10_000;
        plan.limits.max_rooms = 10_000;
        // When a room is forgotten the server wakes up, and when that is depends on who was closed.
        plan.limits.history = 0;
        plan
    }
}
