// The client, assets/client/parlor.js, on Node's own WebSocket at a server that wants a token.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import WS from 'ws';

import { Parlor } from '../../assets/client/parlor.js';
import { startGuarded, tokenOf } from '../parlor.mjs';
import { Queue } from './support.js';

const TYPES = ['state', 'welcome', 'joined', 'message', 'left', 'bye', 'error'];

async function guarded(t, ...args) {
  const server = await startGuarded({ args });
  t.after(() => server.stop());
  return server;
}

/** A client, with what happened to it, to be waited for. */
function connect(t, server, credentials, { query = '', ...options } = {}) {
  const parlor = new Parlor({ url: `ws://127.0.0.1:${server.port}/ws${query}`, credentials, ...options });
  const events = new Queue();
  for (const type of TYPES) {
    parlor.addEventListener(type, ({ detail }) => events.put({ type, detail, code: detail.code, phase: detail.phase }));
  }
  t.after(() => parlor.close());
  const hear = async (type, matches = () => true) =>
    (await events.take((event) => event.type === type && matches(event))).detail;
  return { parlor, hear, refused: () => hear('state', ({ phase }) => phase === 'refused') };
}

/** A client that is let in. */
async function letIn(t, server, ...rest) {
  const client = connect(t, server, ...rest);
  await client.hear('state', ({ phase }) => phase === 'open');
  return client;
}

test('a token says who one is and what one may do', async (t) => {
  const server = await guarded(t);
  const token = tokenOf('Ana', { subscribe: ['tea-*'], publish: ['tea-1'], seconds: 60 });
  const { parlor, hear } = connect(t, server, { token });
  const { you, rights } = await hear('welcome');
  assert.equal(you.name, 'Ana');
  assert.deepEqual([rights.subscribe, rights.publish, rights.admin], [['tea-*'], ['tea-1'], false]);
  assert(rights.expires > Date.now());
  assert.deepEqual(parlor.rights, rights);
  assert.equal((await parlor.join('tea-2')).room, 'tea-2');
  await assert.rejects(parlor.join('secret'), { code: 'not_allowed' });
  await assert.rejects(parlor.publish('tea-2', 'hello'), { code: 'not_allowed' });
  await assert.rejects(parlor.login({ name: 'Ben' }), { code: 'not_allowed' });
  assert.equal((await parlor.publish('tea-1', 'hello')).offset, 1);
});

for (const [code, credentials] of [
  ['token_needed', {}],
  ['token_needed', { name: 'ana', resume: 'of another time' }],
  ['bad_token', { token: 'rubbish' }],
  ['bad_token', { token: tokenOf('ana', { secret: 'another secret that is long enough as well' }) }],
  ['token_expired', { token: tokenOf('ana', { seconds: -1 }) }],
]) {
  test(`who is refused with ${code} (${Object.keys(credentials)}) waits until there is a token`, async (t) => {
    const server = await guarded(t);
    const { parlor, hear, refused } = connect(t, server, credentials);
    const joining = parlor.join('tea');
    const saying = parlor.publish('tea', 'kept until then');
    const state = await refused();
    assert.deepEqual([state.code, (await hear('error')).code], [code, code]);
    assert.notEqual(state.reason, '');
    globalThis.dispatchEvent?.(new Event('online'));
    assert.equal(parlor.state.phase, 'refused');
    await assert.rejects(parlor.login({ token: 'no better' }), { code: 'bad_token' });
    assert.equal((await refused()).code, 'bad_token');
    const welcome = await parlor.login({ token: tokenOf('ana') });
    assert.equal(welcome.you.name, 'ana');
    assert.equal((await joining).room, 'tea');
    assert.equal((await saying).offset, 1);
    assert.equal(parlor.state.phase, 'open');
  });
}

test('with too many bad tokens from its address, a client waits, because its own may be good', async (t) => {
  const server = await guarded(t, '--max-failed-tokens', '2', '--trusted-proxy', '127.0.0.0/8');
  // Behind a proxy: this machine's own address may guess.
  const elsewhere = {
    WebSocket: class extends WS {
      constructor(url, protocol) { super(url, protocol, { headers: { 'x-forwarded-for': '192.0.2.1' } }); }
    },
  };
  for (let n = 0; n < 2; n += 1) await connect(t, server, { token: 'rubbish' }, elsewhere).refused();
  const { parlor, hear } = connect(t, server, { token: tokenOf('ana') }, elsewhere);
  const waits = () => hear('state', ({ phase }) => phase === 'waiting');
  const { code, reason, retryAt } = await waits();
  assert.equal(code, 'rate_limited');
  assert.match(reason, /too many bad tokens/);
  assert(retryAt - Date.now() > 10_000);
  assert.equal((await hear('error')).code, 'rate_limited');
  parlor.reconnect();
  assert.equal((await waits()).code, 'rate_limited');
});

test('to reconnect is to try the same again', async (t) => {
  const server = await guarded(t);
  let token;
  const { parlor, refused, hear } = connect(t, server, async () => ({ token }));
  await refused();
  parlor.reconnect();
  assert.equal((await refused()).code, 'token_needed');
  token = tokenOf('ana');
  parlor.reconnect();
  assert.equal((await hear('welcome')).you.name, 'ana');
});

