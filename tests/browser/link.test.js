// The client's one socket: asked to connect at any moment, it is never two, and none is heard that was given up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joined, message, settled, start } from './script.js';

test('asked to reconnect at once, as a page is that is shown while it loads, it opens one socket', async (t) => {
  const { parlor, server } = await start(t, {}, (begun) => { begun.reconnect(); begun.reconnect(); });
  assert.equal(server.sockets.length, 1);
  const joining = parlor.join('tea');
  await server.accept();
  await server.answer('join', joined(1, [message(1)]));
  assert.equal((await joining).offset, 1);
});

test('asked to reconnect at any moment of a connection, it has one socket', async (t) => {
  const { parlor, server, tick } = await start(t);
  parlor.reconnect();
  server.open();
  parlor.reconnect();
  await server.welcome('guest-1');
  parlor.reconnect();
  parlor.reconnect();
  assert.equal(server.sockets.length, 1);
  await server.end();
  parlor.reconnect();
  parlor.reconnect();
  await tick(60_000);
  assert.equal(server.sockets.filter(({ closed }) => !closed).length, 1);
});

test('a socket that was given up is not heard, whatever it still says', async (t) => {
  const { parlor, server, events, tick } = await start(t);
  const [late] = server.sockets;
  // It never opens, and another one is tried.
  await tick(10_000);
  await tick(parlor.state.retryAt - Date.now());
  assert.equal(server.sockets.length, 2);
  const joining = parlor.join('tea');
  const before = events('state').length;
  late.onopen?.();
  late.onmessage?.({ data: JSON.stringify({ type: 'welcome', you: { id: 'x', name: 'x' }, resume: 'x', limits: {}, ping_ms: 1 }) });
  late.onclose?.({ code: 1006, reason: '' });
  await settled();
  assert.deepEqual([events('state').length, events('welcome').length, late.sent.length], [before, 0, 0]);
  await server.accept();
  await server.answer('join', joined(1, [message(1)]));
  assert.equal((await joining).offset, 1);
});

test('closed before it has connected, it opens no socket', async (t) => {
  const { server, events } = await start(t, {}, (begun) => { begun.close(); begun.reconnect(); });
  assert.equal(server.sockets.length, 0);
  assert.deepEqual(events('state').map(({ phase }) => phase), []);
});
