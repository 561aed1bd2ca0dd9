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

/// Rooms of one stream: the id of each event says where its reader is in all of them, in at most 2 KiB.
pub const MAX_FEED_ROOMS: usize = 64;

/// Rooms that have begun in a moment and are offered one by one to those who follow patterns. Of more, all rooms are looked for.
pub const MAX_BEGUN: usize = 4_096;

/// Rooms that wait for one who follows patterns to come in, and who may be slow. More are looked for when these are done.
pub const MAX_TO_ENTER: usize = 256;

/// How often a follower tries to come into a room that cannot be read now, once in `STORE_RETRY_MS`: as long as Redis takes to
/// start again.
pub const MAX_ENTRY_TRIES: u32 = 30;

/// Patterns of rooms that one connection follows: each is tried on every room that begins.
pub const MAX_FOLLOWED: usize = 8;

/// Bytes of such a pattern: as many as a room's name has at most.
pub const MAX_FOLLOWED_PATTERN: usize = 4 * MAX_ROOM_NAME;

/// Rooms in which one message is said: each costs as much as a message of its own, and all are published in one tick.
pub const MAX_COPIES: usize = 32;

/// Bytes of such a message, times the rooms: encoding them takes a millisecond, half of a tick.
pub const MAX_COPIED_BYTES: usize = 256 << 10;

/// Messages that one payload of a webhook becomes. All are published in one tick, and each costs some 10 µs: half of it.
pub const MAX_INCOMING: usize = 100;

/// Bytes of the text of an alarm that came by a webhook: the page shows no more.
pub const MAX_ALARM_TEXT: usize = 500;

/// Bytes of another text that came by a webhook: what people read of a notification, and no more.
pub const MAX_INCOMING_TEXT: usize = 8 << 10;

/// Links of such an alarm: as many as there are kinds, and more than a row of the board has place for.
pub const MAX_INCOMING_LINKS: usize = 5;

/// Bytes of such a link: Grafana's are a few hundred, and browsers take twice this.
pub const MAX_INCOMING_LINK: usize = 2_000;

/// Seconds within which another value of a key may be expected: a week, so that a weekly report can be.
pub const MAX_EXPECT_SECONDS: u32 = 7 * 86_400;

/// Seconds after which a value may be removed: a year, which is as far back as the clock of a new server goes.
pub const MAX_TTL_SECONDS: u32 = 366 * 86_400;

/// Milliseconds until a value is looked at again of whose silence or end the log has not been told: it may be slow, or away.
pub const VIGIL_RETRY_MS: u64 = 1_000;

/// Milliseconds until a room is asked for again that is not here, and in which a value is late or ends.
pub const WAKE_RETRY_MS: u64 = 10_000;

/// Rooms that are not here, and in which values are expected or end; they take 10 MB. Of those beyond it the ones with the
/// latest deadlines wait until somebody comes for them.
pub const MAX_WAKES: usize = 100_000;

/// People who are named one by one; of more only the number is told.
pub const MAX_LISTED: usize = 100;

/// Messages in one answer, and rooms in one list.
pub const MAX_PAGE: usize = 300;

/// Points of all series in one answer: with the longest numbers they fit into `MAX_ANSWER`. With more keys each has fewer.
pub const MAX_SERIES_POINTS: usize = 5_000;

/// Seconds of the numbers of keys that are told a request that says nothing of them.
pub const DEFAULT_SERIES_SECONDS: u64 = 3_600;

/// Points that a chart needs of each key at the least: two extremes, and the last.
pub const SERIES_POINTS_EACH: usize = 3;

/// Patterns of keys in one command: each key is tried on all of them.
pub const MAX_KEY_PATTERNS: usize = 16;

/// Messages on disk that are looked at for the numbers of keys: a day of four values a second, and half a second of work.
pub const MAX_PAST_MESSAGES: usize = 350_000;

/// Milliseconds for which numbers from the disk are good, with what has come since: a reload of many pages reads them once.
pub const PAST_MS: u64 = 10_000;

/// Different numbers from the disk that are kept for that long, or asked for: with the points of each they take 8 MB.
pub const MAX_PASTS: usize = 64;

/// Those of one owner that wait: a page asks once for each of its rooms, and others have places left. Beyond that an answer
/// has what the room remembers.
pub const MAX_PASTS_EACH: usize = 16;

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

/// Milliseconds after which the nodes of a cluster are asked again who has which slots, while that is not known of all.
pub const REDIS_FIND_MS: u64 = 250;

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

