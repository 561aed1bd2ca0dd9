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
  server: string;
  /** How often the server pings who is silent; null for never. */
  ping_ms: number | null;
  limits: Limits;
  /** Missing where no token is wanted. */
  rights?: Rights;
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

export interface JoinOptions {
  /** How many of the newest messages to get: so many without a key, and no more with one. */
  last?: number;
  /** From where to go on. */
  since?: Position;
  /** How far back to get the numbers of each key, and at how many points at most. */
  series?: { seconds: number; points?: number };
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
  | { phase: 'refused'; code: 'token_needed' | 'bad_token' | 'token_expired' | 'removed'; reason: string }
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
  | 'not_allowed';

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
  constructor(code: ErrorCode | ClientErrorCode, message: string);
  /** For programs. */
  code: ErrorCode | ClientErrorCode;
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
  /** Says any JSON, or bytes. Fulfilled when the room has it, once; until then it is sent again after each reconnect. */
  publish(room: string, data: unknown, options?: { key?: string; retain?: boolean; ephemeral?: boolean }):
    Promise<{ offset?: number }>;
  /** Says something to one person, by name. */
  direct(to: string, data: unknown): Promise<object>;
  /** Messages before an offset, or the newest. */
  history(room: string, options?: { before?: number; limit?: number }):
    Promise<Page>;
  /** Messages with these words, before an offset or the newest; of a server that keeps messages on disk. */
  search(room: string, q: string, options?: { before?: number; limit?: number }):
    Promise<Page>;
  /** A hundred of the members at most, and how many there are. */
  members(room: string): Promise<{ room: string; members: Person[]; count: number }>;
  rooms(): Promise<{ rooms: { name: string; count: number }[]; more: boolean }>;
  /** Takes a name, or shows a token. */
  login(credentials: Credentials): Promise<Welcome>;
  /** For admins: ends all connections of someone, by name. */
  closePerson(name: string): Promise<void>;
  /** For admins: puts everyone out of a room and forgets what was said there. */
  emptyRoom(room: string): Promise<void>;
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
