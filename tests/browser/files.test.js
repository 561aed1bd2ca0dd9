// Files in the page: how they are brought, sent and shown, and what becomes of those that do not arrive.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isAccessible } from './accessible.js';
import { png } from './png.js';
import { LOOKS, launch, messages, nick, openPage, outbox, screenshot, startGuarded, startServer, tokenOf, until } from './support.js';

const directory = await mkdtemp(join(tmpdir(), 'parlor-files-'));
const browser = await launch();
const args = (name) => ['--data', join(directory, name), '--max-file', '3000000'];
const server = await startServer({ args: args('open') });
const guarded = await startGuarded({ args: args('guarded') });
after(async () => {
  await browser.close();
  await Promise.all([server.stop(), guarded.stop()]);
  await rm(directory, { recursive: true });
});

const fixture = { browser, server };
const picture = { name: 'cat <b>.png', mimeType: 'image/png', buffer: png(900, 600) };
const report = { name: 'Quarterly report of the kettle department, second and last draft.pdf', mimeType: 'text/html', buffer: Buffer.from('%PDF-1.7') };
const bring = (page, ...files) => page.locator('#attach-files').setInputFiles(files);
const shown = (page, name) => messages(page).getByRole('link', { name });
/** Gives files to the page by a drop or a paste. */
const give = (page, target, type, name, content) => page.evaluate(([selector, kind, called, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], called, { type: 'image/png' }));
  const init = { bubbles: true, cancelable: true };
  const event = kind === 'paste' ? new ClipboardEvent(kind, { ...init, clipboardData: data }) : new DragEvent(kind, { ...init, dataTransfer: data });
  document.querySelector(selector).dispatchEvent(event);
}, [target, type, name, content]);

for (const look of LOOKS) {
  test(`a picture keeps its place before it is there, a file is a card, ${look.name}`, async (t) => {
    const ben = await openPage(t, fixture, { room: look.name });
    await nick(ben, `ben-${look.name}`);
    // What is shown before the bytes come: they are held back.
    let release;
    const held = new Promise((resolve) => { release = resolve; });
    const ana = await openPage(t, fixture, {
      room: look.name,
      ...look,
      prepare: (page) => page.route('**/files/**', async (route) => { await held; await route.continue(); }),
    });
    await bring(ben, picture, report);
    const image = shown(ana, 'Picture cat <b>.png').locator('img');
    await image.waitFor();
    // What comes behind it moves it up.
    await shown(ana, /Quarterly report/).getByText('8 bytes').waitFor();
    const before = await image.boundingBox();
    release();
    await until(ana, () => document.querySelector('.picture').naturalWidth > 0);
    assert.deepEqual(await image.boundingBox(), before);
    assert.ok(Math.abs(before.width / before.height - 1.5) < 0.02, JSON.stringify(before));
    assert.equal(await messages(ben).first().evaluate((node) => node.classList.contains('own')), true);
    assert.equal(await messages(ana).first().locator('.who').textContent(), `ben-${look.name}`);
    await bring(ana, { ...report, name: 'own.pdf' });
    await shown(ana, /own.pdf/).waitFor();
    await isAccessible(ana, look.name);
    await screenshot(ana, `files-${look.name}`);
  });
}

test('a file is dropped, a picture is pasted, and both can be had again', async (t) => {
  const page = await openPage(t, fixture, { room: 'brought' });
  await give(page, 'body', 'dragenter', 'a.txt', 'dropped');
  await page.getByText('Drop to send to brought').waitFor();
  await give(page, 'body', 'drop', 'a.txt', 'dropped');
  await page.getByText('Drop to send to brought').waitFor({ state: 'hidden' });
  await shown(page, /a\.txt/).waitFor();
  await give(page, '#message', 'paste', 'image.png', 'pasted');
  await shown(page, /pasted-\d{4}-\d\d-\d\d-.*\.png/).waitFor();
  const download = page.waitForEvent('download');
  await shown(page, /a\.txt/).click();
  assert.equal(await readFile(await (await download).path(), 'utf8'), 'dropped');
});

test('a transfer shows how far it is and can be cancelled; one that fails is sent again', async (t) => {
  const page = await openPage(t, fixture, { room: 'slow', expected: /Failed to load resource/ });
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Network.enable');
  const throttle = (uploadThroughput) => devtools.send('Network.emulateNetworkConditions',
    { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput });
  await throttle(300_000);
  const long = { name: 'long.bin', mimeType: '', buffer: Buffer.alloc(2_000_000) };
  await bring(page, long, { ...report, name: 'next.pdf' }, { ...long, name: 'too long', buffer: Buffer.alloc(3_000_001) });
  await outbox(page).getByText('Not sent: too large for this server').waitFor();
  await outbox(page).getByText('Waits for the file before it').waitFor();
  const bar = outbox(page).getByRole('progressbar', { name: 'Sending long.bin' });
  await until(page, () => document.querySelector('progress').value > 0);
  assert.ok(await bar.evaluate((node) => node.value) < 1);
  await outbox(page).getByRole('button', { name: 'Cancel' }).first().click();
  await shown(page, /next\.pdf/).waitFor();
  assert.equal(await shown(page, /long\.bin/).count(), 0);
  await throttle(-1);
  await page.route('**/rooms/**', (route) => route.fulfill({ status: 507 }), { times: 1 });
  await bring(page, { ...report, name: 'again.pdf' });
  await outbox(page).getByText('Not sent: there is no more room for files here').waitFor();
  await outbox(page).getByRole('button', { name: 'Send again' }).click();
  await shown(page, /again\.pdf/).waitFor();
});

test('where a token is asked for, pictures are shown and files saved, and no link has the token', async (t) => {
  const token = tokenOf('ana');
  const page = await openPage(t, { browser, server: guarded }, { url: `${guarded.url}?room=tea#token=${token}` });
  await bring(page, picture, report);
  await shown(page, /Quarterly/).waitFor();
  await until(page, () => document.querySelector('.picture')?.naturalWidth > 0);
  const download = page.waitForEvent('download');
  await shown(page, /Quarterly/).click();
  assert.equal(await readFile(await (await download).path(), 'utf8'), '%PDF-1.7');
  assert.equal((await page.content()).includes(token), false);
  const reader = tokenOf('ben', { publish: [] });
  const ben = await openPage(t, { browser, server: guarded }, { url: `${guarded.url}?room=tea#token=${reader}` });
  await shown(ben, /Quarterly/).waitFor();
  assert.equal(await ben.locator('#attach').isVisible(), false);
});

test('without --data there is no way to bring a file, and a message that tells of a foreign one is no link', async (t) => {
  const bare = await startServer();
  t.after(() => bare.stop());
  const page = await openPage(t, { browser, server: bare }, { room: 'tea' });
  assert.equal(await page.locator('#attach').isVisible(), false);
  const file = { name: 'x', type: 'image/png', bytes: 1, width: 10, height: 10, href: '//evil.example/files/x' };
  await fetch(`${bare.url}rooms/tea`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ file }) });
  await messages(page).getByText('evil.example').waitFor();
  assert.equal(await messages(page).getByRole('link').count(), 0);
});
