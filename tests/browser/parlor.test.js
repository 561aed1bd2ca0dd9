// The client, assets/client/parlor.js, against a WebSocket that does what the test says, on a clock that it moves.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { again, inTea, joined, LIMITS, message, PING_MS, start } from './script.js';

test('a connection begins with the subprotocol, and tells who one is', async (t) => {
  const { parlor, server, events } = await start(t);
  assert.deepEqual([server.socket.url, server.socket.protocol], ['ws://test/ws', 'parlor.v1.json']);
  await server.accept('guest-1');
  assert.deepEqual(parlor.you, { id: 'id-guest-1', name: 'guest-1' });
  assert.deepEqual(events('state').map(({ phase }) => phase), ['connecting', 'open']);
  assert.equal(events('welcome').length, 1);
  assert.deepEqual(server.socket.sent, []);
});

test('joining gives the newest messages, as events too, then the live ones', async (t) => {
  const { parlor, server, events, texts } = await start(t);
  const joining = parlor.join('tea', { last: 2 });
  await server.accept();
  assert.deepEqual(server.got('join').map(({ room, last, since }) => [room, last, since]), [['tea', 2, undefined]]);
  await server.answer('join', joined(2, [message(1), message(2)]));
  assert.equal((await joining).offset, 2);
  await server.say(message(3));
  assert.deepEqual(texts(), ['m1', 'm2', 'm3']);
  assert.equal(events('joined')[0].rejoined, false);
});

test('a reconnect logs in with resume, joins with since, and emits what was missed without hole or repeat', async (t) => {
  const all = await inTea(t);
  await again(all);
  const { server, events, texts } = all;
  assert.equal(server.got('login')[0].resume, 'secret-guest-1');
  assert.deepEqual(server.got('join')[0].since, { epoch: 'e1', offset: 2 });
  await server.answer('join', joined(5, [message(3), message(4), message(5)], { recovered: true }));
  await server.say(message(5));
  await server.say(message(6));
  assert.deepEqual(texts(), ['m1', 'm2', 'm3', 'm4', 'm5', 'm6']);
  const told = events('joined').map(({ recovered, rejoined }) => [recovered, rejoined]);
  assert.deepEqual(told, [[false, false], [true, true]]);
});

test('what cannot be recovered is told, and nothing known comes twice', async (t) => {
  const all = await inTea(t);
  await again(all);
  await all.server.answer('join', joined(9, [message(2), message(8), message(9)]));
  assert.deepEqual(all.texts(), ['m1', 'm2', 'm8', 'm9']);
  assert.equal(all.events('joined')[1].recovered, false);

  await again(all);
  await all.server.answer('join', joined(2, [message(1, 'new 1'), message(2, 'new 2')], { epoch: 'e2' }));
  assert.deepEqual(all.texts().slice(4), ['new 1', 'new 2']);
  await again(all);
  assert.deepEqual(all.server.got('join')[0].since, { epoch: 'e2', offset: 2 });
});

test('an empty room has a position as well', async (t) => {
  const all = await start(t);
  await all.server.accept();
  all.parlor.join('tea');
  await all.server.answer('join', joined(7));
  await again(all);
  assert.deepEqual(all.server.got('join')[0].since, { epoch: 'e1', offset: 7 });
});

test('a position kept from before goes on from there', async (t) => {
  const { parlor, server, texts } = await start(t);
  await server.accept();
  parlor.join('tea', { since: { epoch: 'e1', offset: 4 } });
  assert.deepEqual(server.got('join')[0].since, { epoch: 'e1', offset: 4 });
  await server.answer('join', joined(6, [message(5), message(6)], { recovered: true }));
  assert.deepEqual(texts(), ['m5', 'm6']);
});

test('what counts of a gap comes with the joined that follows it, and a reconnect asks for no more', async (t) => {
  const all = await inTea(t);
  await all.server.say({ type: 'gap', room: 'tea', from: 3, to: 6 });
  assert.deepEqual(all.events('gap').map(({ from, to }) => [from, to]), [[3, 6]]);
  await all.server.say(joined(6, [message(5)]));
  assert.deepEqual(all.texts(), ['m1', 'm2', 'm5']);
  await again(all);
  assert.deepEqual(all.server.got('join')[0].since, { epoch: 'e1', offset: 6 });
});

