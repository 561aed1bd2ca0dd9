//! Every limit with its unit, its default and its reason; no logic but how a flag is read. What has a flag is a user's
//! to set, the constants below are the loop's own.

use std::net::IpAddr;

use clap::Args;
use ipnet::IpNet;
use wildmatch::WildMatch;

/// Which messages are compressed for those who agree to permessage-deflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Those that save the server more time than they cost it, and long answers.
    WherePays,
    /// Those of at least so many bytes, whatever it costs: for members on slow lines.
    From(usize),
}

/// The limits a user can set, each by the flag of its name.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Longest message in bytes; a longer one ends its sender's connection with 1009
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 10, value_parser = parse_count)]
    pub max_message: usize,

    /// Bytes waiting for one connection that does not read; past that it is closed with 1008 `too slow`
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, value_parser = parse_count)]
    pub max_queue: usize,

    /// Bytes of all messages in flight, in and out; past that the connections that hold the most are closed
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20, value_parser = parse_memory)]
    pub max_memory: usize,

    /// Connections at once; one more is answered with 503 [default: what the open-file limit allows]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub max_connections: usize,

    /// Connections of one address at once, of IPv6 those of its /64; one more is answered with 429; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub max_per_address: usize,

    /// Connections of one person at once, at whatever doors; one more is answered with 429, or with an error; 0 for no
    /// limit
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub max_per_person: usize,

    /// New connections a second of one address, twice as many at once; more are answered with 429; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub connect_rate: u32,

    /// Tokens of one address in a minute that are bad; then none of it is looked at for a while; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub max_failed_tokens: u32,

    /// Address or network of proxies that are believed whom they speak for (X-Forwarded-For, PROXY protocol version 2),
    /// and that no limit per address holds for; may be repeated
    #[arg(long, value_name = "CIDR", value_parser = parse_network)]
    pub trusted_proxy: Vec<IpNet>,

    /// Rooms at once, so that nobody fills the memory with names; one more is answered with 503, and one address may
    /// have begun half of them
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = parse_count)]
    pub max_rooms: usize,

    /// Rooms that one JSON connection is in at once; one more is answered with an error
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = parse_count)]
    pub max_joined: usize,

    /// Commands a second that one JSON connection may send, twice as many at once; as many datagrams and new rooms of one
    /// address, and ten times as many POSTs; 0 for as many as they like
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub rate: u32,

    /// Messages that a room remembers without a key, and of each key, for those who come back; 0 for none
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub history: usize,

    /// Bytes of memory of the messages that a room remembers
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, value_parser = parse_count)]
    pub history_bytes: usize,

    /// Time for which a room remembers a message
    #[arg(long, value_name = "SECONDS", default_value = "86400")]
    pub history_time: Timeout,

    /// Bytes of memory of what all rooms remember; past that the oldest messages go of whoever has most
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20, value_parser = parse_memory)]
    pub history_memory: usize,

    /// Keys of which a room keeps the latest message; one more is answered with an error
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = parse_count)]
    pub max_keys: usize,

    /// What happens to a slow reader in rooms of this pattern, as in 'plant*=latest': it is closed, or it misses
    /// messages and then gets the latest of each key; the first that matches counts [default: close]
    #[arg(long, value_name = "PATTERN=close|latest", value_parser = parse_overflow)]
    pub overflow: Vec<OverflowRule>,

    /// Compress every message from this length in bytes on for those who agree to that (permessage-deflate); without it,
    /// those that save the server more time than they cost, and long answers
    #[arg(long, value_name = "BYTES")]
    pub deflate_min: Option<usize>,

    /// Compress nothing
    #[arg(long)]
    pub no_deflate: bool,

    /// Longest request head in bytes; a longer one is answered with 431
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 10, value_parser = parse_head_limit)]
    pub max_head: usize,

    /// Longest request target in bytes; a longer one is answered with 414
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 10, value_parser = parse_head_limit)]
    pub max_uri: usize,

    /// Silence after which a WebSocket peer is pinged; under the 30 s after which many proxies cut
    #[arg(long, value_name = "SECONDS", default_value = "25")]
    pub ping_interval: Timeout,

    /// Silence after a ping that ends the connection
    #[arg(long, value_name = "SECONDS", default_value = "20")]
    pub pong_timeout: Timeout,

    /// Time for a request to arrive; of its body, and of the response, at least 500 bytes a second have to move in as long
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    pub handshake_timeout: Timeout,

    /// Time for which a connection is kept for its next request; over the 60 s for which many load balancers keep it
    #[arg(long, value_name = "SECONDS", default_value = "75")]
    pub keep_alive_timeout: Timeout,

    /// Time for someone at the JSON door or the line port to show a token, where tokens are asked for
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    pub login_timeout: Timeout,

    /// Time for the peer to answer a close frame, and then to close its side
    #[arg(long, value_name = "SECONDS", default_value = "5")]
    pub close_timeout: Timeout,

    /// Time for all connections to end after SIGTERM or SIGINT
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    pub drain_timeout: Timeout,
}

