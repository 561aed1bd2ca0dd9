// The types of parlor.js. Beside a copy of it, TypeScript finds them by itself.

/** What JSON can say: what is received may be any of it, so look before you use it. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export interface Person {
  id: string;
  name: string;
}

/** Where one is in a room's sequence of messages. */
export interface Position {
  epoch: string;
  offset: number;
}

export interface Credentials {
  name?: string;
  /** For a server that wants one; it says who one is. */
  token?: string;
  /** Without a token: the secret of an earlier welcome, to be the same person again. */
  resume?: string;
}

/** A message with a value of JSON in `data`, or with bytes in `binary`. */
export interface Message {
  /** Missing in messages of the past. */
  type?: 'message';
  room: string;
  /** Missing in an ephemeral message, which is not kept. */
  offset?: number;
  /** In milliseconds since 1970. */
  at: number;
  from: Person;
  data?: Json;
  binary?: Uint8Array;
  key?: string;
  /** Seconds within which another value of the key has to come, where that was said; 0 if none has to any more. */
  expect?: number;
  ephemeral?: true;
}

/** What a token allows: patterns of rooms, where `*` is any characters and `?` is one. */
export interface Rights {
  subscribe: string[];
  publish: string[];
  admin: boolean;
  /** In milliseconds since 1970. */
  expires: number;
}

/** The server's limits; null where there is none. */
export interface Limits {
  /** Bytes of a message. */
  message: number;
  /** Commands a second, and how many at once. */
  rate: number | null;
  burst: number | null;
  /** Rooms that one is in at the same time. */
  rooms: number;
  /** Characters of a person's name, of a room's, of a key, of the id by which a message is known if it is sent again. */
  name: number;
  room: number;
  key: number;
  dedup: number;
  /** Messages in an answer to `history`. */
  history: number;
  /** Bytes of a file; missing where the server keeps none. */
  file?: number;
}

export interface Welcome {
  type: 'welcome';
  /** Of the command that it answers. */
  id?: number;
  you: Person;
  resume?: string;
  /** Which process this is: another one after a restart. */
  node: string;
  /** How safe a message is when `publish` has resolved: lost with the process, or on the disk of the server. */
  durability?: 'memory' | 'disk' | 'redis';
  /** Whether `push` is taken; missing where it is not. */
  push?: boolean;
  server: string;
  /** How often the server pings who is silent; null for never. */
  ping_ms: number | null;
  limits: Limits;
  /** Missing where no token is wanted. */
  rights?: Rights;
}

/** What somebody wants to be told of by push while they are away, and where. */
export interface PushOptions {
  /** Those of `PushSubscription.toJSON()`. */
  endpoint: string;
  keys?: { p256dh: string; auth: string };
  /** Patterns of rooms, such as `plant-*`. */
  rooms?: string[];
  /** Of what: alarms, what is said to them alone, what names them, every message without a key. None: nothing any more. */
  kinds: ('alarm' | 'direct' | 'mention' | 'message')[];
  /** The least of an alarm; all without it. */
  severity?: 'info' | 'warning' | 'critical';
  /** When nothing is pushed: times of the day, of a clock so many minutes ahead of UTC. */
  quiet?: { from: string; to: string; offset?: number };
  /** The page that is opened, by https and without a query. */
  page?: string;
}

/** The numbers of one key, the oldest first, each with its time in milliseconds since 1970. */
export interface Series {
  key: string;
  points: [at: number, value: number][];
}

export interface Joined {
  type: 'joined';
  /** Of the command that it answers. */
  id?: number;
  room: string;
  epoch: string;
  offset: number;
  /** Every message of the time between is there. */
  recovered: boolean;
  /** It follows a reconnect, or a `gap`. */
  rejoined: boolean;
  messages: Message[];
  /** The latest message of each key. */
  retained: Message[];
  /** What was asked for of the numbers of each key; missing where everything was recovered. */
  series?: Series[];
  /** A hundred of the members at most. */
  members: Person[];
  count: number;
}

/** Which numbers of keys to get; `seconds` or `count` is needed. */
export interface SeriesOptions {
  /** How far back; without it as far as the server knows. */
  seconds?: number;
  /** At how many points of each key at most: what is left out are never the smallest and the largest. Not with `count`. */
  points?: number;
  /** How many of the newest numbers of each key. */
  count?: number;
  /** Patterns of the keys, such as `boiler.*`; all without them. */
  keys?: string[];
}

export interface JoinOptions {
  /** How many of the newest messages to get: so many without a key, and no more with one. */
  last?: number;
  /** From where to go on. */
  since?: Position;
  /** How far back to get the numbers of each key, and at how many points at most. */
  series?: SeriesOptions;
}