test('a room that was left is not entered again, and says nothing any more', async (t) => {
  const all = await inTea(t);
  const leaving = all.parlor.leave('tea');
  await all.server.say(message(3));
  await all.server.answer('leave', { type: 'ok' });
  await leaving;
  assert.deepEqual(all.texts(), ['m1', 'm2']);
  await again(all);
  assert.deepEqual(all.server.got('join'), []);
});

test('a join that is refused rejects and is not tried again', async (t) => {
  const all = await start(t);
  await all.server.accept();
  const joining = assert.rejects(all.parlor.join('a b'), { code: 'bad_room' });
  await all.server.refuse('join', 'bad_room');
  await joining;
  await again(all);
  assert.deepEqual(all.server.got('join'), []);
});

test('a join waits through a lost connection', async (t) => {
  const all = await start(t);
  await all.server.accept();
  const joining = all.parlor.join('tea', { last: 1 });
  await again(all);
  await all.server.answer('join', joined(1, [message(1)]));
  assert.equal((await joining).offset, 1);
});

test('unacknowledged publishes are sent again, in order, under the same dedup ids, after the rooms', async (t) => {
  const all = await inTea(t);
  const one = all.parlor.publish('tea', 'one');
  const two = all.parlor.publish('tea', 'two', { key: 'k', retain: true });
  const [first, second] = all.server.got('publish');
  assert.notEqual(first.dedup, second.dedup);
  await all.server.say({ type: 'ok', id: first.id, offset: 3 });
  assert.equal((await one).offset, 3);
  await all.server.end();
  const three = all.parlor.publish('tea', 'three');
  await all.comeBack();
  assert.deepEqual(all.server.got('publish'), []);
  await all.server.welcome('guest-1', all.server.got('login')[0].id);
  assert.deepEqual(all.server.socket.sent.map(({ type, data }) => data ?? type), ['login', 'join', 'two', 'three']);
  assert.deepEqual(all.server.got('publish')[0], second);
  await all.server.say({ type: 'ok', id: second.id, offset: 4 });
  await all.server.answer('publish', { type: 'ok', offset: 5 });
  assert.deepEqual((await Promise.all([two, three])).map(({ offset }) => offset), [4, 5]);
  await again(all);
  assert.deepEqual(all.server.got('publish'), []);
});

test('a publish that the server may have forgotten is not sent again, one never sent is', async (t) => {
  const all = await inTea(t);
  const sent = assert.rejects(all.parlor.publish('tea', 'sent'), { code: 'unconfirmed' });
  await all.server.end();
  all.parlor.publish('tea', 'kept');
  all.server.WebSocket.prototype.send = () => {};
  await all.tick(120_000);
  delete all.server.WebSocket.prototype.send;
  await all.server.end();
  all.server.WebSocket.prototype.send = function send(text) { this.sent.push(JSON.parse(text)); };
  await all.comeBack();
  await all.server.welcome('guest-1', all.server.got('login')[0].id);
  await sent;
  assert.deepEqual(all.server.got('publish').map(({ data }) => data), ['kept']);
});

test('a publish is repeated to a server that started anew, not to one that forgot who one was', async (t) => {
  const all = await start(t);
  all.server.open();
  await all.server.welcome('guest-1', undefined, { node: 'n1' });
  const comeBack = async (node) => {
    await all.server.end();
    await all.tick(all.parlor.state.retryAt - Date.now());
    all.server.open();
    await all.server.welcome('guest-2', undefined, { node });
    await all.server.refuse('login', 'bad_resume');
    return all.server.got('publish').map(({ data }) => data);
  };
  const sent = assert.rejects(all.parlor.publish('tea', 'sent'), { code: 'unconfirmed' });
  await all.server.end();
  all.parlor.publish('tea', 'never sent');
  const question = all.parlor.members('tea');
  assert.deepEqual(await comeBack('n1'), ['never sent']);
  await sent;
  await all.server.answer('members', { type: 'members', room: 'tea', members: [], count: 0 });
  await question;
  assert.deepEqual(await comeBack('n2'), ['never sent']);
});

