//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::ArgPredicate;
use clap::{Parser, ValueEnum};
use tungstenite::http::Uri;
use tungstenite::http::uri::Authority;

use crate::stamp::STAMP_BYTES;

/// Above it, a sender's number is a probe's.
const MAX_SENDERS: usize = 65_000;

/// Load a WebSocket broadcast server and check every delivery.
///
/// Connects, lets some of the connections send, and checks that every connection gets every message of every
/// sender once and in order. The server must relay each message to all connections, the sender's own included.
/// With several URLs, all get the messages of a room in one order.
/// Exit code: 0 when all was delivered, 1 when something was lost, doubled, reordered or failed, 2 for bad usage.
#[derive(Clone, Debug, Parser)]
#[command(name = "parlor-bench", version, max_term_width = 100)]
pub(crate) struct Options {
    /// The server's room, e.g. ws://127.0.0.1:8080/ws/bench, or nats://127.0.0.1:4222/bench. With several, which are the
    /// same room at the nodes of one server, the connections of each room are spread over them, and all are to get its
    /// messages in one order
    #[arg(value_name = "URL", required_unless_present = "floor", value_parser = server_url)]
    pub(crate) urls: Vec<Uri>,

    /// Certificates to trust at a wss: URL, in a file in PEM format
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// How to speak to the server. All but plain need a room's URL; in one for pusher the app's key and secret stand before
    /// the host: ws://KEY:SECRET@127.0.0.1:6001/bench
    #[arg(long, value_enum, default_value_t = DoorKind::Plain)]
    pub(crate) door: DoorKind,

    /// Connections to open; with --return those beside it, 2 unless told otherwise
    #[arg(long, short = 'c', default_value_t = 1_000, value_parser = at_least_one)]
    #[arg(default_value_if("returns", ArgPredicate::IsPresent, "2"))]
    pub(crate) connections: usize,

    /// How many of them send; with --rooms, in each room
    #[arg(long, short = 's', default_value_t = 1)]
    pub(crate) senders: usize,

    /// Spread the load over so many rooms, named after the one of the URL: ws://127.0.0.1:8080/ws/bench-0, and so on. Each
    /// has --members connections, which are to get every message of their own room and none of another
    #[arg(long, value_name = "COUNT", value_parser = at_least_one, requires = "members")]
    #[arg(conflicts_with_all = ["connections", "returns", "churn", "stall", "floor"])]
    pub(crate) rooms: Option<usize>,

    /// Connections to open to each of the --rooms
    #[arg(long, value_name = "COUNT", value_parser = at_least_one, requires = "rooms")]
    pub(crate) members: Option<usize>,

    /// Bytes in each message; all messages are of one size
    #[arg(long, default_value_t = 64)]
    pub(crate) size: usize,

    /// Closed loop: messages each sender keeps in flight. One is in flight until its sender has it back
    #[arg(long, short = 'w', default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) window: u32,

    /// Open loop: messages per second in all, on a fixed schedule; latency counts from the scheduled time. With --return
    /// it is 500 unless told otherwise
    #[arg(long, short = 'r', conflicts_with = "window", value_parser = positive)]
    #[arg(default_value_if("returns", ArgPredicate::IsPresent, "500"))]
    pub(crate) rate: Option<f64>,

    /// Seconds to measure; with --return, before all are cut off
    #[arg(long, default_value = "10", value_parser = some_seconds)]
    pub(crate) seconds: Duration,

    /// Seconds under load before the measuring begins; with --return, for which all are away
    #[arg(long, default_value = "1", value_parser = seconds)]
    pub(crate) warmup: Duration,

    /// Connections to open and close per second while the broadcast goes on. With --door json they are cut off, come
    /// back and check that they miss nothing and get nothing twice
    #[arg(long, value_parser = positive)]
    pub(crate) churn: Option<f64>,

    /// Seconds each of those stays; with --door json about so long, and away for as long
    #[arg(long, default_value = "1", requires = "churn", value_parser = seconds)]
    pub(crate) churn_hold: Duration,

