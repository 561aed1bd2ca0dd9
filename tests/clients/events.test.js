// The stream of a room's events, read by Node's EventSource and by fetch.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import WS from 'ws';

import { Client, Queue, serve, Wire } from './support.js';

/** A server with someone in the room who talks, and the wire to its stream of events. */
async function setUp(t) {
  const server = await serve(t);
  const wire = await Wire.to(server, t);
  const speaker = await Client.enter(new WS(`ws://127.0.0.1:${server.port}/ws`, 'parlor.v1.json'));
  const say = (data, fields) => speaker.ask('publish', { room: 'tea', data, ...fields });
  return { server, wire, say, url: `http://${wire.host}/rooms/tea/events` };
}

function listen(t, url) {
  const [source, events] = [new EventSource(url), new Queue()];
  t.after(() => source.close());
  for (const type of ['joined', 'message', 'bye']) {
    source.addEventListener(type, ({ data, lastEventId }) => events.put({ type, id: lastEventId, ...JSON.parse(data) }));
  }
  return (type) => events.take((event) => event.type === type);
}

test('EventSource comes back by itself, and has missed nothing', async (t) => {
  const { server, wire, say, url } = await setUp(t);
  await say(20, { key: 't1', retain: true });
  const hear = listen(t, url);
  const { epoch, offset, recovered } = await hear('joined');
  assert.deepEqual([offset, recovered], [1, false]);
  assert.equal((await hear('message')).data, 20);
  await say('heard "this" 茶\nand that');
  const heard = await hear('message');
  assert.deepEqual([heard.data, heard.id], ['heard "this" 茶\nand that', `${epoch}-2`]);

  wire.cut();
  await say('missed');
  await say({ missed: true });
  assert.equal((await hear('joined')).recovered, true);
  await say('live');
  const messages = [await hear('message'), await hear('message'), await hear('message')];
  assert.deepEqual(messages.map(({ offset, data }) => [offset, data]), [[3, 'missed'], [4, { missed: true }], [5, 'live']]);

  server.signal('SIGTERM');
  assert.equal((await hear('bye')).code, 1001);
});

test('fetch reads the newest messages, and then each as it comes', async (t) => {
  const { say, url } = await setUp(t);
  for (const data of ['a', 'b', 'c']) await say(data);
  const response = await fetch(`${url}?last=2`);
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  const chunks = response.body.pipeThrough(new TextDecoderStream());
  let text = '';
  const read = async (end) => {
    for await (const chunk of chunks.values({ preventCancel: true })) {
      text += chunk;
      if (text.endsWith(end)) return;
    }
  };
  await read('"data":"c"}\n\n');
  assert.deepEqual([...text.matchAll(/"data":"(.)"/g)].map(([, data]) => data), ['b', 'c']);
  await say('d');
  await read('"data":"d"}\n\n');
  await chunks.cancel();
});