/// Files that a log is asked about at once: what takes long in Redis would hold up all nodes.
pub const FILES_AT_ONCE: usize = 256;

/// Milliseconds for which a node asks a log again to forget files, where it does not answer. Nobody knows the file then, but
/// its place is taken until `--file-time` is over.
pub const FORGET_FILES_MS: u64 = 600_000;

/// Requests about files that are asked again at a time; what is beyond them is given up.
pub const MAX_FILES_AGAIN: usize = 1_024;

/// Milliseconds after which a file that several servers keep in one place, and that has no link, is nobody's: no upload lasts
/// for so long without a write, or between its last write and its link.
pub const ORPHAN_MS: u64 = 3_600_000;

/// Milliseconds between two searches for such files. In each a node renews what arrives there: more often than it would be
/// taken to be nobody's.
pub const ORPHANS_SEARCH_MS: u64 = 1_200_000;

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

/// Beginnings of rooms that are kept of each partition, for nodes that have not heard of them: a node that was away while more
/// rooms began looks for all rooms.
pub const BEGINNINGS_KEPT: usize = 1_024;

/// Milliseconds for which they are kept after the last.
pub const BEGINNINGS_KEPT_MS: u64 = 3_600_000;

/// Beginnings that are read at a time.
pub const BEGINNINGS_AT_ONCE: usize = 256;

/// Rooms of a partition that are read at a time for those who follow patterns. They wait until the follower has come into all
/// that match: no more than `MAX_TO_ENTER`.
pub const FOUND_AT_ONCE: usize = 128;

/// Such reads at a time; more wait.
pub const MAX_FINDING: usize = 8;

/// Milliseconds for which a node goes on to hear which rooms begin when nobody follows patterns any more: as long as a
/// reader of a stream takes to come back.
pub const HEARING_MS: u64 = 10_000;

/// Rooms that each partition is asked for at a time, to be listed: about five hundred in all are known in their order then,
/// more than an answer holds.
pub const LISTED_AT_ONCE: usize = 16;

/// How often the partitions are asked for one list: once for each name in a token, and a few times more where most rooms do not
/// match its patterns. Then the list ends, and says that there are more.
pub const MAX_LIST_STEPS: usize = MAX_PATTERNS + 32;

/// Lists that are asked for at a time; more wait. One takes Redis up to ten milliseconds, in short parts between which it does
/// what others ask for.
pub const MAX_LISTS: usize = 4;

/// Milliseconds for which it is known that a name is somebody's at another node, or nobody's: as long as the requests take that
/// have waited for it.
pub const NAME_KNOWN_MS: u64 = 1_000;

/// Names of which that is known, or asked, at a time. More are answered with 503.
pub const MAX_KNOWN_NAMES: usize = MAX_LOADING;

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

/// Webhooks in the settings: each has a thread, and is asked of each room that begins.
pub const MAX_WEBHOOKS: usize = 10;

/// Secrets of a webhook: the one that is used, and those that take its place one after the other.
pub const MAX_HOOK_SECRETS: usize = 4;

/// Milliseconds for which events of a room are gathered into one request to a webhook.
pub const HOOK_GATHER_MS: u64 = 1_000;

/// Bytes of events in one request to a webhook, and an event more: receivers often take no body longer than a mebibyte.
pub const MAX_HOOK_BODY: usize = 256 << 10;

/// Requests that wait for one webhook: at one a second the 24 hours of `HOOK_PATIENCE_MS` would be 86,400, of which a tenth is
/// kept. More, and the room that has most loses its oldest.
pub const MAX_HOOK_QUEUE: usize = 10_000;

/// Bytes of their bodies, which are in memory. One room may have half of them, and half of the requests.
pub const MAX_HOOK_QUEUE_BYTES: usize = 16 << 20;

/// Milliseconds for which a request to a webhook is tried again. As long as that without a good answer, and it is switched off.
pub const HOOK_PATIENCE_MS: u64 = 24 * 3_600_000;

/// Milliseconds before a request to a webhook is tried for the second time; half as many again before each further time.
pub const HOOK_RETRY_MS: u64 = 500;

/// The most of that: a receiver that is back is told within a quarter of an hour.
pub const MAX_HOOK_RETRY_MS: u64 = 900_000;

/// Milliseconds that a receiver may ask to be left alone for (`Retry-After`).
pub const MAX_HOOK_PAUSE_MS: u64 = 3_600_000;

/// Milliseconds for a request to a webhook, from the look-up of its name to the end of the answer: the specification asks for 15
/// to 30 seconds.
pub const HOOK_TIMEOUT_MS: u64 = 15_000;