export interface FollowOptions {
  /** How many of the newest messages of each room to get. */
  last?: number;
  /** How far back to get the numbers of each key, and at how many points at most. */
  series?: SeriesOptions;
}

export interface PublishOptions {
  /** What the message is the state of. */
  key?: string;
  /** The room keeps it as that state. */
  retain?: boolean;
  /** Seconds within which the next value of the key has to come, or the server raises an alarm; 0 for no more. */
  expect?: number;
  /** Seconds after which the value is removed. */
  ttl?: number;
  /** Only for those who are here now. */
  ephemeral?: boolean;
  /** Only if the state of the key is the message with this offset; otherwise a `conflict`. */
  ifOffset?: number;
  /** Only if the key has no state; otherwise a `conflict`. */
  ifNew?: boolean;
}

export interface Presence {
  type: 'presence';
  room: string;
  /** Missing, as `left` is, where so many came and went that only their number is told. */
  joined?: Person[];
  left?: Person[];
  count: number;
}

export interface Direct {
  type: 'direct';
  from: Person;
  to: Person;
  at: number;
  data: Json;
}

/** Messages were lost: on the way, as a reader was too slow, or on the server's disk. */
export interface Gap {
  type: 'gap';
  room: string;
  from: number;
  to: number;
}

/** Nothing can be published in a room for now, or it can again. */
export interface Pause {
  type: 'paused' | 'resumed';
  room: string;
}

/** Messages of a room, the oldest first. */
export interface Page {
  room: string;
  epoch: string;
  messages: Message[];
  /** There are older ones. */
  more: boolean;
  /** Offsets of messages that are damaged on the server's disk, and left out. */
  gaps?: { from: number; to: number }[];
}

/** One has been taken out of a room, or was not let in again, and then by which error. */
export interface Left {
  type: 'left';
  room: string;
  reason: string;
  code?: ErrorCode | ClientErrorCode;
  /** Of the code `banned`. */
  ban?: Ban | undefined;
}

/** Whom a ban is of: a person by the name in their tokens, or an address or network; and from where. */
export interface BanTarget {
  name?: string;
  address?: string;
  /** A room, or a pattern of rooms; without it the whole server. */
  room?: string;
}

/** What somebody is told who is banned. */
export interface Ban {
  /** A room, or a pattern of rooms; without it the whole server. */
  room?: string;
  /** When it ends, in milliseconds since 1970; without it never. */
  until?: number;
  reason?: string;
}

/** The server is about to end the connection. */
export interface Bye {
  type: 'bye';
  /** The close code that will follow. */
  code: number;
  reason: string;
  /** When to come back. */
  retry_ms: number;
}

/** How the connection is. */
export type State =
  | { phase: 'connecting' }
  | { phase: 'open' }
  | {
      phase: 'waiting';
      /** The close code, or that of an error at login. */
      code: number | string;
      reason: string;
      /** It was open before. */
      opened: boolean;
      /** When the server was heard last; missing if it never was. */
      heardAt?: number;
      /** When the next try is. */
      retryAt: number;
    }
  | { phase: 'refused'; code: 'token_needed' | 'bad_token' | 'token_expired' | 'removed' | 'banned'; reason: string; ban?: Ban }
  | { phase: 'closed' };

/** The events, each with the type of its `detail`. */
export interface ParlorEvents {
  state: State;
  welcome: Welcome;
  joined: Joined;
  message: Message;
  left: Left;
  presence: Presence;
  direct: Direct;
  gap: Gap;
  paused: Pause;
  resumed: Pause;
  bye: Bye;
  error: ParlorError;
}

export interface Options {
  /** The server, as `https://chat.example` or `wss://chat.example/ws`; without it, the one that this module came from. */
  url?: string | URL;
  /** Who to log in as; a function is asked at each connection, and for another token before the last one ends. */
  credentials?: Credentials | (() => Credentials | Promise<Credentials>);
  /** Where there is none built in: that of the package ws, say. */
  WebSocket?: WebSocketClass;
}

/** What a WebSocket has to have. */
export interface WebSocketClass {
  new (url: string, protocols?: string): {
    onopen: ((event: any) => void) | null;
    onmessage: ((event: any) => void) | null;
    onclose: ((event: any) => void) | null;
    onerror: ((event: any) => void) | null;
    readonly bufferedAmount: number;
    send(text: string): void;
    close(code?: number): void;
  };
}

