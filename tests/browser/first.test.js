// The first minutes: what the page says to who has just started a server, and what it keeps them from losing.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { field, messages, openPage, post, sayAndSee, setUp, startServer } from './support.js';
import { Parlor } from '../../assets/client/parlor.js';

const fixture = await setUp({ args: ['--allow-host', 'parlor.test'] });
const assets = new URL('../../assets/', import.meta.url);

test('every module is fetched at once, not one after the other', () => {
  const listed = [...readFileSync(new URL('page/index.html', assets), 'utf8').matchAll(/rel="modulepreload" href="([^"]+)"/g)];
  const scripts = ['board', 'client', 'page'].flatMap((folder) => (
    readdirSync(new URL(folder, assets)).filter((name) => name.endsWith('.js')).map((name) => `${folder}/${name}`)
  ));
  assert.deepEqual(listed.map(([, name]) => name), scripts.filter((name) => name !== 'page/app.js').sort());
});

test('where there is nothing to connect with or to, the client says what to give it', () => {
  assert.throws(() => new Parlor({ WebSocket: class {} }), /give the address of one as `url`/);
  assert.throws(() => new Parlor({ url: 'ws://localhost:1/ws', WebSocket: null }), /give one as `WebSocket`/);
});

test('a server’s address is taken as people have it, and what is none is told', async () => {
  const connected = async (url) => {
    const parlor = new Parlor({ url, WebSocket: class { constructor(address) { parlor.tried = address; } close() {} } });
    await once(parlor, 'state');
    parlor.close();
    return parlor.tried;
  };
  for (const [given, address] of Object.entries({
    'ws://localhost:8080/ws': 'ws://localhost:8080/ws',
    'http://localhost:8080': 'ws://localhost:8080/ws',
    'https://chat.example/': 'wss://chat.example/ws',
    'https://example.com/chat/ws?token=a.b.c#top': 'wss://example.com/chat/ws?token=a.b.c',
  })) assert.equal(await connected(given), address);
  assert.equal(await connected(new URL('wss://chat.example')), 'wss://chat.example/ws');
  for (const [given, why] of [['localhost:8080', /not with localhost:/], ['/ws', /no address of a server/], ['ftp://a.example', /not with ftp:/]]) {
    assert.throws(() => new Parlor({ url: given, WebSocket: class {} }), why);
  }
});

test('the page connects to a server that pings nobody and has no limit of commands', async (t) => {
  const server = await startServer({ args: ['--ping-interval', '0', '--rate', '0'] });
  t.after(() => server.stop());
  await sayAndSee(await openPage(t, { ...fixture, server }, { room: 'unlimited' }), 'heard');
});

test('it is ready to write in, at once and after a reload', async (t) => {
  const page = await openPage(t, fixture, { room: 'ready' });
  await page.keyboard.type('typed at once');
  assert.equal(await field(page).inputValue(), 'typed at once');
});

test('Enter joins the room that is named', async (t) => {
  const page = await openPage(t, fixture, { room: 'elsewhere' });
  await page.getByRole('combobox', { name: 'Join a room' }).fill('by-enter');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: '# by-enter' }).waitFor();
});

/** For `prepare`: the server has these addresses for others, or does not say. */
const tellAddresses = (addresses) => (page) => page.route('**/addresses', (route) =>
  (addresses ? route.fulfill({ json: { addresses } }) : route.fulfill({ status: 200, body: 'a proxy' })));
const note = (page) => page.locator('#only-here');
const shared = async (page) => [await page.locator('#address').innerText(), await page.locator('#terminal').innerText()];

test('opened as localhost, the page offers to share the addresses that the server has for others', async (t) => {
  const page = await openPage(t, fixture, { room: 'here' });
  const told = await (await fetch(`${fixture.server.url}addresses`)).json();
  await page.waitForFunction((best) => document.getElementById('address').textContent.startsWith(best), told.addresses[0] ?? fixture.server.url);
  for (const locale of ['en-GB', 'zh-CN']) {
    const prepare = tellAddresses(['http://192.0.2.7:8080', 'http://[2001:db8::7]:8080']);
    const many = await openPage(t, fixture, { room: 'tea', locale, prepare });
    await note(many).getByText('http://[2001:db8::7]:8080/').waitFor();
    assert.deepEqual(await shared(many), ['http://192.0.2.7:8080/?room=tea', 'websocat ws://192.0.2.7:8080/ws/tea']);
  }
  const board = await openPage(t, fixture, { url: `${fixture.server.url}?room=plant&view=board`, prepare: tellAddresses(['http://[2001:db8::7]:8080']) });
  await board.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await board.getByRole('button', { name: 'Copy the link to this room' }).click();
  await board.getByRole('button', { name: 'Copied' }).waitFor();
  const pasted = () => board.evaluate(() => navigator.clipboard.readText());
  assert.equal(await pasted(), 'http://[2001:db8::7]:8080/?room=plant&view=board');
  await board.getByRole('button', { name: 'Copy', exact: true }).click();
  await board.locator('.no-charts').getByRole('button', { name: 'Copied' }).waitFor();
  assert.equal(await pasted(), "curl -d 81.2 'http://[2001:db8::7]:8080/rooms/plant?key=boiler.temp&retain=1'");
});

test('where there is no address for others, the page says why', async (t) => {
  const alone = await openPage(t, fixture, { room: 'alone', prepare: tellAddresses([]) });
  await note(alone).getByText('the server was started for it alone').waitFor();
  assert.equal((await shared(alone))[0], `${fixture.server.url}?room=alone`);
  const unknown = await openPage(t, fixture, { room: 'unknown', prepare: tellAddresses(null) });
  await note(unknown).getByText('Others open it by the name or the network address').waitFor();
});

test('elsewhere the page’s own address is the one to share, and it says why there are no notifications', async (t) => {
  const url = fixture.server.url.replace('127.0.0.1', 'parlor.test');
  const asked = [];
  const prepare = (page) => page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  const other = await openPage(t, fixture, { url: `${url}?room=there`, prepare });
  await other.waitForFunction(() => document.getElementById('address').textContent !== '');
  assert.deepEqual(await shared(other), [`${url}?room=there`, `websocat ${url.replace('http', 'ws')}ws/there`]);
  assert.equal(await note(other).isVisible(), false);
  assert(!asked.includes('/addresses'));
  await other.getByRole('button', { name: 'Browsers allow notifications only to pages that come by https:' }).click();
  await other.getByRole('log').getByText('Browsers allow notifications only').waitFor();
});

test('a file that is dropped beside its place does not replace the page', async (t) => {
  const page = await openPage(t, fixture, { room: 'dropped' });
  const prevented = await page.evaluate(() => ['dragover', 'drop'].map((type) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(['x'], 'x.txt'));
    return !document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
  }));
  assert.deepEqual(prevented, [true, true]);
});

test('on paper is all that was said, not one screen of it', async (t) => {
  const page = await openPage(t, fixture, { room: 'paper' });
  for (let n = 0; n < 60; n += 1) await post(fixture.server, 'paper', `line ${n}`);
  await messages(page).filter({ hasText: 'line 59' }).waitFor();
  await page.emulateMedia({ media: 'print' });
  const { all, screen } = await page.evaluate(() => ({ all: document.documentElement.scrollHeight, screen: innerHeight }));
  assert(all > 2 * screen, `${all} px`);
  await page.emulateMedia({ media: 'screen' });
  await sayAndSee(page, 'and on');
});
