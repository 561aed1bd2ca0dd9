//! What a seed decides of a run of the chat.

use parlor::settings::Limits;

use crate::random::Random;
use crate::store::Habit;

/// What messages are the state of.
pub(crate) const KEYS: [&str; 3] = ["red", "green", "blue"];

#[derive(Clone, Debug)]
pub(crate) struct ChatPlan {
    pub(crate) seed: u64,
    pub(crate) clients: usize,
    pub(crate) steps: usize,
    /// How often all come to rest on the way.
    pub(crate) rests: usize,
    pub(crate) rooms: usize,
    pub(crate) limits: Limits,
    pub(crate) jumps: bool,
    /// Ticks run out of time before all is handed out.
    pub(crate) is_busy: bool,
    /// A room remembers as many messages as `--history` says, and for as long as `--history-time` says.
    pub(crate) remembers_exactly: bool,
    /// In the first room slow readers miss messages.
    pub(crate) conflates: bool,
    /// A queue may run full.
    pub(crate) has_tight_queues: bool,
    /// The last room has no witness, so that it may end.
    pub(crate) has_fleeting_room: bool,
    /// Times in a thousand that a connection is lost in a step.
    pub(crate) loss: usize,
    /// The last place has a good network, and loses its connection once, when it has read so many bytes.
    pub(crate) is_cut: bool,
    pub(crate) cut: Option<usize>,
    /// Messages are kept in a store, which answers late.
    pub(crate) store: Option<Habit>,
}

impl ChatPlan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 2);
        let conflates = random.chance(350);
        let flags: &[&str] = if conflates {
            &["--overflow", "room-0=latest"]
        } else {
            &[]
        };
        let mut limits = Limits::of_flags(flags);
        limits.max_connections = 10_000;
        let seconds = |text: &str| text.parse().expect("these are seconds");
        let has_tight_queues = random.chance(450);
        if has_tight_queues {
            limits.max_queue = random.between(3000, 9000);
        }
        let is_memory_tight = random.chance(100);
        if is_memory_tight {
            limits.max_memory = random.between(30_000, 150_000);
        }
        limits.rate = random.pick(&[0, 0, 0, 20, 100]);
        limits.deflate_min = random.pick(&[None, Some(0), Some(100), Some(200)]);
        limits.history = random.pick(&[0, 1, 3, 10, 40, 256]);
        limits.history_time = seconds(random.pick(&["0", "0", "5", "60"]));
        let remembers_exactly = !random.chance(150);
        if !remembers_exactly {
            limits.history_bytes = random.between(300, 5000);
        }
        let pings = random.chance(300);
        limits.ping_interval = seconds(if pings { "2" } else { "0" });
        limits.pong_timeout = seconds("1");
        limits.handshake_timeout = seconds("3");
        limits.close_timeout = seconds("1.5");
        let rooms = random.between(1, 3);
        Self {
            seed,
            clients: random.between(3, 14),
            steps: random.between(20, 150),
            rests: random.between(1, 3),
            rooms,
            limits,
            jumps: random.chance(250),
            is_busy: random.chance(300),
            remembers_exactly,
            conflates,
            has_tight_queues: has_tight_queues || is_memory_tight,
            has_fleeting_room: rooms > 1 && random.chance(500),
            loss: random.pick(&[0, 5, 20, 60]),
            is_cut: false,
            cut: None,
            store: random.chance(400).then(|| Habit {
                late_ms: random.pick(&[0, 5, 60]),
                ..Habit::default()
            }),
        }
    }

    /// A short run, in which the one in the last place loses its connection once.
    pub(crate) fn to_be_cut(seed: u64) -> Self {
        let mut plan = Self::new(seed);
        plan.limits = Limits {
            max_connections: 10_000,
            rate: 0,
            history: [256, 2][seed as usize / 2 % 2],
            ..Limits::default()
        };
        (plan.clients, plan.steps, plan.rests, plan.rooms) = (3, 14, 1, 1);
        (plan.jumps, plan.conflates, plan.has_tight_queues) = (false, false, false);
        (plan.has_fleeting_room, plan.remembers_exactly) = (false, true);
        (plan.is_cut, plan.loss) = (true, 0);
        plan
    }

    pub(crate) fn has_witness(&self, room: usize) -> bool {
        !(self.has_fleeting_room && room + 1 == self.rooms)
    }

    pub(crate) fn conflates(&self, room: usize) -> bool {
        self.conflates && room == 0
    }
}

pub(crate) fn room_name(room: usize) -> String {
    format!("room-{room}")
}