test('a publish is not repeated to a server that keeps messages on its disk, and has forgotten who one was', async (t) => {
  const all = await start(t);
  all.server.open();
  const fields = (node) => ({ node, durability: 'disk' });
  await all.server.welcome('guest-1', undefined, fields('n1'));
  const sent = assert.rejects(all.parlor.publish('tea', 'sent'), { code: 'unconfirmed' });
  await all.server.end();
  await all.tick(all.parlor.state.retryAt - Date.now());
  all.server.open();
  await all.server.welcome('guest-2', undefined, fields('n2'));
  await all.server.refuse('login', 'bad_resume');
  await sent;
  assert.deepEqual(all.server.got('publish'), []);
});

test('a publish that cannot be kept for now is sent again under the same id', async (t) => {
  const all = await inTea(t);
  const published = all.parlor.publish('tea', 'patient');
  const [first] = all.server.got('publish');
  await all.server.say({ type: 'error', id: first.id, code: 'unavailable', message: 'not now', retry_ms: 250 });
  await all.tick(249);
  assert.equal(all.server.got('publish').length, 1);
  await all.tick(1);
  const [, second] = all.server.got('publish');
  assert.deepEqual(second, first);
  await all.server.say({ type: 'ok', id: second.id, offset: 7 });
  assert.equal((await published).offset, 7);
});

test('a direct message in flight is not repeated, one that waits is sent', async (t) => {
  const all = await inTea(t);
  const inFlight = assert.rejects(all.parlor.direct('ben', 'psst'), { code: 'unconfirmed' });
  await all.server.end();
  await inFlight;
  all.parlor.direct('ben', 'later');
  await all.comeBack();
  await all.server.welcome('guest-1', all.server.got('login')[0].id);
  assert.deepEqual(all.server.got('direct').map(({ data }) => data), ['later']);
});

test('questions are asked again, ephemeral messages are not', async (t) => {
  const all = await inTea(t);
  const history = all.parlor.history('tea', { before: 1, limit: 3 });
  const type = () => all.parlor.publish('tea', { typing: true }, { ephemeral: true });
  const typing = assert.rejects(type(), { code: 'connection_lost' });
  await again(all);
  await typing;
  assert.deepEqual(all.server.got('publish'), []);
  const { before, limit } = all.server.got('history')[0];
  assert.deepEqual([before, limit], [1, 3]);
  await all.server.answer('history', { type: 'history', room: 'tea', epoch: 'e1', messages: [message(0)], more: false });
  assert.equal((await history).messages[0].data, 'm0');
  await all.server.end();
  await assert.rejects(type(), { code: 'connection_lost' });
});

test('a rate limit is waited out, in order', async (t) => {
  const all = await inTea(t);
  const first = all.parlor.publish('tea', 'first');
  await all.server.refuse('publish', 'rate_limited', { retry_ms: 700 });
  const second = all.parlor.publish('tea', 'second');
  assert.equal(all.server.got('publish').length, 1);
  await all.tick(699);
  assert.equal(all.server.got('publish').length, 1);
  await all.tick(1);
  const [, one, two] = all.server.got('publish');
  assert.deepEqual([one.data, two.data], ['first', 'second']);
  await all.server.say({ type: 'ok', id: one.id, offset: 3 });
  await all.server.say({ type: 'ok', id: two.id, offset: 4 });
  assert.deepEqual([(await first).offset, (await second).offset], [3, 4]);
});

test('no more is sent than the server takes, so that many messages at once arrive, and in order', async (t) => {
  const all = await start(t);
  all.server.open();
  await all.server.welcome('ana', undefined, { limits: { ...LIMITS, rate: 10, burst: 20 } });
  const wanted = Array.from({ length: 30 }, (_, n) => n);
  for (const n of wanted) all.parlor.publish('tea', n);
  const sent = () => all.server.got('publish').map(({ data }) => data);
  assert.equal(sent().length, 18);
  for (let n = 0; n < 5; n += 1) await all.tick(100);
  assert.equal(sent().length, 23);
  // A refusal means that nothing is left, not that all that waits may go when it is over.
  await all.server.say({ type: 'error', id: all.server.got('publish')[22].id, code: 'rate_limited', retry_ms: 100 });
  await all.tick(100);
  assert.deepEqual(sent().slice(22), [22, 22]);
  for (let n = 0; n < 10; n += 1) await all.tick(100);
  assert.deepEqual(sent().slice(23), wanted.slice(22));
});