    /// So many more come into the room, are cut off, and all come back at once, each with its position. The other
    /// connections are in a room of their own beside it (its name, and "-beside"): their latency is measured before, and
    /// from the first return to the last. Needs --door json; --connect-concurrency says how many are on their way at a
    /// time
    #[arg(long = "return", value_name = "COUNT", value_parser = at_least_one)]
    #[arg(conflicts_with_all = ["churn", "stall", "idle", "window", "deflate", "plot", "floor"])]
    pub(crate) returns: Option<usize>,

    /// Messages that are said in the room while they are away. With none, and without --return-rate, nobody is left in it
    #[arg(long, default_value_t = 0, requires = "returns", value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(crate) missed: u32,

    /// Messages per second that are said in the room while they come back
    #[arg(long, value_name = "RATE", requires = "returns", value_parser = positive)]
    pub(crate) return_rate: Option<f64>,

    /// How many of the connections stop reading
    #[arg(long, default_value_t = 0)]
    pub(crate) stall: usize,

    /// Offer permessage-deflate, send compressed and check what each compressed message inflates to; the bytes of a
    /// delivery are reported with and without
    #[arg(long)]
    pub(crate) deflate: bool,

    /// Send nothing: connect, hold for --seconds, all leave at once; report memory and CPU (needs --pid)
    #[arg(long, requires = "pid", conflicts_with_all = ["rate", "window", "churn", "stall", "senders"])]
    pub(crate) idle: bool,

    /// The server's process, to report its CPU time and memory. Once for each URL, in their order; or for each of the
    /// processes behind one URL
    #[arg(long)]
    pub(crate) pid: Vec<u32>,

    /// Print the report as JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,

    /// Draw latency percentiles and throughput over time
    #[arg(long, value_name = "FILE.svg", conflicts_with = "idle")]
    pub(crate) plot: Option<PathBuf>,

    /// Connects under way at a time
    #[arg(long, default_value_t = 256, value_parser = at_least_one)]
    pub(crate) connect_concurrency: usize,

    /// Seconds a connect may take
    #[arg(long, default_value = "30", value_parser = some_seconds)]
    pub(crate) connect_timeout: Duration,

    /// Seconds without any delivery after which what is missing counts as lost
    #[arg(long, default_value = "5", value_parser = seconds)]
    pub(crate) loss_timeout: Duration,

    /// Show no progress bar
    #[arg(long, short = 'q')]
    pub(crate) quiet: bool,

    /// Be a server instead: the least that one thread needs, to measure others against
    #[arg(long, value_name = "MODE", value_enum, conflicts_with = "urls")]
    pub(crate) floor: Option<FloorMode>,

    /// Port of the floor server on 127.0.0.1; 0 picks a free one
    #[arg(long, default_value_t = 0, requires = "floor")]
    pub(crate) port: u16,
}

/// How messages and connections are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DoorKind {
    /// Whatever is sent is a message for all: any WebSocket server that relays
    Plain,
    /// parlor's subprotocol parlor.v1.json; start parlor with --rate 0
    Json,
    /// Pusher Channels: client events of a private channel, which go to all but their sender. One is in flight until the
    /// next member of the channel has it
    Pusher,
    /// NATS: a subject, over TCP
    Nats,
    /// Socket.IO: a server that relays `message` to the room of the query, as in tests/peers/socketio
    Socketio,
}

impl DoorKind {
    /// As it stands on the command line.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |it| it.get_name().to_owned())
    }
}

/// What the floor server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FloorMode {
    /// One send() per message and receiver
    Each,
    /// One send() per tick and receiver, of all messages that were waiting
    Tick,
}

impl Options {
    /// Checks what the types cannot say, and counts the connections of all rooms. The text tells what to change.
    pub(crate) fn checked(mut self) -> Result<Options, String> {
        if let (Some(rooms), Some(members)) = (self.rooms, self.members) {
            self.connections = rooms
                .checked_mul(members)
                .filter(|all| u32::try_from(*all).is_ok())
                .ok_or_else(|| format!("--rooms {rooms}: too many with {members} members each"))?;
        }
        self.check()?;
        Ok(self)
    }