/// What happens to slow readers in the rooms whose names match.
#[derive(Clone, Debug)]
pub struct OverflowRule {
    pattern: WildMatch,
    policy: Overflow,
}

/// What happens to someone whose queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Closed with 1008.
    Close,
    /// Misses messages, and gets the latest of each key when the queue is empty again.
    Latest,
}

impl Limits {
    /// Which messages are compressed; `None` if none is.
    pub fn compression(&self) -> Option<Compression> {
        let wanted = self
            .deflate_min
            .map_or(Compression::WherePays, Compression::From);
        (!self.no_deflate).then_some(wanted)
    }

    /// What happens to slow readers in the room of this name.
    pub fn overflow(&self, room: &str) -> Overflow {
        let mut rules = self.overflow.iter();
        rules
            .find(|rule| rule.pattern.matches(room))
            .map_or(Overflow::Close, |rule| rule.policy)
    }
}

/// A wait in milliseconds that may be endless; on the command line in seconds, `0` for endless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(Option<u64>);

impl Timeout {
    /// The deadline of a wait that begins at `now_ms`; `u64::MAX` for never.
    pub fn after(self, now_ms: u64) -> u64 {
        self.0.map_or(u64::MAX, |ms| now_ms.saturating_add(ms))
    }

    /// Bytes that have to move in this time; see `MIN_PACE`.
    pub fn least_bytes(self) -> u64 {
        self.0
            .map_or(0, |ms| (ms.saturating_mul(MIN_PACE) / 1000).max(1))
    }

    /// The wait in milliseconds, unless it is endless.
    pub fn ms(self) -> Option<u64> {
        self.0
    }
}

impl std::str::FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds: f64 = text
            .parse()
            .map_err(|_| "expected seconds, such as 25 or 0.5".to_owned())?;
        if !(0.0..=1e9).contains(&seconds) {
            return Err("expected seconds from 0 (never) to 1000000000".to_owned());
        }
        let ms = (seconds * 1000.0).ceil() as u64;
        Ok(Self((ms > 0).then_some(ms)))
    }
}

fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("expected a whole number, at least 1, such as 65536".to_owned()),
    }
}

fn parse_overflow(text: &str) -> Result<OverflowRule, String> {
    let (pattern, policy) = text.rsplit_once('=').unwrap_or((text, ""));
    let policy = match policy {
        "close" => Overflow::Close,
        "latest" => Overflow::Latest,
        _ => {
            return Err("expected a pattern and close or latest, such as plant*=latest".to_owned());
        }
    };
    Ok(OverflowRule {
        pattern: WildMatch::new(pattern),
        policy,
    })
}

/// A network, or one address.
fn parse_network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| text.parse()).map_err(|_| {
        "expected an address or a network, such as 127.0.0.1, 10.0.0.0/8 or 2001:db8::/32"
            .to_owned()
    })
}

/// Less than a mebibyte would not hold one batch.
fn parse_memory(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes) if bytes >= 1 << 20 => Ok(bytes),
        _ => Err("expected bytes, at least 1048576".to_owned()),
    }
}

fn parse_head_limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes) if (64..=READ_BUFFER / 2).contains(&bytes) => Ok(bytes),
        _ => Err(format!("expected bytes from 64 to {}", READ_BUFFER / 2)),
    }
}

/// How long a tick may take before the loop looks at the sockets again, in units of the budget: nanoseconds.
pub const TICK: u64 = 2_000_000;

