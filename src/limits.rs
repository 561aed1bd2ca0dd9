//! The loop's own limits, each with its unit and its reason; no logic. What is a user's to set is in `settings`.

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
pub const DIRECT_RECEIVERS_AT_ONCE: usize = 64;

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

/// Milliseconds for which it is remembered that a shared log has nothing of a room: as long as whoever has asked for it takes to
/// begin it.
pub const VACANT_MS: u64 = 1_000;

/// Groups of rooms that have their channel and their keys in common. A node hears those of its rooms alone; a cluster has no
/// more masters of use. It cannot be changed while nodes with another number run.
pub const PARTITIONS: u16 = 64;

/// Milliseconds after which a node compares where its rooms are with where they are in Redis: a message that was lost on the
/// channel is noticed then, if no later one has shown it.
pub const COMPARE_MS: u64 = 30_000;

/// Milliseconds after which a message of this node's that Redis has taken, and that is not on the channel, is taken for lost
/// there.
pub const CHANNEL_LATE_MS: u64 = 1_000;

/// Milliseconds after which members of a room are told that Redis is away: one that is back sooner is not missed.
pub const PAUSE_MS: u64 = 1_000;

/// Milliseconds for which a message waits while a node connects to Redis for the first time.
pub const BEGIN_MS: u64 = 2_000;

/// Milliseconds after which Redis is asked again what it did not answer.
pub const ASK_AGAIN_MS: u64 = 200;

/// Messages of a room that are read from Redis at once.
pub const READ_AT_ONCE: usize = 256;

/// Messages of a room that a node keeps while its members are behind, and their bytes: what comes after them is read from
/// Redis later.
pub const MAX_UNTOLD: usize = 1_024;

/// The bytes.
pub const MAX_UNTOLD_BYTES: usize = 1 << 20;

/// Milliseconds after which a Redis that has not answered is taken to be gone. Less than `STORE_TIMEOUT_MS`.
pub const REDIS_TIMEOUT_MS: u64 = 5_000;

/// Milliseconds of silence after which Redis is asked whether it is there.
pub const REDIS_SILENCE_MS: u64 = 5_000;

/// Connections to Redis: two for each of its nodes.
pub const MAX_LINKS: usize = 1_024;

/// Bytes that wait to be sent to Redis on one connection; what comes then is refused.
pub const MAX_REDIS_OUTPUT: usize = 64 << 20;

/// Bytes of a reply of Redis: more than a room can have.
pub const MAX_REDIS_INPUT: usize = 256 << 20;

/// Milliseconds for which Redis keeps the epoch of a room in which nothing was published.
pub const EMPTY_ROOM_MS: u64 = 3_600_000;

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

/// Bytes of what is searched for: more words than anyone types.
pub const MAX_QUERY: usize = 256;

/// Words of it: each is looked up, and others wait behind that.
pub const MAX_QUERY_WORDS: usize = 16;

/// The largest offset of a message that a store keeps: a million messages a second for twelve days, in each epoch of a room.
pub const MAX_OFFSET: u64 = (1 << 40) - 1;

/// The largest offset that is imported: as many are left for what is said in the room after that.
pub const MAX_IMPORTED_OFFSET: u64 = MAX_OFFSET / 2;

/// Rooms that one import may begin: what is known of each takes about 128 bytes as long as it goes on.
pub const MAX_IMPORTED_ROOMS: usize = 100_000;

/// How often an import is told how far it has come, in milliseconds.
pub const IMPORT_REPORT_MS: u64 = 1_000;

/// Bytes of an exported line besides the body of its message, at most: names and a key, each byte of them written as six.
pub const EXPORTED_FIELDS: usize = 16 << 10;

/// Rooms that the store is asked for at a time: more are not looked for while it is so slow.
pub const MAX_LOADING: usize = 4_096;

/// Datagrams that wait for one of them. Whoever sends them cannot be held back.
pub const MAX_WAITING_DATAGRAMS: usize = 64;