/// Bytes of an answer of a webhook that are read, so that its connection can be used again: what it says does not matter.
pub const MAX_HOOK_ANSWER: u64 = 16 << 10;

/// Milliseconds for a call to a push service, from the look-up of its name to the end of the answer.
pub const PUSH_TIMEOUT_MS: u64 = 10_000;

/// Seconds for which a VAPID token is good: at most 24 hours (RFC 8292, section 2), and clocks differ.
pub const VAPID_S: u64 = 12 * 3_600;

/// Seconds for which one is used: services ask not to be told a new one with each push.
pub const VAPID_USED_S: u64 = 2 * 3_600;

/// Push services that are remembered while nothing is on its way to them: how quick they are, and their VAPID tokens. A server
/// has to do with few; where there are more, it is found out and made anew.
pub const MAX_PUSH_SERVICES: usize = 256;

/// Messages of a room that a webhook is told of after a restart because they were accepted right before it: those of a second,
/// and more than one room gathers in that time.
pub const MAX_HOOK_UNTOLD: usize = 10_000;

/// Bytes of an answer of a provider of keys: large ones have twenty keys with their certificates, of 2 KiB each.
pub const MAX_JWKS: u64 = 256 << 10;

/// Milliseconds for a request for keys, from the look-up of the name to the end of the answer.
pub const JWKS_TIMEOUT_MS: u64 = 10_000;

/// Milliseconds from one request for keys to the next at the least, so that tokens of strangers do not make the server flood the
/// provider.
pub const MIN_JWKS_PAUSE_MS: u64 = 10_000;

/// Milliseconds after which keys are asked for again, unless the provider says how long they are good for.
pub const JWKS_AGE_MS: u64 = 3_600_000;

/// The least of what it may say.
pub const MIN_JWKS_AGE_MS: u64 = 60_000;

/// The most that is waited for the next request while the provider does not answer.
pub const MAX_JWKS_RETRY_MS: u64 = 300_000;

/// Milliseconds for which a key is known not to be the provider's, after it was asked: as long is a token refused that names it.
pub const JWKS_UNKNOWN_MS: u64 = 60_000;

/// Ids of keys that tokens have named and that are not known. More are not remembered: then the provider is asked all the same.
pub const MAX_UNKNOWN_KEYS: usize = 64;

/// Bytes of the address of a push subscription: those of all services are shorter.
pub const MAX_PUSH_ADDRESS: usize = 1_024;

/// Bytes of the address of a page that a push opens.
pub const MAX_PUSH_PAGE: usize = 256;

/// Push subscriptions of one person: their browsers and phones.
pub const MAX_PUSH_PER_PERSON: usize = 20;

/// Push subscriptions from one address where no tokens are asked for, so that nobody takes all of them: those of a house or
/// an office.
pub const MAX_PUSH_PER_ADDRESS: usize = 500;

/// Push subscriptions of a server: each may have 100 patterns, and the longest take 15 kB of memory.
pub const MAX_PUSH_SUBSCRIPTIONS: usize = 10_000;

/// Milliseconds after which a subscription ends that was not renewed: the page does that whenever it is opened.
pub const PUSH_RENEWAL_MS: u64 = 60 * 24 * 3_600_000;

/// Bytes of what is pushed: encrypted it has to fit into 4,096 (RFC 8291, section 4), and some services take less.
pub const MAX_PUSH_PAYLOAD: usize = 3_000;

/// Bytes of a text within it, before it is cut: a notification shows less.
pub const MAX_PUSH_TEXT: usize = 1_000;

/// Bytes of the name of who acknowledges an alarm, which whoever says so writes, before it is cut: a person's name is shorter.
pub const MAX_PUSH_NAME: usize = 256;

/// Persons that one message can mention and who are told of it: who names more means nobody in particular.
pub const MAX_PUSH_MENTIONS: usize = 10;

/// Alarms of which subscribers are still to be looked for, and rooms with messages of which they are. More, and the oldest
/// alarm is left out, or the message.
pub const MAX_PUSH_WALKS: usize = 1_000;

/// Entries of the lists of who is told of which room, in all, before they are made anew.
pub const MAX_PUSH_INDEX: usize = 200_000;

/// Pairs of an alarm and a subscription that was told of it. More, and those of the alarm that was raised first are
/// forgotten: what becomes of it is not pushed.
pub const MAX_PUSH_TOLD: usize = 100_000;

/// Alarms of which a node, or Redis, knows who was told. More, and those that were told first are forgotten.
pub const MAX_PUSH_TOLD_ALARMS: usize = MAX_PUSH_TOLD / 10;