/// The loop's one read buffer, in bytes: large enough that a busy publisher costs few reads, small enough to stay in
/// the second-level cache.
pub const READ_BUFFER: usize = 64 << 10;

/// Bytes of one read when half of the memory is in use.
pub const SMALL_READ: usize = 4 << 10;

/// Bytes read from one connection before the others get their turn.
pub const READ_BUDGET: usize = 64 << 10;

/// Bytes a room may gather while its last fan-out is still going out; past that its publishers are not read, so that
/// the server's own pace, not the receivers' queues, holds a flood back.
pub const ROOM_BACKLOG: usize = 256 << 10;

/// The same in messages, because who comes in while a batch of empty ones gathers has to be found its place in it.
pub const ROOM_BACKLOG_MESSAGES: u64 = 4096;

/// Receivers of one fan-out that are served before the next fan-out gets its turn.
pub const FANOUT_SLICE: usize = 64;

/// Connections of one person that are told something before others get their turn. So many count as one command more.
pub const TOLD_AT_ONCE: usize = 64;

/// Bytes after which the same holds, because the kernel takes as long to copy 256 KiB as to send 64 small messages.
pub const FANOUT_SLICE_BYTES: usize = 256 << 10;

/// Queued chunks that one system call carries at most; a longer queue takes several.
pub const MAX_SLICES: usize = 64;

/// Responses that are queued for one connection before the next of its pipelined POSTs is taken: as many as leave in one
/// system call.
pub const MAX_PIPELINED: usize = MAX_SLICES;

/// Pings and pongs that wait for one connection: a peer that sends pings and reads nothing gets the newest answers.
pub const MAX_WAITING_CONTROL: usize = 16;

/// What a queued chunk costs beside its bytes, counted so that tiny messages cannot slip under `--max-queue`.
pub const CHUNK_OVERHEAD: usize = 32;

/// Characters in a room's name.
pub const MAX_ROOM_NAME: usize = 64;

/// Characters in a person's name.
pub const MAX_PERSON_NAME: usize = 32;

/// The latest time that is told, in milliseconds since 1970: the last that a script's `Date` holds (ECMA-262, "Time
/// Values"), which all numbers in JSON do (RFC 7493 section 2.2).
pub const MAX_UNIX_MS: u64 = 8_640_000_000_000_000;

/// Characters of a name that a token gives: others make longer ones than people type, as a UUID is.
pub const MAX_TOKEN_NAME: usize = 64;

/// Bytes of the key of a message, and of a client's own id of one.
pub const MAX_KEY: usize = 128;

/// People who are named one by one; of more only the number is told.
pub const MAX_LISTED: usize = 100;

/// Messages in one answer, and rooms in one list.
pub const MAX_PAGE: usize = 300;

/// Points of all series in one answer: with the longest numbers they fit into `MAX_ANSWER`. With more keys each has fewer.
pub const MAX_SERIES_POINTS: usize = 5_000;

/// Messages that are looked at for all series of an answer, the newest: a minute of 300 values a second, in some two
/// milliseconds.
pub const MAX_SERIES_MESSAGES: usize = 20_000;

/// Points of one series that are asked for without a number: more than a chart on a screen is wide in pixels, two a
/// pixel.
pub const DEFAULT_POINTS: usize = 1_000;

/// Messages that who comes back to a room gets, which no longer has all that they missed.
pub const DEFAULT_LAST: usize = 100;

/// Messages in an answer to `history` that names no limit.
pub const DEFAULT_PAGE: usize = 50;

/// Bytes of a line at the line port: more than anyone types.
pub const MAX_LINE: usize = 8 << 10;

/// Messages that are shown to who comes into a room at the line port.
pub const RECENT_LINES: usize = 10;

/// Bytes of a datagram: UDP's own limit, of a length in 16 bits (RFC 768).
pub const MAX_DATAGRAM: usize = (64 << 10) - 1;

/// Submissions that the store has not answered. While there are as many, whoever sends messages is not read, and what cannot
/// be held back is refused.
pub const MAX_UNANSWERED: usize = 65_536;

/// They may take this part of `--max-memory` besides what that allows: closing those who read slowly would not free it.
pub const UNANSWERED_SHARE: usize = 4;

