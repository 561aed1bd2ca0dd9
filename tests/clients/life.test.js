// The whole life of a client at the JSON door, on each WebSocket that Node has.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import WS from 'ws';

import { Client, serve, Wire } from './support.js';

const PROTOCOL = 'parlor.v1.json';
const SOCKETS = {
  'npm ws': (url) => new WS(url, PROTOCOL, { perMessageDeflate: false }),
  'npm ws, compressed': (url) => new WS(url, PROTOCOL, { perMessageDeflate: { threshold: 0 } }),
  "Node's own WebSocket, compressed": (url) => new WebSocket(url, PROTOCOL),
};

/** A server, the wire to it, and a way in. */
async function setUp(test, open, ...args) {
  const server = await serve(test, ...args);
  const wire = await Wire.to(server, test);
  const enter = async (name) => {
    const client = await Client.enter(open(`ws://${wire.host}/ws`));
    assert.equal(client.socket.protocol, PROTOCOL);
    if (name) assert.equal((await client.ask('login', { name })).you.name, name);
    return client;
  };
  return { server, wire, enter };
}

const said = (messages) => messages.map(({ offset, data }) => [offset, data]);

for (const [name, open] of Object.entries(SOCKETS)) {
  const isCompressed = name.endsWith('compressed');
  describe(name, { concurrency: 2 }, () => {
    test('comes in, under a name', async (t) => {
      const { enter } = await setUp(t, open);
      const [alice, other] = [await enter(), await enter()];
      assert.match(alice.welcome.you.name, /^guest-/);
      const { you, limits } = await alice.ask('login', { name: 'Alice 茶' });
      assert.deepEqual(you, { id: alice.welcome.you.id, name: 'Alice 茶' });
      assert.equal(limits.message, 65536);
      assert.equal((await other.ask('login', { name: 'ALICE 茶' })).code, 'name_taken');
    });

    test('says and hears all that a message can be', async (t) => {
      // Two readers are too few for compressing to pay, so it is asked for.
      const { wire, enter } = await setUp(t, open, '--deflate-min', '128');
      const [alice, bob] = [await enter('Alice'), await enter('Bob')];
      assert.equal(alice.socket.extensions.startsWith('permessage-deflate'), isCompressed);
      for (const client of [alice, bob]) assert.equal((await client.ask('join', { room: '茶' })).recovered, false);
      const things = ['', 'text "in" 茶 😀\n\u2028', { a: [1, 2.5, { b: null }] }, 42, null, false, 'long '.repeat(12_000)];
      for (const data of things) {
        const { offset } = await alice.ask('publish', { room: '茶', data });
        for (const client of [alice, bob]) {
          const message = await client.hear('message');
          assert.deepEqual([message.data, message.offset, message.from.name], [data, offset, 'Alice']);
        }
      }
      const binary = Buffer.from([0, 255, 128, 10]).toString('base64');
      await alice.ask('publish', { room: '茶', binary });
      assert.equal((await bob.hear('message')).binary, binary);
      assert.equal((await alice.ask('publish', { room: '茶', data: 'typing', ephemeral: true })).offset, undefined);
      await alice.hear('message');
      const [own, typing] = [await alice.hear('message'), await bob.hear('message')];
      assert.deepEqual(own, typing);
      assert(typing.ephemeral && typing.data === 'typing');

      const { messages, more } = await bob.ask('history', { room: '茶', limit: 3, before: 8 });
      assert.deepEqual(said(messages), [[5, null], [6, false], [7, things[6]]]);
      assert(more);
      // The long one went to three.
      assert.equal(wire.received < things[6].length, isCompressed, `${wire.received} bytes came`);
    });

    test('knows who is there', async (t) => {
      const { enter } = await setUp(t, open);
      const alice = await enter('Alice');
      const { members: alone } = await alice.ask('join', { room: 'tea' });
      assert.deepEqual(alone.map((person) => person.name), ['Alice']);
      const bob = await enter('Bob');
      assert.equal((await bob.ask('join', { room: 'tea' })).count, 2);
      assert.deepEqual((await alice.hear('presence')).joined.map((person) => person.name), ['Bob']);
      const { members, count } = await alice.ask('members', { room: 'tea' });
      assert.deepEqual([members.map((person) => person.name).sort(), count], [['Alice', 'Bob'], 2]);
      assert.deepEqual((await bob.ask('rooms')).rooms, [{ name: 'tea', count: 2 }]);

      assert.equal((await alice.ask('direct', { to: 'bob', data: { psst: 1 } })).type, 'ok');
      const { from, to, data } = await bob.hear('direct');
      assert.deepEqual([from.name, to.name, data], ['Alice', 'Bob', { psst: 1 }]);
      assert.deepEqual((await alice.hear('direct')).data, { psst: 1 });
      assert.equal((await alice.ask('direct', { to: 'Carol', data: 1 })).code, 'no_such_user');

      assert.equal((await bob.ask('leave', { room: 'tea' })).type, 'ok');
      assert.deepEqual((await alice.hear('presence')).left.map((person) => person.name), ['Bob']);
      assert.equal((await bob.ask('leave', { room: 'tea' })).code, 'not_joined');
    });

    test('finds the state of each key', async (t) => {
      const { enter } = await setUp(t, open);
      const [sensor, reader] = [await enter(), await enter()];
      const measure = (key, data) => sensor.ask('publish', { room: 'plant', key, data, retain: true });
      for (const [key, data] of [['t1', 20], ['t2', 30], ['t1', 21], ['t2', null]]) await measure(key, data);
      const { retained } = await reader.ask('join', { room: 'plant' });
      assert.deepEqual(retained.map(({ key, data, offset }) => [key, data, offset]), [['t1', 21, 3]]);
    });

    test('says a thing once, however often it sends it', async (t) => {
      const { enter } = await setUp(t, open);
      const [alice, bob] = [await enter(), await enter()];
      await bob.ask('join', { room: 'tea' });
      const say = (dedup) => alice.ask('publish', { room: 'tea', data: dedup, dedup });
      const offsets = [];
      for (const dedup of ['a', 'b', 'a', 'c']) offsets.push((await say(dedup)).offset);
      assert.deepEqual(offsets, [1, 2, 1, 3]);
      assert.deepEqual(said(await bob.hearMessages(3)), [[1, 'a'], [2, 'b'], [3, 'c']]);
    });

    test('comes back after a lost connection, and has missed nothing', async (t) => {
      const { server, wire, enter } = await setUp(t, open);
      const other = await Client.enter(open(`ws://127.0.0.1:${server.port}/ws`));
      const alice = await enter('Alice');
      const { epoch } = await alice.ask('join', { room: 'tea' });
      await other.ask('publish', { room: 'tea', data: 'heard' });
      const { offset } = await alice.hear('message');
      wire.cut();
      assert.equal((await alice.closed).code, 1006);
      for (const data of ['missed', 'this, too']) await other.ask('publish', { room: 'tea', data });

      const again = await enter();
      const { you } = await again.ask('login', { resume: alice.welcome.resume });
      assert.deepEqual(you, { id: alice.welcome.you.id, name: 'Alice' });
      const joined = await again.ask('join', { room: 'tea', since: { epoch, offset } });
      assert.deepEqual([joined.recovered, said(joined.messages)], [true, [[2, 'missed'], [3, 'this, too']]]);
      await other.ask('publish', { room: 'tea', data: 'live' });
      assert.deepEqual(said(await again.hearMessages(1)), [[4, 'live']]);

      const elsewhere = await again.ask('join', { room: 'tea', since: { epoch: '0123456789abcdef', offset }, last: 1 });
      assert.deepEqual([elsewhere.recovered, said(elsewhere.messages)], [false, [[4, 'live']]]);
      assert.equal((await again.ask('login', { resume: 'made up' })).code, 'bad_resume');
    });

    test('is told to slow down, and does', async (t) => {
      const { enter } = await setUp(t, open, '--rate', '2');
      const client = await enter();
      const answers = await Promise.all(Array.from({ length: 7 }, () => client.ask('ping')));
      let refused = answers.find(({ type }) => type === 'error');
      assert.equal(refused.code, 'rate_limited');
      while (refused.type !== 'pong') {
        await sleep(refused.retry_ms);
        refused = await client.ask('ping');
      }
      for (let n = 0; n < 30; n += 1) client.ask('ping');
      const { code, reason } = await client.closed;
      assert.deepEqual([code, reason], [1008, 'too many commands']);
    });

    test('is told when the server ends, and when to come back', async (t) => {
      const { server, enter } = await setUp(t, open);
      const client = await enter();
      server.signal('SIGTERM');
      const bye = await client.hear('bye');
      assert.deepEqual([bye.code, bye.reason, bye.retry_ms >= 0], [1001, 'server is shutting down', true]);
      const { code, reason, wasClean } = await client.closed;
      assert.deepEqual([code, reason, wasClean], [1001, 'server is shutting down', true]);
      assert.deepEqual(await server.exited, [0, null]);
    });
  });
}