test('a message over the limit is refused before it is sent, or not sent twice', async (t) => {
  const all = await inTea(t);
  await assert.rejects(all.parlor.publish('tea', '茶'.repeat(400)), { code: 'too_big' });
  assert.deepEqual(all.server.got('publish'), []);
  const sent = assert.rejects(all.parlor.publish('tea', 'long for a server with other limits'), { code: 'too_big' });
  await all.server.end(1009, 'message too big');
  await sent;
});

test('an error of the server rejects with its code; one nobody waits for is an event', async (t) => {
  const { parlor, server, events } = await inTea(t);
  const direct = assert.rejects(parlor.direct('nobody', 'psst'), { name: 'ParlorError', code: 'no_such_user' });
  await server.refuse('direct', 'no_such_user');
  await direct;
  await server.say({ type: 'error', code: 'bad_json', message: 'no JSON' });
  assert.deepEqual(events('error').map(({ code }) => code), ['bad_json']);
});

test('a name is asked for, taken back after a restart, and a guest goes on if it is taken', async (t) => {
  const all = await start(t, { credentials: { name: 'ana' } });
  await all.server.accept();
  assert.deepEqual(all.server.got('login').map(({ name, resume }) => [name, resume]), [['ana', undefined]]);
  await all.server.welcome('ana', all.server.got('login')[0].id);
  assert.equal(all.parlor.you.name, 'ana');

  await all.server.end();
  await all.comeBack('guest-2');
  assert.equal(all.server.got('login')[0].resume, 'secret-ana');
  await all.server.refuse('login', 'bad_resume');
  assert.equal(all.server.got('login')[1].name, 'ana');
  await all.server.refuse('login', 'name_taken');
  assert.equal(all.parlor.you.name, 'guest-2');
  assert.equal(all.parlor.state.phase, 'open');
  assert.deepEqual(all.events('error').map(({ code }) => code), ['name_taken']);
});

test('a name that cannot be had is told, and the guest goes on', async (t) => {
  const all = await start(t, { credentials: { name: 'guest-9' } });
  await all.server.accept();
  await all.server.refuse('login', 'bad_name');
  assert.equal(all.parlor.state.phase, 'open');
  assert.deepEqual(all.events('error').map(({ code }) => code), ['bad_name']);
});

test('who cannot log in at all tries again later', async (t) => {
  const all = await start(t, { credentials: async () => { throw new Error('no token to be had'); } });
  await all.server.accept();
  assert.equal(all.parlor.state.phase, 'waiting');
  assert.equal(all.events('error').length, 1);
  await all.comeBack();
  assert.equal(all.events('error').length, 2);
});

test('a tab that finds its name taken by another tab of the same person becomes that person', async (t) => {
  const stored = { name: 'ana', resume: 'old' };
  const all = await start(t, { credentials: () => ({ ...stored }) });
  await all.server.accept();
  await all.server.refuse('login', 'bad_resume');
  stored.resume = 'new';
  await all.server.refuse('login', 'name_taken');
  assert.equal(all.server.got('login').at(-1).resume, 'new');
  await all.server.welcome('ana', all.server.got('login').at(-1).id);
  assert.equal(all.parlor.you.name, 'ana');
});

test('a new name stays after a reconnect', async (t) => {
  const all = await inTea(t);
  const login = all.parlor.login({ name: 'bea' });
  await all.server.welcome('bea', all.server.got('login')[0].id);
  assert.equal((await login).you.name, 'bea');
  await all.server.end();
  await all.comeBack();
  await all.server.refuse('login', 'bad_resume');
  assert.equal(all.server.got('login')[1].name, 'bea');
});