/// The same of one connection, which is not read until one of them is answered: as many as a store may gather for one
/// commit without waiting for it.
pub const MAX_UNANSWERED_EACH: usize = 64;

/// Messages that somebody gets who comes back to a room, of those that only the store has.
pub const MAX_RECOVERED: usize = 10_000;

/// Milliseconds after which whoever has sent a message is told that the store has not answered.
pub const STORE_TIMEOUT_MS: u64 = 10_000;

/// Milliseconds after which they may send it again.
pub const STORE_RETRY_MS: u64 = 1_000;

/// Addresses that are remembered as senders of datagrams; who comes beyond them shares one allowance.
pub const MAX_SOURCES: usize = 10_000;

/// Milliseconds after which it is looked again whether some of them can be forgotten.
pub const SOURCES_SWEEP_MS: u64 = 1_000;

/// Bytes of JSON in one answer, unless a single message takes more: it is made in a third of a millisecond. Control
/// characters take six times the bytes that they were sent in.
pub const MAX_ANSWER: usize = 256 << 10;

/// Bytes of an answer that count as one command more against `--rate`, as they are before they are compressed; to compress
/// them counts as much again.
pub const ANSWER_BYTES: usize = 4 << 10;

/// Rooms looked at for an answer, patterns tried on them, or values of series, that count as one command more.
pub const COMMAND_LOOKS: usize = 64;

/// So many are looked at for one command before the others get their turn: a tenth of a millisecond.
pub const LOOKS_AT_ONCE: usize = 1_024;

/// Milliseconds for which the most expensive command may keep its sender from the next.
pub const MAX_DEBT_MS: u64 = 30_000;

/// Bytes of answers that one connection has not read; beyond, its next command waits until it has.
pub const MAX_UNREAD_ANSWERS: usize = 64 << 10;

/// Connections whose weight is looked up, with the memory used up, before it is asked whether there is time left for more.
pub const WEIGHED_AT_ONCE: usize = 256;

/// Connections that are closed before the same is asked.
pub const CLOSED_AT_ONCE: usize = 16;

/// The part of `--max-memory` that snapshots of rooms may take: enough for those that many ask for at once.
pub const SNAPSHOT_SHARE: usize = 16;

/// Milliseconds for which a part of a snapshot is kept that nobody asks for; up to twice as long.
pub const SNAPSHOT_MS: u64 = 5_000;

/// What a part of a snapshot costs beside its bytes, counted so that tiny ones cannot slip under their share.
pub const PART_OVERHEAD: usize = 512;

/// Messages of a run at most, which is encoded together: few enough that a new value does not cost much, many enough that
/// compressing them pays.
pub const RUN_MESSAGES: u64 = 64;

/// The same in bytes, so that compressing a run takes less than half of a millisecond.
pub const RUN_BYTES: usize = 16 << 10;

/// Bytes of an answer that are compressed for the first time, about a millisecond's work; the rest goes out as it is.
pub const DEFLATED_AT_ONCE: usize = 64 << 10;

/// Bytes of a part that is compressed when it is first asked for; a shorter one when somebody else gets it, too.
pub const LONG_PART: usize = 4 << 10;

/// Milliseconds for which it is gathered who came and who went, in a room of up to a thousand.
pub const PRESENCE_MS: u64 = 1_000;

/// The same in the largest; between them it grows with the count.
pub const MAX_PRESENCE_MS: u64 = 60_000;

/// Milliseconds for which a name stays someone's after their last connection, and a room after its last member.
pub const ABSENCE_MS: u64 = 60_000;

/// People who are away and not forgotten yet; more, and those away longest are forgotten early.
pub const MAX_ABSENT: usize = 100_000;

/// Milliseconds for which a message is not published again under the same id of its sender.
pub const DEDUP_MS: u64 = 120_000;

/// Such ids at once; more, and the oldest is forgotten early.
pub const MAX_DEDUP: usize = 100_000;

/// Into so many shares the rooms, and the memory for state, are divided: within one of them nobody loses state so that
/// somebody else's can be kept.
pub const SHARES: usize = 4;

/// Rooms that are counted for somebody else, who has something in them, before one is found that can end.
pub const MAX_HANDED_OVER: usize = 64;