/// Bytes of a file that are written or read at once: much in one system call, and little to hold for many slow readers.
pub const FILE_SLICE: usize = 64 << 10;

/// Bytes of one file that may wait to be written. Whoever sends it is not read until some are.
pub const MAX_UNWRITTEN: usize = 4 * FILE_SLICE;

/// Files that are on their way may hold this part of `--max-memory`: one more is answered with 503.
pub const FILES_SHARE: usize = 4;

/// Bytes that a file on its way holds, hardly more: what is not written, and what gathers meanwhile.
pub const FILE_WEIGHT: usize = MAX_UNWRITTEN + 2 * FILE_SLICE;

/// Bytes of a file's name: what file systems allow.
pub const MAX_FILE_NAME: usize = 255;

/// Milliseconds after which it is looked again whether files are old enough to go.
pub const FILES_SWEEP_MS: u64 = 60_000;

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
pub const SCANS_PER_COMMAND: usize = 64;

/// So many are looked at for one command before the others get their turn: a tenth of a millisecond.
pub const SCANS_AT_ONCE: usize = 1_024;

/// Milliseconds for which the most expensive command may keep its sender from the next.
pub const MAX_DEBT_MS: u64 = 30_000;

/// Bytes of answers that one connection has not read; beyond, its next command waits until it has.
pub const MAX_UNSENT_ANSWERS: usize = 64 << 10;

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

/// Milliseconds for which it is gathered what other nodes are told of who is in a room.
pub const TELL_MS: u64 = 500;

/// Milliseconds for which it is known who is at other nodes in a room that nobody is in here: as long as whoever has asked for
/// it takes to come in.
pub const SIGHTING_MS: u64 = 1_000;

/// Rooms of which that is known at a time, of each up to `MAX_LISTED` people of each other node: no fewer than may be looked up
/// at a time.
pub const MAX_SIGHTINGS: usize = MAX_LOADING;

/// How often what a node has told of its rooms, and the people whom it holds, are kept for longer, in milliseconds: three
/// times before they are forgotten as those of a node that is gone.
pub const RENEW_MS: u64 = 12_000;

/// Milliseconds after which a log forgets what a node has told and has not renewed. Others see it when they renew what is theirs:
/// a node that dies leaves nobody for longer than a minute.
pub const NODE_TTL_MS: u64 = 40_000;

/// Rooms, or people, that are renewed by one request: it is made in a tenth of a millisecond.
pub const RENEWED_AT_ONCE: usize = 256;

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

/// Milliseconds in which a new process has to start that is to take over: it reads its settings, and opens nothing.
pub const UPGRADE_START_MS: u64 = 30_000;

/// Milliseconds in which what is on its way has to come to its end before a handover. Clients are not read meanwhile.
pub const UPGRADE_QUIET_MS: u64 = 5_000;

/// Milliseconds that each step of a handover may take, while nobody is served: clients take a server for lost after longer.
pub const UPGRADE_TAKE_MS: u64 = 5_000;

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

/// Bytes of a file that the settings name, and of theirs: certificates and keys are far shorter, and a device has no end.
pub const MAX_INPUT_FILE: u64 = 1 << 20;

/// Bytes a second that a peer has to take of what waits for it, and to send of a body that it has begun, from one look to
/// the next: less is not told from one that never ends. A line of a modem has ten times as much.
pub const MIN_PACE: u64 = 500;

/// Patterns of rooms in the configuration: each may be tried on each room that begins, and on all when they change.
pub const MAX_ROOM_RULES: usize = 100;

/// Patterns of rooms in one token: each may be tried on each room there is, at one step for each character of its name.
pub const MAX_PATTERNS: usize = 100;

/// Seconds that a refused client is asked to stay away.
pub const RETRY_AFTER_SECONDS: &str = "5";

/// The same of one who does something too often: every allowance has grown by then.
pub const RETRY_RATE_SECONDS: &str = "1";
