//! Every setting, once: its name, its default, its unit, when a reload applies it, and what it is for. Knows neither the
//! command line nor files; `shell::config` reads those into it.
//!
//! The tables below make the structs that the core and the shell work with, their defaults, and [`ALL`]: one row for each
//! setting, from which come the flags, the variables, the keys of the file, `--help` and the reference in the guide.

mod escalation;
mod hooks;
mod push;
mod redis;
mod reload;
mod rooms;
mod table;
mod value;

pub use escalation::{Escalation, EscalationStep, Severity};
pub use hooks::{HookEvent, HookUrl, Webhook};
pub use push::PushContact;
pub use redis::{RedisUrl, without_login, without_path, without_query};
pub use reload::{Changed, Kept};
pub use rooms::{Overflow, OverflowRule, Retention, RoomLimits, RoomRule};
pub use table::{Kind, Reload, Setting, Unit, Whether};
pub use value::{HostName, KeepWhen, Level, OnDiskError, Origin, Timeout};

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use log::LevelFilter;

use crate::limits::READ_BUFFER;
use Reload::{NewConnections, Now, Restart};
use table::settings;

const PORT: Unit = Unit::new("PORT", 0, 65_535);
const ADDRESS: Unit = Unit::text("ADDRESS", "127.0.0.1");
const FILE: Unit = Unit::text("FILE", "file.pem");
const KEYS: Unit = Unit::text("FILE", "keys.json");
const KEYS_URL: Unit = Unit::text("URL", "https://idp.example/jwks.json");
const HOOK: Unit = Unit::text("URL", "https://app.example/hook");
const HOOK_SECRET: Unit = Unit::text("FILE", "webhook.txt");
const PATTERN: Unit = Unit::text("PATTERN", "plant-*");
const EVENT: Unit = Unit::text("EVENT", "message");
const CONTACT: Unit = Unit::text("CONTACT", "mailto:ops@example.org");
const SECRET: Unit = Unit::text("FILE", "secret.txt");
const NAME: Unit = Unit::text("NAME", "chat.example");
const ORIGIN: Unit = Unit::text("ORIGIN", "https://app.example");
const CIDR: Unit = Unit::text("CIDR", "10.0.0.0/8");
const DIRECTORY: Unit = Unit::text("DIR", "/var/lib/parlor");
const SHARED_DIRECTORY: Unit = Unit::text("DIR", "/srv/parlor-files");
const DURABILITY: Unit = Unit::text("WHEN", "commit");
const DISK_ERROR: Unit = Unit::text("WHAT", "stop");
const REDIS: Unit = Unit::text("URL", "redis://localhost:6379");
const REDIS_WAIT: Unit = Unit::new("SECONDS", 0, 10);
const LEVEL: Unit = Unit::text("LEVEL", "info");
const OVERFLOW: Unit = Unit::text("PATTERN=close|latest", "plant*=latest");
const SWITCH: Unit = Unit::text("", "true");
const SECONDS: Unit = Unit::new("SECONDS", 0, 1_000_000_000);
const BYTES: Unit = Unit::new("BYTES", 1, usize::MAX as u64);
/// Also none.
const ANY_BYTES: Unit = Unit::new("BYTES", 0, usize::MAX as u64);
/// Less than a mebibyte would not hold one batch.
const MEMORY: Unit = Unit::new("BYTES", 1 << 20, usize::MAX as u64);
/// A request's head has to fit into half of the read buffer.
const HEAD: Unit = Unit::new("BYTES", 64, READ_BUFFER as u64 / 2);
const COUNT: Unit = Unit::new("N", 1, usize::MAX as u64);
/// 0 for none, or for no limit.
const ANY_COUNT: Unit = Unit::new("N", 0, usize::MAX as u64);
const RATE: Unit = Unit::new("N", 0, 1_000_000);

const BOUND: Reload = Restart("the sockets are bound once, before anything else");
const OPENED: Reload = Restart("the directory is opened once, before anything else");
const SUBSCRIBED: Reload =
    Restart("who subscribes has been told whether there is push, and by which key");
const CONNECTED: Reload = Restart("rooms are where Redis has them");
const GUARDED: Whether = Whether {
    is_so: |settings| settings.access.asks_for_tokens(),
    why: "those who are connected have come in under the rule that held then",
};
const ENCRYPTED: Whether = Whether {
    is_so: |settings| settings.listen.tls_cert.is_some(),
    why: "whether the port speaks TLS is part of its address",
};
const TOLD: Reload =
    Restart("clients have been told it, and take a server that is silent for longer to be gone");