/// Addresses and holders of tokens for whom is counted what they hold; all beyond are counted as one.
pub const MAX_OWNERS: usize = 65_536;

/// POSTs of one address that cost as much as a command of one connection: programs publish by them for many people.
pub const POSTS_PER_COMMAND: u32 = 10;

/// Bytes of a token: who may do a lot in many rooms still fits, and a request's target holds it.
pub const MAX_TOKEN: usize = 4096;

/// Keys of one kind that a token may have to be tried with: checking a signature takes up to a tenth of a millisecond.
pub const MAX_KEYS_TRIED: usize = 16;

/// Milliseconds by which the clock of whoever makes tokens may be ahead of ours.
pub const CLOCK_SKEW_MS: u64 = 30_000;

/// Milliseconds after which a reader of a stream comes back that has lost its connection.
pub const RECONNECT_MS: u64 = 2_000;

/// Milliseconds within which those who are told to come back come back, each at another time.
pub const RETRY_SPREAD_MS: u64 = 5_000;

/// Addresses without a connection of which is still known how often they came, or failed; more, and those that left
/// longest ago are forgotten early. Whoever has all of an IPv6 /32 has 2^32
/// addresses to come from.
pub const MAX_QUIET_ADDRESSES: usize = 65_536;

/// Connections that are let in to be told 503 or 429. More of those beyond `--max-connections` wait to be accepted;
/// more of an address that has too many are closed.
pub const REFUSAL_SLOTS: usize = 32;

/// Connections at most, whatever the limit on open files: with those to be refused as many as 22 bits of an id tell apart.
pub const MAX_CONNECTIONS: usize = (1 << 22) - REFUSAL_SLOTS;

/// Bytes of the longest TLS record (RFC 5246 section 6.2.3), and of a message of the handshake, which a server without
/// client certificates need not let grow beyond it.
pub const MAX_TLS_RECORD: usize = 5 + (16 << 10) + (2 << 10);

/// Bytes of TLS in one read that bring no data: more than any handshake has.
pub const MAX_TLS_IDLE_TALK: usize = 64 << 10;

/// Bytes of TLS that one connection has not taken: what is encrypted at once, and what the protocol itself has to say.
pub const MAX_TLS_UNSENT: usize = 128 << 10;

/// Bytes of a file that the command line names: certificates and keys are far shorter, and a device has no end.
pub const MAX_INPUT_FILE: u64 = 1 << 20;

/// Bytes a second that a peer has to take of what waits for it, and to send of a body that it has begun, from one look to
/// the next: less is not told from one that never ends. A line of a modem has ten times as much.
pub const MIN_PACE: u64 = 500;

/// Patterns of rooms in one token: each may be tried on each room there is, at one step for each character of its name.
pub const MAX_PATTERNS: usize = 100;

/// Seconds that a refused client is asked to stay away.
pub const RETRY_AFTER_SECONDS: &str = "5";

/// The same of one who does something too often: every allowance has grown by then.
pub const RETRY_RATE_SECONDS: &str = "1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_milliseconds() {
        let parse = |text: &str| text.parse::<Timeout>();
        assert_eq!(parse("0.25").unwrap().after(1000), 1250);
        assert_eq!(parse("0").unwrap().after(1000), u64::MAX);
        assert_eq!(parse("0.0001").unwrap().ms(), Some(1));
        for bad in ["", "x", "-1", "inf", "NaN"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn how_much_has_to_move() {
        let least = |text: &str| text.parse::<Timeout>().unwrap().least_bytes();
        assert_eq!((least("10"), least("0.001"), least("0")), (5_000, 1, 0));
    }

    #[test]
    fn a_network_or_an_address() {
        let text = |text: &str| parse_network(text).map(|network| network.to_string());
        assert_eq!(text("10.1.2.3/8").as_deref(), Ok("10.1.2.3/8"));
        assert_eq!(text("127.0.0.1").as_deref(), Ok("127.0.0.1/32"));
        assert_eq!(text("::1").as_deref(), Ok("::1/128"));
        for bad in ["", "localhost", "10.0.0.0/33", "10.0.0/8", "10.0.0.1:80"] {
            let error = text(bad).unwrap_err();
            assert!(error.starts_with("expected an address"), "{bad}: {error}");
        }
    }
}