    fn check(&self) -> Result<(), String> {
        if self.size < STAMP_BYTES {
            return Err(format!(
                "--size {}: a message has at least {STAMP_BYTES} bytes",
                self.size
            ));
        }
        if u32::try_from(self.size).is_err() {
            return Err(format!("--size {}: too large", self.size));
        }
        if self.returns.is_some() && self.door != DoorKind::Json {
            return Err("--return: is measured with --door json".into());
        }
        if self.deflate && self.door != DoorKind::Plain {
            return Err("--deflate: is measured with --door plain".into());
        }
        let is_nats = |uri: &Uri| uri.scheme_str() == Some("nats");
        if self
            .urls
            .iter()
            .any(|uri| is_nats(uri) != (self.door == DoorKind::Nats))
        {
            return Err("--door nats: goes with a nats: URL, and a nats: URL with it".into());
        }
        let is_secure = |uri: &Uri| uri.scheme_str() == Some("wss");
        if self.urls.iter().any(is_secure) != self.ca.is_some() {
            return Err("--ca: goes with a wss: URL, and a wss: URL with it".into());
        }
        self.check_nodes()?;
        let rooms = self.rooms();
        if rooms.saturating_mul(self.senders) > MAX_SENDERS {
            return Err(format!(
                "--senders {}: no more than {MAX_SENDERS} can send in all",
                self.senders
            ));
        }
        if self.idle {
            return Ok(());
        }
        let readers = self.connections.saturating_sub(self.stall);
        if readers == 0 {
            return Err(format!(
                "--stall {}: leave at least one of the {} connections",
                self.stall, self.connections
            ));
        }
        let most = readers / rooms;
        if self.senders == 0 || self.senders > most {
            return Err(format!(
                "--senders {}: between 1 and {most} of {} can send",
                self.senders,
                match self.rooms {
                    Some(_) => "the members of a room",
                    None => "these connections",
                }
            ));
        }
        if self.door == DoorKind::Pusher && most < 2 {
            return Err("--door pusher: a message goes to others only: there must be two".into());
        }
        Ok(())
    }

    /// All URLs are those of one room, and processes belong to them.
    fn check_nodes(&self) -> Result<(), String> {
        let Some((first, others)) = self.urls.split_first() else {
            return Ok(());
        };
        let differs = |uri: &&Uri| {
            (uri.scheme(), uri.path_and_query()) != (first.scheme(), first.path_and_query())
        };
        if let Some(other) = others.iter().find(differs) {
            return Err(format!(
                "{other}: all URLs must be those of one room, {} like {first}",
                first.path()
            ));
        }
        if !others.is_empty() && !self.pid.is_empty() && self.pid.len() != self.urls.len() {
            return Err(format!(
                "--pid: name the process of each of the {} URLs, in their order",
                self.urls.len()
            ));
        }
        Ok(())
    }

    /// How many nodes the connections are spread over.
    pub(crate) fn nodes(&self) -> usize {
        self.urls.len()
    }

    /// Whether the server is more than one process.
    pub(crate) fn is_spread(&self) -> bool {
        self.nodes() > 1 || self.pid.len() > 1
    }

    /// Connections that read to the end, each of which must get everything of its room.
    pub(crate) fn readers(&self) -> usize {
        self.connections - self.stall
    }

    /// How many rooms there are.
    pub(crate) fn rooms(&self) -> usize {
        self.rooms.unwrap_or(1)
    }
}

fn server_url(text: &str) -> Result<Uri, String> {
    match text.parse::<Uri>() {
        Ok(uri)
            if matches!(uri.scheme_str(), Some("ws" | "wss" | "nats"))
                && has_whole_address(&uri) =>
        {
            Ok(uri)
        }
        _ => Err("a URL like ws://127.0.0.1:8080/ws is needed".into()),
    }
}

/// What stands behind the host is a port: one that is too large counts as none.
fn has_whole_address(uri: &Uri) -> bool {
    let authority = uri.authority().map_or("", Authority::as_str);
    let host = authority.rsplit_once('@').map_or(authority, |(_, it)| it);
    uri.port_u16().is_some() || uri.host().is_some_and(|it| it == host)
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("must be a number above 0".into()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|number| Duration::try_from_secs_f64(number).ok())
        .ok_or("must be a number of seconds".into())
}

fn some_seconds(text: &str) -> Result<Duration, String> {
    seconds(text).and_then(|time| match time {
        Duration::ZERO => Err("must be more than 0 seconds".into()),
        _ => Ok(time),
    })
}