/// Milliseconds between two times that a node tells the others who was told of alarms: of an alarm for every subscription that
/// is a list of 300 kB.
pub const PUSH_TOLD_MS: u64 = 250;

/// Alarms of which a node remembers that it has taken the last message: what others say of them a moment later is put right.
pub const MAX_PUSH_TAKEN: usize = MAX_PUSH_WALKS;

/// What is kept of push in Redis that is read at a time: 150 kB of subscriptions with the longest lists of rooms.
pub const PUSH_PAGE: usize = 100;

/// Milliseconds for which Redis knows that a subscription has ended, if it has lost the others: a node that comes back later
/// would put it there again.
pub const PUSH_GONE_MS: u64 = 3_600_000;

/// What is to be kept of push in Redis, and is sent there at a time.
pub const PUSH_KEPT_AT_ONCE: usize = 32;

/// What is to be kept of push and waits for Redis: as much as can be known at all. More, and who was told of alarms is left out.
pub const MAX_PUSH_UNKEPT: usize = MAX_PUSH_SUBSCRIPTIONS + MAX_PUSH_TOLD_ALARMS;

/// Calls that wait for push services: one alarm for every subscription. More, and the subscription for which most waits loses
/// its oldest, messages before alarms.
pub const MAX_PUSH_QUEUE: usize = MAX_PUSH_SUBSCRIPTIONS;

/// The same of one subscription. Those of one room or one alarm replace each other.
pub const MAX_PUSH_QUEUE_EACH: usize = 50;

/// Calls to push services at once, each on a thread.
pub const MAX_PUSH_CALLS: usize = 16;

/// The same to one service that is quick: it leaves most of them to others.
pub const MAX_PUSH_CALLS_EACH: usize = MAX_PUSH_CALLS / 4;

/// The same to all services that were not called yet, one to each: anybody may name many that never answer.
pub const MAX_PUSH_CALLS_NEW: usize = MAX_PUSH_CALLS / 4;

/// The same to all services whose last call was slow, one to each: half of all calls are left to those that are quick.
pub const MAX_PUSH_CALLS_SLOW: usize = MAX_PUSH_CALLS / 4;

/// Milliseconds from which on a call to a push service is slow. Services answer in less than half a second, the first time with
/// the look-up of their name and TLS.
pub const PUSH_SLOW_MS: u64 = 2_000;

/// Seconds for which a push service keeps what it cannot deliver (`TTL`), and for which a call is tried again.
pub const PUSH_TTL_S: u32 = 24 * 3_600;

/// Milliseconds before a call to a push service is tried for the second time; twice as many before each further time.
pub const PUSH_RETRY_MS: u64 = 1_000;

/// The most of that.
pub const MAX_PUSH_RETRY_MS: u64 = 600_000;

/// Milliseconds that a push service may ask to be left alone for (`Retry-After`).
pub const MAX_PUSH_PAUSE_MS: u64 = 3_600_000;

/// Escalations in the settings: each is tried on each alarm.
pub const MAX_ESCALATIONS: usize = 32;

/// Steps of an escalation: nobody is on call in more groups than that.
pub const MAX_ESCALATION_STEPS: usize = 8;

/// People whom one step of an escalation tells by push: a group on call, all of whom are looked up at once.
pub const MAX_ESCALATION_NAMES: usize = 20;

/// Seconds until a step, and between repetitions, at the most: a week.
pub const MAX_ESCALATION_SECONDS: u32 = 7 * 86_400;

/// Alarms that are to be escalated at once: those of ten full rooms. More are not escalated, which the log says.
pub const MAX_ESCALATED: usize = 10_000;

/// The same of one room.
pub const MAX_ESCALATED_ROOM: usize = 1_000;

/// Milliseconds after which a room is looked for again in which an alarm is to be escalated, and which the store has not given yet.
pub const ESCALATION_RETRY_MS: u64 = 1_000;

/// Bans at once: a community of a million with one in a hundred. Each takes 1 KB at the most, and all are loaded at the start.
pub const MAX_BANS: usize = 10_000;

/// Bytes of the reason of a ban: a sentence, which is told with each refusal.
pub const MAX_BAN_REASON: usize = 300;

/// Seconds that a ban lasts at the most, a century; one without an end is for ever.
pub const MAX_BAN_SECONDS: u64 = 100 * 365 * 86_400;

/// Bans in one list: about 500 KB.
pub const MAX_LISTED_BANS: usize = 1_000;