/** Why the server refused a command. */
export type ErrorCode =
  | 'bad_json'
  | 'bad_command'
  | 'bad_room'
  | 'bad_name'
  | 'bad_resume'
  | 'name_taken'
  | 'conflict'
  | 'not_joined'
  | 'no_such_user'
  | 'too_many_rooms'
  | 'too_many_keys'
  | 'too_many_connections'
  | 'busy'
  | 'rate_limited'
  | 'unavailable'
  | 'not_kept'
  | 'token_needed'
  | 'bad_token'
  | 'token_expired'
  | 'not_allowed'
  | 'banned';

/** Why parlor.js failed a command by itself; `unconfirmed` may have arrived. */
export type ClientErrorCode =
  | 'bad_event'
  | 'closed'
  | 'connection_lost'
  | 'removed'
  | 'too_big'
  | 'unconfirmed';

/** What the server refused, or what became of a command. */
export class ParlorError extends Error {
  constructor(code: ErrorCode | ClientErrorCode, message: string, current?: Message | null, ban?: Ban);
  /** For programs. */
  code: ErrorCode | ClientErrorCode;
  /** Of a `conflict`: the state of the key, or null if it has none. */
  current?: Message | null | undefined;
  /** Of `banned`: from where, until when and why. */
  ban?: Ban | undefined;
}

/** A person's connection to a parlor, which comes back by itself. */
export class Parlor extends EventTarget {
  constructor(options?: Options);

  /** Who one is. */
  you: Person | null;
  /** What one's token allows; null where none is wanted. */
  rights: Rights | null;
  /** The server's; empty until it has said them. */
  limits: Partial<Limits>;
  /** The state told last. */
  state: State;

  /** Enters a room, and enters it again after each reconnect until `leave`. */
  join(room: string, options?: JoinOptions): Promise<Joined>;
  leave(room: string): Promise<void>;
  /**
   * Enters all rooms that match a pattern, as `plant-*`, those that are there and others as they begin, each told by `joined`;
   * again after each reconnect until `unfollow`. Fulfilled when the server has taken the pattern.
   */
  follow(pattern: string, options?: FollowOptions): Promise<void>;
  /** Leaves the rooms that nothing but this pattern has led to. */
  unfollow(pattern: string): Promise<void>;
  /** Says any JSON, or bytes. Fulfilled when the room has it, once; until then it is sent again after each reconnect. */
  publish(room: string, data: unknown, options?: PublishOptions): Promise<{ offset?: number }>;
  /** Says something to one person, by name. */
  direct(to: string, data: unknown): Promise<object>;
  /** Messages before an offset, or the newest. */
  history(room: string, options?: { before?: number; limit?: number }):
    Promise<Page>;
  /** The numbers of keys, as far back as the server knows them. */
  series(room: string, options: SeriesOptions): Promise<Series[]>;
  /** Messages with these words, before an offset or the newest; of a server that keeps messages on disk. */
  search(room: string, q: string, options?: { before?: number; limit?: number }):
    Promise<Page>;
  /** A hundred of the members at most, and how many there are. */
  members(room: string): Promise<{ room: string; members: Person[]; count: number }>;
  rooms(): Promise<{ rooms: { name: string; count: number }[]; more: boolean }>;
  /** Has this person told while they are away, in place of what they wanted at this endpoint before; no kinds end it. */
  push(options: PushOptions): Promise<void>;
  /** Takes a name, or shows a token. */
  login(credentials: Credentials): Promise<Welcome>;
  /** For admins: ends all connections of someone, by name. */
  closePerson(name: string): Promise<void>;
  /** For admins: puts everyone out of a room and forgets what was said there. */
  emptyRoom(room: string): Promise<void>;
  /** For admins: bans a person or a network, until that is lifted or for so many seconds. */
  ban(ban: BanTarget & { seconds?: number; reason?: string }): Promise<void>;
  /** For admins: lifts a ban. */
  unban(target: BanTarget): Promise<void>;
  /** For admins: the newest bans, and whether there are more. */
  bans(): Promise<{ bans: (BanTarget & Ban & { by: string; at: number })[]; more: boolean }>;
  /** Does not wait for the next try. */
  reconnect(): void;
  /** Ends the connection for good. */
  close(): void;

  addEventListener<Type extends keyof ParlorEvents>(
    type: Type,
    listener: ((event: CustomEvent<ParlorEvents[Type]>) => void) | { handleEvent(event: CustomEvent<ParlorEvents[Type]>): void } | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Type extends keyof ParlorEvents>(
    type: Type,
    listener: ((event: CustomEvent<ParlorEvents[Type]>) => void) | { handleEvent(event: CustomEvent<ParlorEvents[Type]>): void } | null,
    options?: boolean | EventListenerOptions,
  ): void;
}
