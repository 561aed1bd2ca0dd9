// The other end of the client, assets/client/parlor.js: a WebSocket that does what the test says, on a clock that it moves.

import { Parlor } from '../../assets/client/parlor.js';

export const LIMITS = { message: 1000 };
export const PING_MS = 25_000;
export const settled = () => new Promise((resolve) => { setImmediate(resolve); });

/** The other end of the client's sockets. */
class Script {
  sockets = [];

  constructor() {
    const { sockets } = this;
    this.WebSocket = class {
      bufferedAmount = 0;
      sent = [];
      closed = false;

      constructor(url, protocol) {
        Object.assign(this, { url, protocol });
        sockets.push(this);
      }

      send(text) { this.sent.push(JSON.parse(text)); }
      close() { this.closed = true; }
    };
  }

  get socket() { return this.sockets.at(-1); }

  open() { this.socket.onopen(); }

  async say(message) {
    this.socket.onmessage({ data: JSON.stringify(message) });
    await settled();
  }

  async welcome(name, id, more) {
    const you = { id: `id-${name}`, name };
    await this.say({ type: 'welcome', id, you, resume: `secret-${name}`, ping_ms: PING_MS, limits: LIMITS, ...more });
  }

  async accept(name = 'guest-1') {
    this.open();
    await this.welcome(name);
  }

  async end(code = 1006, reason = '') {
    this.socket.onclose({ code, reason });
    await settled();
  }

  /** The commands of one type that this connection brought. */
  got(type) { return this.socket.sent.filter((command) => command.type === type); }

  /** Answers the last command of a type. */
  async answer(type, reply) { await this.say({ id: this.got(type).at(-1).id, ...reply }); }

  async refuse(type, code, more) { await this.answer(type, { type: 'error', code, message: code, ...more }); }
}

/** A client at the script; `atOnce(parlor)` is done before anything else can happen. */
export async function start(t, options = {}, atOnce = () => {}) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  const server = new Script();
  const parlor = new Parlor({ url: 'ws://test/ws', WebSocket: server.WebSocket, ...options });
  atOnce(parlor);
  const seen = [];
  for (const type of ['state', 'welcome', 'joined', 'message', 'presence', 'direct', 'gap', 'bye', 'error']) {
    parlor.addEventListener(type, ({ detail }) => seen.push({ ...detail, code: detail.code, event: type }));
  }
  await settled();
  const tick = async (ms) => { t.mock.timers.tick(ms); await settled(); };
  /** Lets the pause before the next try pass, and accepts it. */
  const comeBack = async (name) => { await tick(parlor.state.retryAt - Date.now()); await server.accept(name); };
  const events = (type) => seen.filter(({ event }) => event === type);
  return { parlor, server, events, tick, comeBack, texts: () => events('message').map(({ data }) => data) };
}

export const message = (offset, data = `m${offset}`) =>
  ({ type: 'message', room: 'tea', offset, at: offset, from: { id: 'b', name: 'ben' }, data });
export const joined = (offset, messages = [], more = {}) => ({
  type: 'joined', room: 'tea', epoch: 'e1', offset, recovered: false, messages, retained: [], members: [], count: 1, ...more,
});

/** A client that is in `tea` and has seen its messages up to an offset. */
export async function inTea(t, offset = 2) {
  const all = await start(t);
  await all.server.accept();
  const joining = all.parlor.join('tea', { last: 2 });
  await all.server.answer('join', joined(offset, [message(offset - 1), message(offset)]));
  await joining;
  return all;
}

/** Loses the connection and comes back with the same identity. */
export async function again(all) {
  await all.server.end();
  await all.comeBack('guest-2');
  await all.server.welcome('guest-1', all.server.got('login')[0].id);
}