test('pauses double up to half a minute, half of each by chance', async (t) => {
  const { parlor, server, tick } = await start(t);
  for (const [random, share] of [[0, 0.5], [0.999, 0.9995]]) {
    t.mock.method(Math, 'random', () => random);
    for (const full of [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      await server.end();
      const pause = parlor.state.retryAt - Date.now();
      assert.equal(pause, full * share);
      await tick(Math.ceil(pause));
    }
    await server.accept();
    await tick(5001);
  }
});

test('a server that accepts and closes at once is left alone for longer each time', async (t) => {
  const { parlor, server, tick } = await start(t);
  t.mock.method(Math, 'random', () => 0);
  for (const pause of [250, 500, 1000]) {
    await server.accept();
    await server.end(1011);
    assert.equal(parlor.state.retryAt - Date.now(), pause);
    await tick(pause);
  }
});

test('a busy server is left alone for longer, and `online` or asking ends the wait', async (t) => {
  const { parlor, server } = await start(t);
  await server.end(1013);
  assert(parlor.state.retryAt - Date.now() >= 2500);
  parlor.reconnect();
  parlor.reconnect();
  assert.equal(server.sockets.length, 2);
});

test('asked to reconnect while connected, it sees whether the server is there', async (t) => {
  const { parlor, server, tick } = await start(t);
  await server.accept();
  parlor.reconnect();
  assert.equal(server.got('ping').length, 1);
  await server.say({ type: 'pong' });
  await tick(10_000);
  assert.equal(parlor.state.phase, 'open');
  parlor.reconnect();
  await tick(10_000);
  assert.equal(parlor.state.phase, 'waiting');
});

test('bye says when to come back', async (t) => {
  const { parlor, server, events, tick } = await start(t);
  await server.accept();
  await server.say({ type: 'bye', code: 1001, reason: 'server is shutting down', retry_ms: 4321 });
  await server.end(1001);
  assert.equal(events('bye').length, 1);
  assert.equal(parlor.state.retryAt - Date.now(), 4321);
  await tick(4320);
  assert.equal(server.sockets.length, 1);
  await tick(1);
  assert.equal(server.sockets.length, 2);
});

test('a silent server is asked, and given up when it does not answer', async (t) => {
  const { parlor, server, tick } = await start(t);
  await server.accept();
  await tick(14_999);
  assert.deepEqual(server.got('ping'), []);
  await tick(1);
  assert.equal(server.got('ping').length, 1);
  await server.say({ type: 'pong' });
  await tick(5_000);
  assert.equal(parlor.state.phase, 'open');
  await tick(10_000);
  assert.equal(server.got('ping').length, 2);
  const { socket } = server;
  await tick(4_999);
  assert.equal(parlor.state.phase, 'open');
  await tick(1);
  assert.equal(parlor.state.phase, 'waiting');
  assert.equal(parlor.state.heardAt, Date.now() - 20_000);
  assert.equal(socket.closed, true);
});

test('a server that does not answer is asked soon, and one that pings more often is asked when its ping is late', async (t) => {
  const { parlor, server, tick } = await start(t);
  server.open();
  await server.welcome('guest-1', undefined, { ping_ms: 2_000 });
  await tick(7_000);
  assert.equal(server.got('ping').length, 1);
  await server.say({ type: 'pong' });
  await tick(3_000);
  parlor.publish('tea', 'x').catch(() => {});
  await tick(4_999);
  assert.equal(server.got('ping').length, 1);
  await tick(1);
  assert.equal(server.got('ping').length, 2);
  await tick(5_000);
  assert.equal(parlor.state.phase, 'waiting');
});

test('told that the machine is offline, it sees whether the server is there', async (t) => {
  const [listeners, { addEventListener }] = [{}, globalThis];
  globalThis.addEventListener = (type, listener) => { listeners[type] = listener; };
  t.after(() => { globalThis.addEventListener = addEventListener; });
  const { parlor, server, tick } = await start(t);
  await server.accept();
  listeners.offline();
  assert.equal(server.got('ping').length, 1);
  // One on the same machine is.
  await server.say({ type: 'pong' });
  await tick(5_000);
  assert.equal(parlor.state.phase, 'open');
  listeners.offline();
  await tick(5_000);
  assert.equal(parlor.state.phase, 'waiting');
  listeners.online();
  assert.equal(server.sockets.length, 2);
});

test('a server that talks is not asked, and its ping is answered', async (t) => {
  const { server, tick } = await inTea(t);
  for (let offset = 3; offset < 10; offset += 1) {
    await tick(14_000);
    await server.say(message(offset));
  }
  assert.deepEqual(server.got('ping'), []);
  await server.say({ type: 'ping' });
  assert.equal(server.got('pong').length, 1);
});

test('a socket that never opens, and one that never welcomes, are given up', async (t) => {
  const { parlor, server, tick } = await start(t);
  await tick(10_000);
  assert.equal(parlor.state.phase, 'waiting');
  await tick(1000);
  server.open();
  await tick(10_000);
  await tick(10_000);
  assert.equal(parlor.state.phase, 'waiting');
});

test('binary goes out and comes in as bytes', async (t) => {
  const { parlor, server, events } = await inTea(t);
  parlor.publish('tea', new Uint8Array([0, 255, 10]));
  assert.equal(server.got('publish')[0].binary, 'AP8K');
  await server.say({ ...message(3, undefined), binary: 'AP8K' });
  assert.deepEqual([...events('message').at(-1).binary], [0, 255, 10]);
});

test('closing while it logs in ends it as well', async (t) => {
  const { parlor, server, events, tick } = await start(t, { credentials: { name: 'ana' } });
  await server.accept();
  parlor.close();
  await tick(60_000);
  assert.equal(server.sockets.length, 1);
  assert.deepEqual([parlor.state.phase, events('error').length], ['closed', 0]);
});

test('closing ends it for good', async (t) => {
  const { parlor, server, tick } = await inTea(t);
  const publish = assert.rejects(parlor.publish('tea', 'too late'), { code: 'closed' });
  parlor.close();
  await publish;
  assert.equal(server.socket.closed, true);
  await tick(60_000);
  assert.equal(server.sockets.length, 1);
  assert.equal(parlor.state.phase, 'closed');
});

/** Numbers that look random and are the same in each run. */
function generator(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

test('whatever breaks in between, everything said is in the room once, and seen once, in order', async (t) => {
  const all = await start(t);
  const { parlor, server } = all;
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = generator(seed);
    const room = { history: [], dedup: new Map() };
    const name = `room-${seed}`;
    const before = all.texts().length;
    let handled = 0;
    /** Does as the server does with the next command, and tells the answer or loses it. */
    const step = async () => {
      const command = server.socket.sent[handled];
      if (!command) return;
      handled += 1;
      const answer = (reply) => server.say({ id: command.id, ...reply });
      if (command.type === 'login') await server.welcome('guest-1', command.id);
      if (command.type === 'join') {
        const messages = command.since ? room.history.slice(command.since.offset) : [];
        await answer({ ...joined(room.history.length, messages, { recovered: true }), room: name });
      }
      if (command.type === 'leave') await answer({ type: 'ok' });
      if (command.type !== 'publish') return;
      const known = room.dedup.get(command.dedup);
      const said = known ? null : { ...message(room.history.length + 1, command.data), room: name };
      if (said) room.dedup.set(command.dedup, room.history.push(said));
      const deaf = random(3) === 0;
      if (said && !deaf) await server.say(said);
      if (deaf || random(4) === 0) return void await lose();
      await answer({ type: 'ok', offset: known ?? room.history.length });
    };
    const lose = async () => {
      await server.end();
      handled = 0;
      parlor.reconnect();
      await server.accept();
    };
    if (seed === 1) await server.accept();
    handled = server.socket.sent.length;
    parlor.join(name);
    await step();
    const wanted = Array.from({ length: 30 }, (_, i) => `${seed}: ${i}`);
    for (const data of wanted) {
      parlor.publish(name, data);
      for (let n = random(3); n > 0; n -= 1) await step();
      if (random(8) === 0) await lose();
    }
    while (handled < server.socket.sent.length) await step();
    assert.deepEqual(room.history.map(({ data }) => data), wanted);
    assert.deepEqual(all.texts().slice(before), wanted);
    await Promise.all([parlor.leave(name), step()]);
  }
});

test('the numbers of keys are asked for, and what is none is left out', async (t) => {
  const { parlor, server } = await start(t);
  await server.accept();
  const asking = parlor.series('plant', { seconds: 60, count: 5, keys: ['boiler.*'] });
  const { seconds, count, keys } = server.got('history')[0];
  assert.deepEqual([seconds, count, keys], [60, 5, ['boiler.*']]);
  const series = [{ key: 'boiler.temp', points: [[1, 21.5]] }, { key: 'x', points: 'none' }];
  await server.answer('history', { type: 'history', room: 'plant', epoch: 'e', series });
  assert.deepEqual(await asking, series.slice(0, 1));
});