settings! {
    /// Where the server listens.
    "Listening" listen: Listen {
        /// Port to listen on; 0 for any that is free
        port: u16 = 8080, PORT, BOUND;
        /// Address to listen on [default: all, IPv6 and IPv4]
        bind: Option<IpAddr> = None, ADDRESS, BOUND;
        /// Port for lines of text, so that `nc localhost 7000` is in the lobby [default: none]
        ///
        /// 0 for any that is free, which the second line on standard output names.
        line_port: Option<u16> = None, PORT, BOUND;
        /// Port for datagrams, `room text` each, so that what can only spray UDP is heard [default: none]
        ///
        /// 0 for any that is free, which another line on standard output names.
        udp_port: Option<u16> = None, PORT, BOUND;
        /// Address to receive datagrams on [default: where --bind says, else loopback alone]
        udp_bind: Option<IpAddr> = None, ADDRESS, BOUND;
        /// File with the certificate in PEM format, and those it needs behind it: the port speaks https and wss
        tls_cert: Option<PathBuf> = None, FILE, NewConnections, whether ENCRYPTED;
        /// File with the certificate's private key in PEM format
        tls_key: Option<PathBuf> = None, FILE, NewConnections, whether ENCRYPTED;
        /// Let other processes listen on the same port, so that the kernel spreads connections over them
        ///
        /// Each has rooms of its own.
        reuse_port: bool = false, SWITCH, BOUND;
    }

    /// Whom the server lets in.
    "Access" access: Access {
        /// Ask everyone for a JSON Web Token (HS256) signed with the secret in this file [default: the parlor is open]
        ///
        /// It has at least 32 bytes, and is the text of the file without the end of the line.
        secret_file: Option<PathBuf> = None, SECRET, Now, whether GUARDED;
        /// The same for tokens of others, whose public keys are in this file, a JSON Web Key Set (RS256, ES256, EdDSA)
        jwks_file: Option<PathBuf> = None, KEYS, Now, whether GUARDED;
        /// The same, with the public keys got from this address: at the start, each hour, and when a token names an unknown one
        ///
        /// The last good keys stay while it does not answer; with --data over a restart, too.
        jwks_url: Option<HookUrl> = None, KEYS_URL, Now, whether GUARDED;
        /// File with the certificates in PEM format that --jwks-url is trusted by [default: those that the system trusts]
        jwks_ca: Option<PathBuf> = None, FILE, Now;
        /// Take only tokens that are made for this audience [default: those made for nobody in particular]
        audience: Option<String> = None, NAME, Now, whether GUARDED;
        /// Let pages of this origin come in, such as `https://app.example`; `*` for all; may be repeated
        allow_origin: Vec<Origin> = Vec::new(), ORIGIN, Now;
        /// Answer to this name, such as `chat.example`, beside addresses and localhost, and to no other; may be repeated
        ///
        /// The machine's own name is always answered to.
        allow_host: Vec<HostName> = Vec::new(), NAME, Now;
    }

    /// What outlives the server.
    "Keeping" keeping: Keeping {
        /// Directory in which messages, names and all that a restart must not forget are kept [default: in memory alone]
        ///
        /// It is made if there is none, for nobody but the user of the server. One server uses it at a time.
        data: Option<PathBuf> = None, DIRECTORY, OPENED;
        /// When a message is published: `commit`, once it is on the disk, or `memory`, at once, and it is written behind
        ///
        /// With `memory` the last messages are lost with the machine or the process. Then every room has a new epoch, so
        /// that clients know.
        durability: KeepWhen = KeepWhen::Commit, DURABILITY, OPENED;
        /// What happens when the disk fails: `stop`, the server ends, or `memory`, it goes on without keeping anything
        ///
        /// A disk that is full is none that fails: messages are refused until there is space.
        on_disk_error: OnDiskError = OnDiskError::Stop, DISK_ERROR, Now;
    }

    /// Where rooms are shared with other servers.
    "Sharing" sharing: Sharing {
        /// Redis, or Valkey, in which rooms are kept, such as `redis://localhost:6379`, so that all servers that use it have the
        /// same [default: rooms are this server's alone]
        ///
        /// `rediss://` speaks TLS. A login goes before the host, `redis://user:password@host`, and the number of a database
        /// behind it. Several are nodes of one cluster, or a master and its replicas, of which the master is used; or
        /// Sentinels, `redis+sentinel://host/name-of-the-master`.
        redis: Vec<RedisUrl> = Vec::new(), REDIS, CONNECTED;
        /// File with the certificates in PEM format that Redis is trusted by, over TLS [default: those that the system trusts]
        redis_ca: Option<PathBuf> = None, FILE, CONNECTED;
        /// Time for which a message waits for Redis to be there, at most 10; without it, it is refused at once
        redis_wait: u32 = 0, REDIS_WAIT, CONNECTED;
        /// Directory for the files that people send, which all servers on this Redis share [default: no files are taken]
        ///
        /// On several machines it is on a network file system. It is made if there is none, for nobody but the user of the server.
        /// With --data, files are kept there instead.
        files: Option<PathBuf> = None, SHARED_DIRECTORY, OPENED;
    }

    /// Whom the server tells what happens in rooms, by requests to them.
    "Webhooks" hooks: Webhooks {
        /// Tell this address what happens in rooms, by POST requests as Standard Webhooks has them; --config can name more
        ///
        /// Needs --webhook-secret-file.
        webhook: Option<HookUrl> = None, HOOK, Now;
        /// File with the secret that they are signed with, `whsec_` and 24 to 64 bytes in base 64; may be repeated
        ///
        /// With several, each request has a signature by each: so a secret is changed without a break.
        webhook_secret_file: Vec<PathBuf> = Vec::new(), HOOK_SECRET, Now;
        /// Tell of rooms of this pattern, where `*` is any characters and `?` is one; may be repeated [default: all rooms]
        webhook_rooms: Vec<String> = Vec::new(), PATTERN, Now;
        /// Tell of this: message (without a key), keyed, alarm, joined, left, occupied, vacated, banned or escalated; may be repeated
        /// [default: all]
        webhook_events: Vec<HookEvent> = Vec::new(), EVENT, Now;
        /// Private address or network that webhooks and push may be sent to; may be repeated [default: public addresses alone]
        webhook_allow: Vec<IpNet> = Vec::new(), CIDR, Now;
        /// File with the certificates in PEM format that webhooks and push services are trusted by [default: those that the system trusts]
        webhook_ca: Option<PathBuf> = None, FILE, Now;

        also
        /// Further webhooks, of the file.
        webhooks: Vec<Webhook>;
        /// Who is told of alarms that nobody acknowledges, of the file.
        escalations: Vec<Escalation>
    }

    /// How people are told while they are away: by the push services of their browsers and phones.
    "Push" push: PushSettings {
        /// Tell by push whoever subscribes; push services write to this address, `mailto:` or `https:`, if something is wrong
        /// [default: push is off]
        push_contact: Option<PushContact> = None, CONTACT, SUBSCRIBED;
        /// File with the private key that pushes are signed with, P-256 in PEM format (PKCS #8) [default: push.pem in --data,
        /// which is made if there is none]
        ///
        /// A subscription is bound to it: with another key all have to subscribe again. With --redis it is needed, and all nodes
        /// have the same.
        push_key: Option<PathBuf> = None, FILE, SUBSCRIBED;
    }

    /// What is logged.
    "Logging" logging: Logging {
        /// What is logged at the least: error, warn, info (each connection) or debug; RUST_LOG overrides it
        log: Level = Level(LevelFilter::Warn), LEVEL, Now;
    }

    /// What the server allows, and for how long it waits.
    "Limits" limits: Limits {
        /// Longest message in bytes; a longer one ends its sender's connection with 1009
        max_message: usize = 64 << 10, BYTES, Now;
        /// Bytes waiting for one connection that does not read; past that it is closed with 1008 `too slow`
        max_queue: usize = 1 << 20, BYTES, Now;
        /// Bytes of all messages in flight, in and out; past that the connections that hold the most are closed
        ///
        /// No message is taken in until some have left. If nothing leaves, those who hold the most are closed with 1013
        /// until an eighth of it is free.
        max_memory: usize = 256 << 20, MEMORY, Now;
        /// Connections at once; one more is answered with 503 [default: what the open-file limit allows]
        max_connections: usize = 0, ANY_COUNT, Now;
        /// Connections of one address at once, of IPv6 those of its /64; one more is answered with 429; 0 for no limit
        max_per_address: usize = 1_000, ANY_COUNT, Now;
        /// Connections of one person at once, at whatever doors; one more is answered with 429, or with an error; 0 for
        /// no limit
        ///
        /// A person is whoever holds tokens for one name, at any door, or has come back with `resume`. Of several servers that
        /// share rooms, each counts its own.
        max_per_person: usize = 1_000, ANY_COUNT, Now;
        /// New connections a second of one address, twice as many at once; more are answered with 429; 0 for no limit
        connect_rate: u32 = 100, RATE, Now;
        /// Tokens of one address in a minute that are bad; then none of it is looked at for a while; 0 for no limit
        ///
        /// They are answered with 429 until one more would be allowed.
        max_failed_tokens: u32 = 10, RATE, Now;
        /// Address or network of proxies that are believed whom they speak for (X-Forwarded-For, PROXY protocol version
        /// 2), and that no limit per address holds for; may be repeated
        trusted_proxy: Vec<IpNet> = Vec::new(), CIDR, NewConnections;
        /// Rooms at once, so that nobody fills the memory with names; one more is answered with 503, and one address may
        /// have begun half of them
        max_rooms: usize = 10_000, COUNT, Now;
        /// Rooms that one JSON connection is in at once; one more is answered with an error
        max_joined: usize = 100, COUNT, Now;
        /// Commands a second that one JSON connection may send, twice as many at once; as many datagrams and new rooms
        /// of one address, and ten times as many POSTs; 0 for as many as they like
        ///
        /// Who sends more is told when to go on, and closed with 1008 if it goes on regardless. A command that makes the
        /// server look at many rooms or values, or make a long answer, counts as several. Other requests for what is at
        /// `/rooms` are limited by address, too, and answered with 429 and `Retry-After`.
        rate: u32 = 100, RATE, NewConnections;
        /// Messages that a room remembers without a key, and of each key, for those who come back; 0 for none
        history: usize = 10_000, ANY_COUNT, Now;
        /// Bytes of memory of the messages that a room remembers
        ///
        /// What it retains counts apart. Messages with a key and those without may have half each, and all where there are
        /// no others. Of keys, the one that takes most loses its oldest first.
        history_bytes: usize = 1 << 20, BYTES, Now;
        /// Time for which a room remembers a message
        history_time: Timeout = Timeout::of_seconds(86_400), SECONDS, Now;
        /// Bytes of memory of what all rooms remember; past that the oldest messages go of whoever has most
        history_memory: usize = 256 << 20, MEMORY, Now;
        /// Messages of a room that are kept with --data, without a key and with one; the oldest go first; 0 for all
        retain: usize = 1_000_000, ANY_COUNT, Now;
        /// Bytes of the messages of a room that are kept with --data; 0 for no limit
        retain_bytes: usize = 1 << 30, ANY_BYTES, Now;
        /// Time for which messages are kept with --data
        retain_time: Timeout = Timeout::of_seconds(365 * 86_400), SECONDS, Now;
        /// Bytes of all that is kept with --data; past that the oldest messages go of the room that takes most; 0 for what
        /// the disk holds
        ///
        /// Nobody who fills rooms fills the disk.
        max_data: usize = 10 << 30, ANY_BYTES, Now;
        /// Keys of which a room keeps the latest message; one more is answered with an error
        max_keys: usize = 1_000, COUNT, Now;
        /// What happens to a slow reader in rooms of this pattern, as in 'plant*=latest': it is closed, or it misses
        /// messages and then gets the latest of each key; the first that matches counts; may be repeated [default: close]
        ///
        /// `close` closes it with 1008.
        overflow: Vec<OverflowRule> = Vec::new(), OVERFLOW, Now;
        /// Longest file in bytes; a longer one is answered with 413
        ///
        /// Files are kept with --data, or with --redis and --files.
        max_file: u64 = 25 << 20, BYTES, Now;
        /// Files at once, so that the list of them stays short; one more is answered with 507
        max_files: usize = 10_000, COUNT, Now;
        /// Bytes of all files, so that the disk is not filled up; a file for which there is no place is answered with 507
        file_space: u64 = 10 << 30, BYTES, Now;
        /// Files of one room; one more is answered with 507
        max_room_files: usize = 1_000, COUNT, Now;
        /// Bytes of the files of one room; the same
        room_file_space: u64 = 2 << 30, BYTES, Now;
        /// Bytes of the files that one person has sent, to whatever rooms; the same
        ///
        /// A person is whoever holds tokens for one name; where no tokens are asked for, everyone at one address is one.
        file_quota: u64 = 1 << 30, BYTES, Now;
        /// Time for which a file is kept, so that there is place for new ones; it goes earlier with its message
        file_time: Timeout = Timeout::of_seconds(90 * 86_400), SECONDS, Now;
        /// Compress every message from this length in bytes on for those who agree to that (permessage-deflate); without
        /// it, those that save the server more time than they cost, and long answers [default: where it pays]
        ///
        /// Long answers are those from 16 KiB on. A value helps members on slow lines.
        deflate_min: Option<usize> = None, ANY_BYTES, Now;
        /// Compress nothing
        no_deflate: bool = false, SWITCH, Now;
        /// Longest request head in bytes; a longer one is answered with 431
        max_head: usize = 16 << 10, HEAD, Now;
        /// Longest request target in bytes; a longer one is answered with 414
        max_uri: usize = 4 << 10, HEAD, Now;
        /// Silence after which a WebSocket peer is pinged; under the 30 s after which many proxies cut
        ///
        /// Pings are spread: the first may come after half of it.
        ping_interval: Timeout = Timeout::of_seconds(25), SECONDS, TOLD;
        /// Silence after a ping that ends the connection
        pong_timeout: Timeout = Timeout::of_seconds(20), SECONDS, Now;
        /// Time for a request to arrive; of its body, and of the response, at least 500 bytes a second have to move in as
        /// long
        handshake_timeout: Timeout = Timeout::of_seconds(10), SECONDS, Now;
        /// Time for which a connection is kept for its next request; over the 60 s for which many load balancers keep it
        keep_alive_timeout: Timeout = Timeout::of_seconds(75), SECONDS, Now;
        /// Time for someone at the JSON door or the line port to show a token, where tokens are asked for
        login_timeout: Timeout = Timeout::of_seconds(30), SECONDS, Now;
        /// Time for the peer to answer a close frame, and then to close its side
        close_timeout: Timeout = Timeout::of_seconds(5), SECONDS, Now;
        /// Time for all connections to end after SIGTERM or SIGINT
        drain_timeout: Timeout = Timeout::of_seconds(10), SECONDS, Now;

        also
        /// What is different in rooms of a pattern; the first that matches counts.
        rooms: Vec<RoomRule>
    }
}