test('a token may be given before there is a connection, or be in the address', async (t) => {
  const server = await guarded(t);
  const { parlor } = connect(t, server, {});
  assert.equal((await parlor.login({ token: tokenOf('ana') })).you.name, 'ana');
  const other = await letIn(t, server, { name: 'whoever', resume: 'whatever' }, { query: `?token=${tokenOf('ben')}` });
  assert.equal(other.parlor.you.name, 'ben');
});

test('a new token is asked for before the old one ends, and one goes on', async (t) => {
  const server = await guarded(t);
  const given = [];
  const { parlor, hear } = connect(t, server, async () => {
    // The second is the first again, as if the new one came late; the last is good for long.
    const seconds = [3, null, 2.5, 3600][given.length];
    given.push(seconds ? tokenOf('ana', { seconds }) : given.at(-1));
    return { token: given.at(-1) };
  });
  const ends = [];
  while (ends.length < 3) ends.push((await hear('welcome')).rights.expires);
  assert(ends[0] < ends[1] && ends[1] < ends[2], ends.join());
  assert.equal(given.length, 4);
  const { offset } = await parlor.publish('tea', 'still here');
  assert.equal(offset, 1);
  await assert.rejects(Promise.race([hear('bye'), parlor.direct('nobody', 1)]), { code: 'no_such_user' });
});

test('a token that is good for longer than a timer can run is not asked for again at once', async (t) => {
  const server = await guarded(t);
  let asked = 0;
  const token = tokenOf('ana', { seconds: 60 * 86_400 });
  const { parlor } = await letIn(t, server, async () => {
    asked += 1;
    return { token };
  });
  // A timer that was set for too long would be over at once.
  for (let n = 1; n <= 50; n += 1) assert.equal((await parlor.publish('tea', n)).offset, n);
  assert.equal(asked, 1);
});

test('a new token that allows less puts one out of the rooms it does not allow', async (t) => {
  const server = await guarded(t);
  const { parlor, hear } = await letIn(t, server, { token: tokenOf('ana') });
  await parlor.join('secret');
  await parlor.join('tea');
  await parlor.login({ token: tokenOf('ana', { subscribe: ['tea'] }) });
  const { room, reason } = await hear('left');
  assert.deepEqual([room, reason], ['secret', 'not allowed by your token']);
  await assert.rejects(parlor.login({ token: tokenOf('ben') }), { code: 'bad_token' });
});

test('with its token ended, a client comes back by a new one and has missed nothing', async (t) => {
  const server = await guarded(t);
  const other = await letIn(t, server, { token: tokenOf('ben') });
  const { parlor, hear, refused } = await letIn(t, server, { token: tokenOf('ana', { seconds: 1 }) });
  await parlor.join('tea');
  assert.equal((await hear('bye')).reason, 'token expired');
  assert.equal((await refused()).code, 'token_expired');
  await other.parlor.publish('tea', 'missed');
  // It may read in the room no more, and later it may again.
  await parlor.login({ token: tokenOf('ana', { subscribe: [] }) });
  assert.equal((await hear('left')).room, 'tea');
  const { messages } = await parlor.login({ token: tokenOf('ana') }).then(() => parlor.join('tea', { last: 1 }));
  assert.deepEqual(messages.map(({ data }) => data), ['missed']);
});

test('an admin empties a room, and closes a person, who decides whether to come back', async (t) => {
  const server = await guarded(t);
  const root = await letIn(t, server, { token: tokenOf('root', { admin: true }) });
  const ana = await letIn(t, server, { token: tokenOf('ana') });
  await assert.rejects(ana.parlor.emptyRoom('tea'), { code: 'not_allowed' });
  await assert.rejects(ana.parlor.closePerson('root'), { code: 'not_allowed' });
  const before = await ana.parlor.join('tea');
  await ana.parlor.publish('tea', 'to be forgotten');
  await root.parlor.emptyRoom('tea');
  assert.equal((await ana.hear('left')).reason, 'room emptied by an admin');
  const { epoch } = await root.parlor.join('tea', { last: 10 });
  assert.notEqual(epoch, before.epoch);

  await Promise.all([ana.parlor.join('tea-2'), root.parlor.join('tea-2')]);
  await root.parlor.closePerson('Ana');
  assert.deepEqual(await ana.refused(), { phase: 'refused', code: 'removed', reason: 'closed by an admin' });
  await root.parlor.publish('tea-2', 'missed');
  await assert.rejects(root.parlor.closePerson('ana'), { code: 'no_such_user' });
  ana.parlor.reconnect();
  const back = await ana.hear('joined', ({ detail }) => detail.rejoined);
  assert.deepEqual([back.room, back.recovered, back.messages.map(({ data }) => data)], ['tea-2', true, ['missed']]);
});

test('a credentials function that fails is asked again', async (t) => {
  const server = await guarded(t);
  let asked = 0;
  const { parlor, hear } = connect(t, server, async () => {
    asked += 1;
    if (asked === 1) throw new Error('the issuer is away');
    return { token: tokenOf('ana') };
  });
  assert.equal((await hear('error')).message, 'the issuer is away');
  await hear('welcome');
  assert.equal(parlor.you.name, 'ana');
});
