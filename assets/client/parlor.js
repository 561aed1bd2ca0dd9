// parlor's client: rooms over one WebSocket that comes back by itself. One file that depends on nothing, to use as it is:
//
//   import { Parlor } from 'https://chat.example.org/parlor.js';
//
//   const parlor = new Parlor({ credentials: { name: 'ana' } });
//   parlor.addEventListener('message', ({ detail }) => console.log(detail.from.name, detail.data));
//   await parlor.join('tea', { last: 20 });
//   await parlor.publish('tea', 'The kettle is on.');

const SUBPROTOCOL = 'parlor.v1.json';
const FIRST_RETRY_MS = 500;
const BUSY_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 30_000;
const STABLE_MS = 5_000;
/** In which a connection opens, or a server answers that has to do something. */
const ANSWER_MS = 10_000;
/** In which a server answers that is asked whether it is there. */
const PROBE_MS = 5_000;
const PING_MARGIN_MS = 5_000;
/** For how long a server may be silent at the most, however seldom it pings. */
const LONGEST_SILENCE_MS = 15_000;
/** The server knows a `dedup` id for two minutes; a little less is certain. */
const DEDUP_MS = 110_000;
/** How long before a token ends it is time for another. */
const RENEWAL_MS = 60_000;
/** For how long a server is left alone that had too many bad tokens from one's address: it looks at some a minute. */
const BAD_TOKENS_MS = 20_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const ABNORMAL = 1006;
const TOO_LONG = 1009;
const TRY_AGAIN_LATER = 1013;

/** Errors after which the same again would be refused again. */
const REFUSALS = ['token_needed', 'bad_token', 'token_expired', 'banned'];
/** Reasons that the server gives when it says goodbye. */
const TOKEN_EXPIRED = 'token expired';
const REMOVED = 'closed by an admin';
const BANNED = 'banned by an admin';

/**
 * The types are in parlor.d.ts.
 * @import { Ban, BanTarget, ClientErrorCode, Credentials, ErrorCode, FollowOptions, Joined, JoinOptions, Limits, Message, Options, Person, Position, Rights, State, Welcome } from './parlor.js'
 */

/** What the server refused, or what became of a command. */
export class ParlorError extends Error {
  /** @param {ErrorCode | ClientErrorCode} code @param {string} message @param {Message | null} [current] @param {Ban} [ban] */
  constructor(code, message, current, ban) {
    super(message);
    this.name = 'ParlorError';
    /** For programs: a code of the protocol, or one of this client's own. */
    this.code = code;
    /** Of a `conflict`: the state of the key, or null if it has none. */
    this.current = current;
    /** Of `banned`: from where, until when and why. */
    this.ban = ban;
  }
}

/**
 * A person's connection to a parlor. Its events, each a `CustomEvent` with the value as `detail`:
 *
 * - `state` {@link State}: connected, when the next try is, or why there is none.
 * - `welcome` {@link Welcome}: who one is; again when that changes.
 * - `joined` {@link Joined}: a room is entered, for the first time or again.
 * - `message` {@link Message}: every message of the rooms joined, those of `joined.messages` included: in order, each
 *   once, over all reconnects, with no hole unless a `joined` with `recovered: false` or a `gap` told of it.
 * - `left` `{room, reason, code?}`: put out of a room, or not let in again, and then by which error.
 * - `presence`, `direct`, `gap`, `paused`, `resumed`, `bye`: as the protocol has them.
 * - `error` {@link ParlorError}: nobody waits for an answer and this went wrong.
 */
export class Parlor extends EventTarget {
  /** Who one is. @type {Person | null} */
  you = null;
  /** What one's token allows; null where none is wanted. @type {Rights | null} */
  rights = null;
  /** The server's limits; empty until it has said them. @type {Partial<Limits>} */
  limits = {};
  /** The state told last. @type {State} */
  state = { phase: 'connecting' };

  #link;
  #credentials;
  #chosen = {};
  #ready = false;
  #refusal = null;
  /** The ban that was told last. @type {Ban | undefined} */
  #ban;
  /** The token that was taken last. */
  #token;
  #renewal = 0;
  /** Who waits to be let in with a token. */
  #admissions = [];
  #rooms = new Map();
  /** Those that are followed, each with what it matches. */
  #patterns = new Map();
  #commands = new Map();
  #lastId = 0;
  #held = 0;
  #pace = new Pace();
  /** The server process that one was connected to last. */
  #node = null;
  #dedupPrefix = Array.from(crypto.getRandomValues(new Uint32Array(3)), (n) => n.toString(36)).join('');