impl Access {
    /// Whether a token is asked for.
    pub fn asks_for_tokens(&self) -> bool {
        self.secret_file.is_some() || self.jwks_file.is_some() || self.jwks_url.is_some()
    }
}

/// The setting of this name, as flags and the file have it: `max-queue`.
pub fn find(name: &str) -> Option<&'static Setting> {
    ALL.iter().find(|setting| setting.name() == name)
}

/// Which messages are compressed for those who agree to permessage-deflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Those that save the server more time than they cost it, and long answers.
    WherePays,
    /// Those of at least so many bytes, whatever it costs: for members on slow lines.
    From(usize),
}

impl Limits {
    /// Which messages are compressed; `None` if none is.
    pub fn compression(&self) -> Option<Compression> {
        let wanted = self
            .deflate_min
            .map_or(Compression::WherePays, Compression::From);
        (!self.no_deflate).then_some(wanted)
    }

    /// What these flags of the command line make of the defaults. For tests.
    ///
    /// # Panics
    /// There is no such flag, or it takes no such value.
    #[doc(hidden)]
    pub fn of_flags(flags: &[&str]) -> Self {
        let mut settings = Settings::default();
        let mut flags = flags.iter().copied();
        while let Some(flag) = flags.next() {
            let setting = find(flag.trim_start_matches('-')).expect(flag);
            let value = match setting.kind {
                Kind::Switch => "true",
                _ => flags.next().expect(flag),
            };
            let mut values = setting.get(&settings);
            values.retain(|_| setting.is_list);
            values.push(value.to_owned());
            setting.set(&mut settings, &values).expect(flag);
        }
        settings.limits
    }
}
