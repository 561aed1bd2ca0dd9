// The client, /parlor.js, as any page can use it, against the real server: on its own, and over a line that breaks.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { CONNECTION_ERRORS, openPage, setUp, startGuarded, startServer, tokenOf } from './support.js';
import { examples } from '../examples.mjs';

const fixture = await setUp();

test('ten lines are enough to talk', async (t) => {
  const page = await openPage(t, fixture, { room: 'elsewhere' });
  const seen = await page.evaluate(async () => {
    const said = [];
    const { Parlor } = await import('/parlor.js');

    const parlor = new Parlor({ credentials: { name: 'ana' } });
    parlor.addEventListener('message', ({ detail: { from, data } }) => said.push(`${from.name}: ${data}`));
    parlor.addEventListener('joined', ({ detail: { rejoined, recovered } }) => {
      if (rejoined && !recovered) said.push('something was missed');
    });
    await parlor.join('tea', { last: 20 });
    await parlor.publish('tea', 'The kettle is on.');
    await parlor.publish('plant', 81.2, { key: 'boiler.temp', retain: true });

    const { retained } = await parlor.join('plant');
    const { members } = await parlor.members('tea');
    const { messages } = await parlor.history('tea', { limit: 10 });
    const binary = new Promise((resolve) => {
      parlor.addEventListener('message', ({ detail }) => detail.binary && resolve([...detail.binary]));
    });
    await parlor.publish('tea', new Uint8Array([1, 2, 255]));
    const direct = new Promise((resolve) => {
      parlor.addEventListener('direct', ({ detail }) => resolve(`${detail.to.name}: ${detail.data.a}`));
    });
    await parlor.direct('ana', { a: 1 });
    const errors = [];
    const failing = [
      parlor.direct('nobody', 1), parlor.join('a b'), parlor.login({ name: 'guest-1' }), parlor.publish('', 1),
    ];
    for (const each of failing) errors.push(await each.then(() => 'no error', ({ code }) => code));
    return {
      said,
      errors,
      direct: await direct,
      binary: await binary,
      retained: retained.map(({ key, data }) => `${key} ${data}`),
      members: members.map(({ name }) => name),
      messages: messages.length,
    };
  });
  assert.deepEqual(seen, {
    said: ['ana: The kettle is on.', 'ana: undefined'],
    errors: ['no_such_user', 'bad_room', 'bad_name', 'bad_room'],
    direct: 'ana: 1',
    binary: [1, 2, 255],
    retained: ['boiler.temp 81.2'],
    members: ['ana'],
    messages: 1,
  });
});

/** A line to the server that can be cut: `cut()` ends all connections, in whatever they are doing. */
async function brittleLine(t, port) {
  const sockets = new Set();
  const line = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [[near, far], [far, near]]) {
      sockets.add(from);
      from.on('error', () => {}).on('close', () => { sockets.delete(from); to.destroy(); }).pipe(to);
    }
  }).listen(0, '127.0.0.1');
  await once(line, 'listening');
  const cut = () => { for (const socket of sockets) socket.destroy(); };
  t.after(() => { line.close(); cut(); });
  return { url: `http://127.0.0.1:${line.address().port}/`, cut };
}

test('over a line that breaks again and again, everything arrives once and in order', async (t) => {
  const line = await brittleLine(t, fixture.server.port);
  const page = await openPage(t, fixture, { url: `${line.url}?room=elsewhere`, expected: CONNECTION_ERRORS });
  await page.exposeFunction('cutTheLine', line.cut);
  const { seen, told, wanted, connections } = await page.evaluate(async () => {
    const { Parlor } = await import('/parlor.js');
    const [speaker, listener] = [new Parlor({ credentials: { name: 'speaker' } }), new Parlor()];
    const [seen, told] = [[], []];
    let connections = 0;
    for (const client of [speaker, listener]) {
      client.addEventListener('state', ({ detail }) => detail.phase === 'waiting' && client.reconnect());
    }
    listener.addEventListener('message', ({ detail: { data } }) => seen.push(data));
    listener.addEventListener('joined', ({ detail }) => detail.rejoined && told.push(detail.recovered));
    speaker.addEventListener('welcome', () => { connections += 1; });
    await listener.join('brittle');
    const wanted = Array.from({ length: 150 }, (_, n) => n);
    const published = [];
    for (const n of wanted) {
      published.push(speaker.publish('brittle', n));
      // Some are under way when it breaks, in either direction.
      if (n % 30 === 29) {
        await published[n - 7];
        await globalThis.cutTheLine();
      }
    }
    await Promise.all(published);
    await new Promise((resolve) => {
      if (seen.length >= wanted.length) resolve();
      listener.addEventListener('message', () => seen.length >= wanted.length && resolve());
    });
    speaker.close();
    listener.close();
    return { seen, told, wanted, connections };
  });
  assert.deepEqual(seen, wanted);
  assert(connections > 3, `${connections} connections`);
  assert(told.length > 0 && told.every(Boolean), `recovered: ${told}`);
});

/** A page of somebody else's with a module in it; gives what it logs. */
async function moduleRuns(t, server, code, prepare = () => {}) {
  const context = await fixture.browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const logged = [];
  page.on('console', (message) => logged.push(message.text()));
  page.on('pageerror', (error) => logged.push(String(error)));
  const body = `<!doctype html><script type="module">${code.replaceAll('localhost:8080', `localhost:${server.port}`)}</script>`;
  const elsewhere = createHttpServer((request, response) => response.setHeader('content-type', 'text/html').end(body));
  await once(elsewhere.listen(0, '127.0.0.1'), 'listening');
  t.after(() => elsewhere.close());
  await prepare(page);
  await page.goto(`http://127.0.0.1:${elsewhere.address().port}`);
  return async (line) => {
    while (!logged.includes(line)) await page.waitForEvent('console').catch(() => assert.fail(`${code}\nlogged ${logged}`));
  };
}

test('the guide’s examples run in a page', async (t) => {
  const { plain, guarded, bare } = examples();
  const server = await startServer({ args: ['--allow-origin', '*'] });
  t.after(() => server.stop());
  await (await moduleRuns(t, server, plain))('ana The kettle is on.');
  await (await moduleRuns(t, server, bare))('hello, room');
  const withTokens = await startGuarded({ args: ['--allow-origin', '*'] });
  t.after(() => withTokens.stop());
  const giving = (body) => (page) => page.route('https://app.example/token', (route) =>
    route.fulfill({ body, headers: { 'access-control-allow-origin': '*' } }));
  const joins = `${guarded}await parlor.join("tea"); console.log(parlor.you.name);`;
  await (await moduleRuns(t, withTokens, joins, giving(tokenOf('ana'))))('ana');
  await (await moduleRuns(t, withTokens, guarded, giving(tokenOf('ana', { seconds: -100 }))))('token_expired');
});