  /**
   * `url` is the server, without it the one that this module came from; `credentials` say who to log in as, a function is
   * asked anew at each connection, and for another token before the last one ends; `WebSocket` is for where there is none
   * built in.
   * @param {Options} [options]
   */
  constructor({ url, credentials = {}, WebSocket = globalThis.WebSocket } = {}) {
    super();
    if (typeof WebSocket !== 'function') {
      throw new TypeError('there is no WebSocket here, as in Node before 22: give one as `WebSocket`, that of the package ws, say');
    }
    this.#credentials = credentials;
    this.#link = new Link(socketAddress(url ?? ownServer()), WebSocket, {
      onConnecting: () => this.#setState({ phase: 'connecting' }),
      onMessage: (message) => this.#received(message),
      onLost: (state) => this.#lost(state),
    });
    // Either may be wrong, of a server on the same machine, say: it is seen whether the connection is alive.
    for (const type of ['online', 'offline']) {
      globalThis.addEventListener?.(type, () => { if (this.state.phase !== 'refused') this.reconnect(); });
    }
  }

  /**
   * Enters a room, and enters it again after each reconnect until `leave`.
   * @param {string} room
   * @param {JoinOptions} [options]
   * @returns {Promise<Joined>}
   */
  join(room, { last, since, series } = {}) {
    return new Promise((resolve, reject) => {
      const known = this.#rooms.get(room) ?? { name: room, last, series, position: since && { ...since }, waiting: [] };
      known.isFound = false;
      known.waiting.push({ resolve, reject });
      this.#rooms.set(room, known);
      if (this.#ready) this.#enter(known);
    });
  }

  /**
   * Enters all rooms that match a pattern, as `plant-*`, those that are there and others as they begin, each told by `joined`;
   * again after each reconnect until `unfollow`. Fulfilled when the server has taken the pattern.
   * @param {string} pattern `*` is any characters, `?` is one
   * @param {FollowOptions} [options]
   * @returns {Promise<void>}
   */
  follow(pattern, { last, series } = {}) {
    return new Promise((resolve, reject) => {
      const matches = globOf(pattern);
      const known = this.#patterns.get(pattern) ?? { name: pattern, last, series, matches, waiting: [] };
      known.waiting.push({ resolve: () => resolve(), reject });
      this.#patterns.set(pattern, known);
      if (this.#ready) this.#enter(known, this.#patterns);
    });
  }

  /** Leaves the rooms that nothing but this pattern has led to. @param {string} pattern */
  async unfollow(pattern) {
    const known = this.#patterns.get(pattern);
    if (!known) return;
    this.#patterns.delete(pattern);
    for (const { reject } of known.waiting) reject(new ParlorError('not_joined', `left ${pattern}`));
    if (this.#ready) await this.#ask({ type: 'leave', room: pattern }).catch(unlessLost);
    const left = [...this.#rooms.values()].filter((room) => room.isFound && !this.#isFollowed(room.name));
    for (const room of left) this.#rooms.delete(room.name);
    // Those that were entered again by their names after a reconnect the server takes for joined; it has left the others.
    if (this.#ready) await Promise.allSettled(left.map(({ name }) => this.#ask({ type: 'leave', room: name })));
  }

  /** @param {string} room */
  async leave(room) {
    const known = this.#rooms.get(room);
    if (!known) return;
    this.#rooms.delete(room);
    for (const { reject } of known.waiting) reject(new ParlorError('not_joined', `left ${room}`));
    // A connection that is gone took the membership with it.
    if (this.#ready) await this.#ask({ type: 'leave', room }).catch(unlessLost);
  }

  /**
   * Says something. The promise is fulfilled when the room has it; until then it is sent again after each reconnect,
   * and published once.
   * @param {string} room
   * @param {unknown} data any JSON, or an ArrayBuffer or view of one for binary
   *
   * With `ifOffset` or `ifNew`, and `key` and `retain`, only if the state of the key is the message with that offset, or if
   * it has none; otherwise the promise is rejected with the code `conflict`, and the state is in `current`. The offset is one
   * of the epoch in which one is in the room.
   * @param {{key?: string, retain?: boolean, expect?: number, ttl?: number, ephemeral?: boolean, ifOffset?: number, ifNew?: boolean}} [options]
   * @returns {Promise<{offset?: number}>}
   */
  publish(room, data, { key, retain, expect, ttl, ephemeral, ifOffset, ifNew } = {}) {
    const bytes = bytesOf(data);
    const content = bytes ? { binary: toBase64(bytes) } : { data: data ?? null };
    const epoch = ifOffset === undefined ? undefined : this.#rooms.get(room)?.position?.epoch;
    const condition = { if_offset: ifOffset, if_epoch: epoch, if_new: ifNew };
    const command = { type: 'publish', room, ...content, key, retain, expect, ttl, ephemeral, ...condition };
    if (ephemeral) return this.#ask(command);
    return this.#command({ ...command, dedup: `${this.#dedupPrefix}-${this.#lastId + 1}` }, { repeatable: DEDUP_MS });
  }

  /** Says something to one person. @param {string} to a name @param {unknown} data @returns {Promise<object>} */
  direct(to, data) {
    return this.#command({ type: 'direct', to, data }, { repeatable: 0 });
  }

  /**
   * Messages before an offset, or the newest.
   * @param {string} room
   * @param {{before?: number, limit?: number}} [options]
   * @returns {Promise<{room: string, epoch: string, messages: Message[], more: boolean, gaps?: {from: number, to: number}[]}>}
   */
  async history(room, { before, limit } = {}) {
    const reply = await this.#query({ type: 'history', room, before, limit });
    return { ...reply, messages: reply.messages.filter(isSaid).map(decoded) };
  }

  /**
   * The numbers of keys, as far back as the server knows them.
   * @param {string} room
   * @param {{seconds?: number, points?: number, count?: number, keys?: string[]}} options `seconds` or `count` is needed.
   * @returns {Promise<{key: string, points: [number, number][]}[]>}
   */
  async series(room, { seconds, points, count, keys }) {
    const reply = await this.#query({ type: 'history', room, seconds, points, count, keys });
    return (reply.series ?? []).filter(isSeries);
  }

  /**
   * Messages with all of these words, before an offset or the newest; of a server that keeps messages on disk.
   * @param {string} room
   * @param {string} q
   * @param {{before?: number, limit?: number}} [options]
   * @returns {Promise<{room: string, epoch: string, messages: Message[], more: boolean, gaps?: {from: number, to: number}[]}>}
   */
  async search(room, q, { before, limit } = {}) {
    const reply = await this.#query({ type: 'search', room, q, before, limit });
    return { ...reply, messages: reply.messages.filter(isSaid).map(decoded) };
  }

  /** @param {string} room @returns {Promise<{room: string, members: Person[], count: number}>} */
  members(room) {
    return this.#query({ type: 'members', room });
  }

  /** @returns {Promise<{rooms: {name: string, count: number}[], more: boolean}>} */
  rooms() {
    return this.#query({ type: 'rooms' });
  }

  /**
   * Becomes someone else, takes a name, or shows a token.
   * @param {Credentials} credentials
   * @returns {Promise<Welcome>}
   */
  async login(credentials) {
    const { name, token } = credentials;
    if (token && !this.#ready) return this.#admission(credentials);
    const welcome = await this.#query({ type: 'login', ...credentials });
    if (name) this.#chosen.name = name;
    if (token) this.#token = this.#chosen.token = token;
    return welcome;
  }

  /**
   * Has this person told while they are away, at a push subscription of a browser, in place of what they wanted there
   * before; no kinds end it. Of a server whose `welcome` says `push`.
   * @param {{endpoint: string, keys?: object, rooms?: string[], kinds: string[], severity?: string, quiet?: object, page?: string}} options
   */
  async push(options) {
    await this.#query({ type: 'push', ...options });
  }

  /** For admins: ends all connections of someone. @param {string} name */
  async closePerson(name) {
    await this.#command({ type: 'close', name }, { repeatable: 0 });
  }

  /** For admins: puts everyone out of a room and forgets what was said there. @param {string} room */
  async emptyRoom(room) {
    await this.#command({ type: 'empty', room }, { repeatable: 0 });
  }

  /** For admins: bans a person or a network, until that is lifted or for so many seconds. @param {BanTarget & { seconds?: number, reason?: string }} ban */
  async ban(ban) {
    await this.#command({ ...ban, type: 'ban' }, { repeatable: 0 });
  }

  /** For admins: lifts a ban. @param {BanTarget} target */
  async unban(target) {
    await this.#command({ ...target, type: 'unban' }, { repeatable: 0 });
  }

  /** For admins: the newest bans, and whether there are more. */
  async bans() {
    const { bans, more } = await this.#query({ type: 'bans' });
    return { bans, more };
  }

  /** Does not wait for the next try. If there is a connection, it is seen whether it is alive. */
  reconnect() {
    this.#link.retryNow();
  }

  /** Ends the connection for good. */
  close() {
    this.#ready = false;
    this.#link.close();
    const closed = new ParlorError('closed', 'the connection was closed');
    clearTimeout(this.#renewal);
    for (const command of this.#commands.values()) this.#drop(command, closed);
    for (const { reject } of this.#admissions.splice(0)) reject(closed);
    this.#setState({ phase: 'closed' });
  }

  // Commands. Each waits in #commands, in the order given, until its answer comes.

  /** Asks what changes nothing, and may be asked again after a reconnect. */
  #query(fields) {
    return this.#command(fields, { repeatable: Infinity });
  }

  /** Sends a command that means nothing any more once this connection is lost. */
  #ask(fields) {
    if (!this.#link.isOpen) return Promise.reject(lost());
    return this.#command(fields, { bound: true });
  }

  /** `repeatable`: for how many ms after it was first sent; `bound`: to this connection, whether logged in or not. */
  #command(fields, { repeatable = 0, bound = false }) {
    return new Promise((resolve, reject) => {
      this.#lastId += 1;
      const json = JSON.stringify({ ...fields, id: this.#lastId });
      const command = { id: this.#lastId, json, repeatable, bound, sent: false, sentAt: null, resolve, reject };
      this.#commands.set(this.#lastId, command);
      this.#flush();
    });
  }

  #flush() {
    if (this.#held || !this.#link.isOpen) return;
    for (const command of this.#commands.values()) {
      if (command.sent || !(this.#ready || command.bound)) continue;
      const bytes = new TextEncoder().encode(command.json).length;
      if (bytes > this.limits.message) {
        this.#drop(command, new ParlorError('too_big', `${bytes} bytes, ${this.limits.message} allowed`));
      } else if (Date.now() - (command.sentAt ?? Date.now()) > command.repeatable) {
        this.#drop(command, unconfirmed());
      } else {
        const wait = this.#pace.take();
        if (wait > 0) return void this.#hold(wait);
        command.sent = true;
        command.sentAt ??= Date.now();
        this.#link.send(command.json);
        this.#link.expectAnswer();
      }
    }
  }

  #answered(command, reply) {
    if (reply.code === 'rate_limited' && reply.retry_ms !== undefined) {
      command.sent = false;
      // It was refused, so that it cannot come twice.
      command.sentAt = null;
      this.#pace.empty();
      this.#hold(reply.retry_ms);
    } else if (reply.code === 'unavailable' && reply.retry_ms !== undefined) {
      // It may be published yet: sent again it is the same message, as after a lost connection.
      command.sent = false;
      this.#hold(reply.retry_ms);
    } else if (reply.type === 'error') {
      const current = reply.current && decoded(reply.current);
      this.#drop(command, new ParlorError(reply.code, reply.message, current, reply.ban));
    } else {
      this.#commands.delete(command.id);
      command.resolve(reply);
    }
  }

  /** Sends nothing for a while, as the server asked. */
  #hold(ms) {
    this.#held ||= setTimeout(() => {
      this.#held = 0;
      this.#flush();
    }, ms);
  }

  /** Gives up what may have arrived, and would be taken for something new if it was sent again. */
  #dropSent() {
    for (const command of this.#commands.values()) {
      if (command.sentAt !== null && Number.isFinite(command.repeatable)) this.#drop(command, unconfirmed());
    }
  }

  #drop(command, error) {
    this.#commands.delete(command.id);
    command.reject(error);
  }

  // The connection.

  #lost(state) {
    this.#ready = false;
    clearTimeout(this.#renewal);
    clearTimeout(this.#held);
    this.#held = 0;
    for (const command of this.#commands.values()) {
      if (command.bound) this.#drop(command, lost());
      // Sent again, it would end the next connection as well.
      else if (command.sent && state.code === TOO_LONG) this.#drop(command, new ParlorError('too_big', state.reason));
      else if (command.sent && command.repeatable === 0) this.#drop(command, unconfirmed());
      command.sent = false;
    }
    this.#setState(state);
  }

  #received(message) {
    const command = this.#commands.get(message?.id);
    if (!isSound(message)) return this.#refuseUnsound(message?.type, command);
    switch (message.type) {
      case 'welcome':
        if (this.#ready) this.#become(message);
        else if (!command) this.#begin(message);
        break;
      case 'joined': this.#joined(message); break;
      case 'message': this.#message(message); break;
      case 'gap': this.#gap(message); break;
      case 'left': this.#left(message); break;
      case 'bye': this.#bye(message); break;
      case 'ping': this.#link.send('{"type":"pong"}'); break;
      case 'presence':
      case 'direct':
      case 'paused':
      case 'resumed': this.#emit(message.type, message); break;
      case 'error':
        if (command) break;
        if (message.code === 'banned') this.#ban = message.ban;
        if (message.code === 'token_needed' && !this.#ready) this.#begin(null);
        else this.#emit('error', new ParlorError(message.code, message.message));
        break;
      default: break;
    }
    if (command) this.#answered(command, message);
  }

  /** What no server says, and no handler should have to expect. */
  #refuseUnsound(type, command) {
    const error = new ParlorError('bad_event', 'the server said what the protocol does not have');
    if (command) this.#drop(command, error);
    else this.#emit('error', error);
    if (type === 'welcome' && !this.#ready) this.#link.abandon(error.code, error.message);
  }

  #bye(bye) {
    this.#emit('bye', bye);
    if (bye.reason === REMOVED) this.#refuse(new ParlorError('removed', bye.reason));
    else if (bye.reason === BANNED) this.#refuse(new ParlorError('banned', bye.reason, undefined, this.#ban));
    // With another token one may come back at once; without, one finds out that it is needed.
    else this.#link.retryIn(bye.reason === TOKEN_EXPIRED ? 0 : bye.retry_ms);
  }

  /** It is of no use to try again before somebody does something about it. */
  #refuse(error) {
    this.#link.stop();
    this.#lost({ phase: 'refused', code: error.code, reason: error.message, ...error.ban && { ban: error.ban } });
    const waiting = this.#admissions.splice(0);
    for (const { reject } of waiting) reject(error);
    if (waiting.length === 0) this.#emit('error', error);
  }

  /** Waits to be let in with a token, by this connection or the next. */
  #admission(credentials) {
    Object.assign(this.#chosen, credentials);
    return new Promise((resolve, reject) => {
      this.#admissions.push({ resolve, reject });
      if (this.state.phase === 'refused') this.reconnect();
    });
  }

  /**
   * The connection is there: become oneself again, enter the rooms, then send what waits. Where a token is wanted,
   * there is no welcome yet.
   */
  async #begin(welcome) {
    if (welcome) this.#heed(welcome);
    const link = this.#link.connection;
    let identity;
    try {
      identity = await this.#identify(welcome);
    } catch (error) {
      if (this.#link.connection !== link) return;
      if (REFUSALS.includes(error.code)) return void this.#refuse(error);
      this.#emit('error', error);
      // Somebody else there may have guessed: one's own token may be good.
      if (error.code === 'rate_limited') this.#link.retryIn(BAD_TOKENS_MS);
      return void this.#link.abandon(error.code, error.message);
    }
    if (this.#link.connection !== link) return;
    // A server that has forgotten who one was does not know their messages by their ids. One that keeps them in memory
    // and has started anew has forgotten the messages as well.
    const isAnew = identity.node !== this.#node && (identity.durability ?? 'memory') === 'memory';
    const isForgotten = !isAnew && identity.resume !== this.#chosen.resume;
    this.#node = identity.node;
    if (isForgotten) this.#dropSent();
    if (!welcome) this.#heed(identity);
    this.#become(identity);
    for (const room of this.#rooms.values()) this.#enter(room);
    // After the rooms: a pattern does not lead into those, which go on where they were.
    for (const pattern of this.#patterns.values()) this.#enter(pattern, this.#patterns);
    this.#ready = true;
    this.#setState({ phase: 'open' });
    for (const { resolve } of this.#admissions.splice(0)) resolve(identity);
    this.#flush();
  }

  /** Logs in as well as it goes: as the same person, else under the same name, else as the guest one is already. */
  async #identify(welcome) {
    const { resume, name, token } = await this.#wanted();
    if (!welcome || welcome.rights) return this.#identifyBy(token, welcome);
    const known = resume && await this.#tryLogin({ resume, token });
    if (known) return known;
    if (!name && !token) return welcome;
    const named = await this.#tryLogin({ name, token });
    if (named) return named;
    const refusal = this.#refusal;
    // Another tab may have been quicker to take the name, and is who one is now.
    const now = await this.#wanted();
    const other = now.resume !== resume && await this.#tryLogin({ resume: now.resume, token: now.token });
    if (!other) this.#emit('error', refusal);
    return other || welcome;
  }

  /** A token may have been in the server's address, too: then there is a welcome. */
  async #identifyBy(token, welcome) {
    if (!token && welcome) return welcome;
    if (!token) throw new ParlorError('token_needed', 'a token is needed here');
    const identity = await this.#ask({ type: 'login', token });
    this.#token = token;
    return identity;
  }

  async #wanted() {
    const given = typeof this.#credentials === 'function' ? await this.#credentials() : this.#credentials;
    return typeof this.#credentials === 'function' ? { ...this.#chosen, ...given } : { ...given, ...this.#chosen };
  }

  /** Gives the welcome, or null if the server would rather have somebody else. */
  async #tryLogin(credentials) {
    try {
      return await this.#ask({ type: 'login', ...credentials });
    } catch (error) {
      if (!['bad_resume', 'name_taken', 'bad_name'].includes(error.code)) throw error;
      this.#refusal = error;
      return null;
    }
  }

  /** Takes the server's limits, and counts from now on. */
  #heed({ limits, ping_ms }) {
    this.limits = limits;
    this.#pace.begin(limits);
    // A server may ping nobody.
    this.#link.patience = Math.min((ping_ms ?? Infinity) + PING_MARGIN_MS, LONGEST_SILENCE_MS);
  }

  #become(welcome) {
    this.you = welcome.you;
    this.rights = welcome.rights ?? null;
    this.#chosen.resume = welcome.resume;
    if (this.rights && typeof this.#credentials === 'function') this.#renewBefore(this.rights.expires);
    this.#emit('welcome', welcome);
  }

  /** Asks for another token while there is time, more often as it runs out. By a wrong clock it may be too late. */
  #renewBefore(expires) {
    clearTimeout(this.#renewal);
    const left = expires - Date.now();
    if (left <= 0) return;
    const wait = Math.max(left - RENEWAL_MS, left / 2, 1000);
    this.#renewal = setTimeout(() => this.#renew(expires), Math.min(wait, LONGEST_TIMER_MS));
  }

  async #renew(expires) {
    const link = this.#link.connection;
    const isOver = () => this.#link.connection !== link;
    try {
      const { token } = await this.#wanted();
      if (isOver()) return;
      if (token && token !== this.#token) return void await this.#identifyBy(token);
    } catch (error) {
      if (isOver()) return;
      this.#emit('error', error);
    }
    this.#renewBefore(expires);
  }

  // Rooms.

  async #enter(room, among = this.#rooms) {
    const take = () => room.waiting.splice(0);
    try {
      const { name, position, last, series } = room;
      const joined = await this.#ask({ type: 'join', room: name, since: position, last, series });
      for (const { resolve } of take()) resolve(joined);
    } catch (error) {
      if (error.code === 'connection_lost') return;
      among.delete(room.name);
      const waiting = take();
      for (const { reject } of waiting) reject(error);
      if (waiting.length === 0) this.#emit('left', { room: room.name, reason: error.message, code: error.code, ...error.ban && { ban: error.ban } });
    }
  }

  #left(left) {
    const room = this.#rooms.get(left.room);
    // Who has asked to be let in again meanwhile will hear whether they are.
    if (!room || room.waiting.length > 0) return;
    this.#rooms.delete(left.room);
    this.#emit('left', left.reason === BANNED ? { ...left, code: 'banned', ...this.#ban && { ban: this.#ban } } : left);
  }

  #joined(joined) {
    const room = this.#rooms.get(joined.room) ?? this.#found(joined.room);
    if (!room) return;
    joined.rejoined = Boolean(room.position);
    joined.messages = joined.messages.filter(isSaid).map(decoded);
    joined.retained = joined.retained.filter(isSaid).map(decoded);
    joined.series = joined.series?.filter(isSeries);
    if (room.position?.epoch !== joined.epoch) room.position = { epoch: joined.epoch, offset: 0 };
    this.#emit('joined', joined);
    for (const message of joined.messages) this.#deliver(room, message);
    room.position.offset = Math.max(room.position.offset, joined.offset);
  }

  #isFollowed(room) {
    return [...this.#patterns.values()].some(({ matches }) => matches.test(room));
  }

  /** A pattern has led into a room. */
  #found(name) {
    if (!this.#isFollowed(name)) return undefined;
    const room = { name, waiting: [], isFound: true };
    this.#rooms.set(name, room);
    return room;
  }

  #message(message) {
    const room = this.#rooms.get(message.room);
    if (room?.position) this.#deliver(room, decoded(message));
  }

  #deliver(room, message) {
    if (!message.ephemeral) {
      if (message.offset <= room.position.offset) return;
      room.position.offset = message.offset;
    }
    this.#emit('message', message);
  }

  #gap(gap) {
    // The `joined` that follows has what counts of it, and moves the position.
    if (this.#rooms.get(gap.room)?.position) this.#emit('gap', gap);
  }

  #setState(state) {
    this.state = state;
    this.#emit('state', state);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const lost = () => new ParlorError('connection_lost', 'the connection was lost');
const unconfirmed = () => new ParlorError('unconfirmed', 'the connection was lost before the answer came');

function unlessLost(error) {
  if (error.code !== 'connection_lost') throw error;
}

/** The server that this module came from. */
function ownServer() {
  const url = new URL('ws', import.meta.url);
  if (!/^https?:$/.test(url.protocol)) {
    throw new TypeError('this module came from no server: give the address of one as `url`, ws://localhost:8080/ws, say');
  }
  return url;
}

/** A server's address as people have it, as that of its WebSocket. */
function socketAddress(server) {
  const base = globalThis.location?.href;
  let url;
  try {
    url = new URL(server, base);
  } catch {
    throw new TypeError(`this is no address of a server: ${server}; it is like ws://localhost:8080/ws`);
  }
  if (!/^(ws|http)s?:$/.test(url.protocol)) {
    throw new TypeError(`a server’s address begins with ws:, wss:, http: or https:, not with ${url.protocol}`);
  }
  url.protocol = url.protocol.replace('http', 'ws');
  if (url.pathname === '/') url.pathname = '/ws';
  url.hash = '';
  return url.href;
}

/** JSON as a value, or nothing: engines give up where it is nested too deeply. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function bytesOf(data) {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : null;
}

function toBase64(bytes) {
  let characters = '';
  for (const byte of bytes) characters += String.fromCharCode(byte);
  return btoa(characters);
}

/** A message with its binary as bytes. */
function decoded(message) {
  if (typeof message.binary !== 'string') return message;
  return { ...message, binary: Uint8Array.from(atob(message.binary), (character) => character.charCodeAt(0)) };
}

// What events are made of. A server says nothing else, but what is said passes through it.

const isText = (value) => typeof value === 'string';
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isOptional = (is) => (value) => value === undefined || is(value);
const isNullOr = (is) => (value) => value === null || is(value);
const isListOf = (is) => (value) => Array.isArray(value) && value.every(is);
const has = (fields) => (value) => typeof value === 'object' && value !== null
  && Object.entries(fields).every(([name, is]) => is(value[name]));
const isPerson = has({ id: isText, name: isText });
/** In milliseconds since 1970, to the end of the year 9999. */
const isTime = (value) => Number.isFinite(value) && value >= 0 && value < 253_402_300_800_000;
const isBase64 = (value) => isText(value) && value.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(value);
const isSaid = has({
  from: isPerson, at: isTime, key: isOptional(isText), offset: isOptional(isCount), binary: isOptional(isBase64),
});
const isPoint = (value) => Array.isArray(value) && isTime(value[0]) && Number.isFinite(value[1]);
const isSeries = has({ key: isText, points: isListOf(isPoint) });
const isBan = has({ room: isOptional(isText), until: isOptional(isTime), reason: isOptional(isText) });
const isRights = has({ subscribe: isListOf(isText), publish: isListOf(isText), expires: isTime });

const EVENTS = {
  welcome: has({
    you: isPerson, resume: isOptional(isText), ping_ms: isNullOr(isCount), limits: has({}), rights: isOptional(isRights),
  }),
  joined: has({
    room: isText, epoch: isText, offset: isCount, count: isCount, messages: Array.isArray, retained: Array.isArray,
    members: isListOf(isPerson), series: isOptional(Array.isArray),
  }),
  message: (value) => has({ room: isText })(value) && isSaid(value) && (value.ephemeral === true || isCount(value.offset)),
  presence: has({ room: isText, count: isCount, joined: isOptional(isListOf(isPerson)), left: isOptional(isListOf(isPerson)) }),
  direct: has({ from: isPerson, to: isPerson, at: isTime }),
  gap: has({ room: isText }),
  paused: has({ room: isText }),
  resumed: has({ room: isText }),
  left: has({ room: isText, reason: isText }),
  bye: has({ reason: isOptional(isText), retry_ms: isOptional(isCount) }),
  error: has({
    code: isText, message: isOptional(isText), retry_ms: isOptional(isCount), current: isOptional(isNullOr(isSaid)),
    ban: isOptional(isBan),
  }),
  history: (it) => Array.isArray(it.messages) || Array.isArray(it.series),
  found: has({ messages: Array.isArray }),
  members: has({ members: isListOf(isPerson), count: isCount }),
  rooms: has({ rooms: isListOf(has({ name: isText, count: isCount })) }),
};

/** What a pattern of rooms matches. */
function globOf(pattern) {
  const text = pattern.replace(/[\\^$.+()[\]{}|]/g, '\\$&');
  return new RegExp(`^${text.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'su');
}

/** True for an event as the protocol has it, and for one that is not known yet. */
function isSound(event) {
  if (!has({ type: isText })(event)) return false;
  return Object.hasOwn(EVENTS, event.type) ? EVENTS[event.type](event) : true;
}

/** The server's limit on commands, seen from here: so many at once, and so many a second. */
class Pace {
  #perMs = 0;
  #most = 0;
  #left = 0;
  #countedAt = 0;

  /** A tenth is kept back: what goes out evenly may arrive in a bunch, and long answers count as well. */
  begin({ rate, burst }) {
    this.#perMs = (rate ?? 0) / 1000;
    this.#most = Math.max(1, 0.9 * burst);
    this.#left = this.#most;
    this.#countedAt = Date.now();
  }

  /** Counts a command and gives 0, or the milliseconds until one may go. */
  take() {
    if (this.#perMs === 0) return 0;
    const passed = Math.max(0, Date.now() - this.#countedAt);
    this.#countedAt = Date.now();
    this.#left = Math.min(this.#most, this.#left + passed * this.#perMs);
    if (this.#left < 1) return Math.ceil((1 - this.#left) / this.#perMs);
    this.#left -= 1;
    return 0;
  }

  /** The server has counted more. */
  empty() {
    this.#left = 0;
    this.#countedAt = Date.now();
  }
}

/**
 * One live WebSocket, or the time at which the next one is tried: with jittered exponential back-off, or when the server
 * said. Gives up a server from which nothing comes.
 */
class Link {
  /** Counts the connections, so that what waited for one finds out that it is another. */
  connection = 0;

  #url;
  #WebSocket;
  #handlers;
  #socket = null;
  #timer = 0;
  #failures = 0;
  #openedAt = null;
  #heardAt = 0;
  #patience = ANSWER_MS;
  /** Nothing was heard since the server was asked. */
  #isSilent = false;
  /** Something was said that is not answered yet. */
  #isExpecting = false;
  #retryMs = null;
  #closed = false;

  constructor(url, WebSocket, handlers) {
    this.#url = url;
    this.#WebSocket = WebSocket;
    this.#handlers = handlers;
    // Who made this may add listeners first. Told to connect before that, it has.
    queueMicrotask(() => { if (this.connection === 0) this.#connect(); });
  }

  /** For how long the server may be silent before it is asked whether it is there. */
  set patience(ms) {
    this.#patience = ms;
    if (this.isOpen && !this.#isSilent) this.#watch();
  }

  get isOpen() {
    return this.#openedAt !== null;
  }

  /** Hands a text to the socket. Only while `isOpen`. */
  send(text) {
    this.#socket.send(text);
  }

  /** When to come back, told by the server before it goes. */
  retryIn(ms) {
    this.#retryMs = ms;
  }

  /** Something was said that is answered: if it is not soon, it is seen whether the server is there. */
  expectAnswer() {
    if (this.#isSilent || this.#isExpecting) return;
    this.#isExpecting = true;
    this.#watch(PROBE_MS);
  }

  retryNow() {
    if (!this.#socket) this.#connect();
    else if (this.isOpen) this.#probe();
  }

  close() {
    this.#closed = true;
    this.stop();
  }

  /** Ends the connection, and tries no other until it is told to. */
  stop() {
    this.connection += 1;
    clearTimeout(this.#timer);
    this.#openedAt = null;
    this.#retryMs = null;
    this.#release()?.close(1000);
  }

  /** There is one socket at a time, and what another one has to say is not heard. */
  #connect() {
    if (this.#closed || this.#socket) return;
    this.connection += 1;
    const socket = new this.#WebSocket(this.#url, SUBPROTOCOL);
    const heard = (handle) => (event) => { if (this.#socket === socket) handle(event); };
    socket.onopen = heard(() => this.#opened());
    socket.onmessage = heard(({ data }) => this.#received(data));
    socket.onclose = heard(({ code, reason }) => this.#ended(code, reason));
    socket.onerror = () => {};
    this.#socket = socket;
    this.#setTimer(() => this.abandon(), ANSWER_MS);
    this.#handlers.onConnecting();
  }

  #opened() {
    this.#openedAt = Date.now();
    this.#heardAt = this.#openedAt;
    this.#isSilent = false;
    this.#isExpecting = false;
    this.#patience = ANSWER_MS;
    this.#watch();
  }

  #received(text) {
    this.#heardAt = Date.now();
    this.#isSilent = false;
    this.#isExpecting = false;
    this.#handlers.onMessage(parsed(text));
  }

  /** One timer, however much arrives: it looks at how long the server has been silent. */
  #watch(ms = this.#patienceLeft) {
    this.#setTimer(() => {
      if (this.#patienceLeft > 0) this.#watch();
      else this.#probe();
    }, ms);
  }

  get #patienceLeft() {
    return this.#heardAt + (this.#isExpecting ? PROBE_MS : this.#patience) - Date.now();
  }

  /** Scripts cannot see a WebSocket's pings. A long message on a slow line delays the answer while it goes out. */
  #probe() {
    const unsent = this.#socket.bufferedAmount;
    this.#isSilent = true;
    this.send('{"type":"ping"}');
    this.#setTimer(() => {
      if (!this.#isSilent) this.#watch();
      else if (this.#socket.bufferedAmount < unsent) this.#probe();
      else this.abandon();
    }, PROBE_MS);
  }

  /** A peer gone without a word will not answer a close frame either: do not wait for it. */
  abandon(code = ABNORMAL, reason = '') {
    this.#release()?.close();
    this.#ended(code, reason);
  }

  #release() {
    const socket = this.#socket;
    this.#socket = null;
    return socket;
  }

  #ended(code, reason) {
    const opened = this.isOpen;
    const heard = this.#heardAt;
    this.connection += 1;
    // A server that accepts and closes at once must not be asked twice a second for ever.
    if (opened && Date.now() - this.#openedAt > STABLE_MS) this.#failures = 0;
    this.#socket = null;
    this.#openedAt = null;
    const delay = this.#nextDelay(code);
    this.#setTimer(() => this.#connect(), delay);
    const heardAt = opened ? heard : undefined;
    this.#handlers.onLost({ phase: 'waiting', code, reason, opened, heardAt, retryAt: Date.now() + delay });
  }

  /** Half of the delay is fixed and half is random, so that a room does not come back in one stampede. */
  #nextDelay(code) {
    const told = this.#retryMs;
    this.#retryMs = null;
    if (told !== null) return told;
    const first = code === TRY_AGAIN_LATER ? BUSY_RETRY_MS : FIRST_RETRY_MS;
    const ceiling = Math.min(LONGEST_RETRY_MS, first * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    return ceiling * (0.5 + Math.random() / 2);
  }

  #setTimer(action, ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, ms);
  }
}
