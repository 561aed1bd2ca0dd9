// The client, assets/client/parlor.js, that follows patterns of rooms, on Node's own WebSocket.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Parlor } from '../../assets/client/parlor.js';
import { Wire, serve } from './support.js';

/** A client, and what it is told: `joined` by their rooms, messages by their rooms and data. */
function open(t, host) {
  const parlor = new Parlor({ url: `ws://${host}/ws` });
  t.after(() => parlor.close());
  const told = [];
  parlor.addEventListener('joined', ({ detail: { room, rejoined, recovered } }) => told.push(['joined', room, rejoined, recovered]));
  parlor.addEventListener('message', ({ detail: { room, data } }) => told.push([room, data]));
  const until = async (count) => {
    const deadline = Date.now() + 20_000;
    while (told.length < count) {
      assert.ok(Date.now() < deadline, JSON.stringify(told));
      await new Promise((resolve) => { setTimeout(resolve, 5); });
    }
    return told.splice(0, count);
  };
  return { parlor, told, until };
}

test('rooms are followed over reconnects until the pattern is left', async (t) => {
  const server = await serve(t);
  const wire = await Wire.to(server, t);
  const sender = open(t, `127.0.0.1:${server.port}`).parlor;
  await sender.publish('plant-1', 1);
  const { parlor, told, until } = open(t, wire.host);
  await parlor.follow('plant-*', { last: 5 });
  assert.deepEqual(await until(2), [['joined', 'plant-1', false, false], ['plant-1', 1]]);
  await sender.publish('plant-2', 2);
  await sender.publish('other', 2);
  assert.deepEqual(await until(2), [['joined', 'plant-2', false, false], ['plant-2', 2]]);
  wire.cut();
  await sender.publish('plant-1', 3);
  await sender.publish('plant-3', 4);
  const again = await until(5);
  assert.deepEqual(again.slice(-2), [['joined', 'plant-3', false, false], ['plant-3', 4]]);
  assert.deepEqual(again.filter(([, , rejoined]) => rejoined), [['joined', 'plant-1', true, true], ['joined', 'plant-2', true, true]]);
  assert.deepEqual(again.filter(([, data]) => data === 3), [['plant-1', 3]]);
  await parlor.join('plant-2');
  await until(1);
  await parlor.unfollow('plant-*');
  await sender.publish('plant-1', 5);
  await sender.publish('plant-2', 6);
  assert.deepEqual(await until(1), [['plant-2', 6]]);
  await assert.rejects(parlor.follow(`${'a'.repeat(70)}*`), { code: 'bad_room' });
  assert.deepEqual(told, []);
});
