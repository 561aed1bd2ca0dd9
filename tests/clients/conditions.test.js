// Writes that parlor.js makes only if the state of a key is what it knows.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import WS from 'ws';

import { serve } from './support.js';

const { Parlor } = await import('../../assets/client/parlor.js');

async function connect(t, server, name) {
  const parlor = new Parlor({ url: server.url, WebSocket: WS });
  t.after(() => parlor.close());
  await parlor.login({ name });
  return parlor;
}

test('of two who change the same state one does, and the other is told what it is now', async (t) => {
  const server = await serve(t);
  const [ana, ben] = [await connect(t, server, 'ana'), await connect(t, server, 'ben')];
  for (const parlor of [ana, ben]) await parlor.join('plant');
  const set = (parlor, data, condition) => parlor.publish('plant', data, { key: 'mode', retain: true, ...condition });
  const { offset } = await set(ana, 'auto', { ifNew: true });
  await assert.rejects(set(ben, 'off', { ifNew: true }), ({ code, current }) => code === 'conflict' && current.data === 'auto');
  await set(ana, 'manual', { ifOffset: offset });
  await assert.rejects(set(ben, 'off', { ifOffset: offset }), ({ code, current }) => {
    assert.deepEqual([code, current.data, current.from.name, current.key], ['conflict', 'manual', 'ana', 'mode']);
    return true;
  });
  await set(ben, null, { ifOffset: offset + 1 });
  await assert.rejects(set(ana, 'auto', { ifOffset: offset + 1 }), { code: 'conflict', current: null });
});

test('bytes are bytes in what is told of a conflict', async (t) => {
  const parlor = await connect(t, await serve(t), 'ana');
  await parlor.publish('plant', new Uint8Array([0, 255]), { key: 'raw', retain: true });
  const refused = parlor.publish('plant', 1, { key: 'raw', retain: true, ifNew: true });
  await assert.rejects(refused, ({ current }) => current.binary.join() === '0,255');
});
