// The connection comes and goes, and nothing that was written is lost silently.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  CONNECTION_ERRORS, field, isConnected, launch, log, openPage, outbox, say, sayAndSee, startServer, texts,
} from './support.js';

const browser = await launch();
after(() => browser.close());

/** A server of the test's own, because the test ends it. */
async function ownServer(t, options) {
  const fixture = { browser, server: await startServer(options) };
  t.after(() => fixture.server.stop());
  fixture.restart = async () => { fixture.server = await startServer({ ...options, port: fixture.server.port }); };
  return fixture;
}

const open = (t, fixture, options) => openPage(t, fixture, { expected: CONNECTION_ERRORS, ...options });
const isLost = (page) => page.locator('#status[data-phase=waiting]').waitFor();
const banner = (page) => page.locator('#banner');
const inOutbox = (page, text) => outbox(page).getByText(text);
const ownTexts = (page) => log(page).locator('.message.own .text').allTextContents();

test('a restart is survived, and what was written meanwhile is sent', async (t) => {
  const fixture = await ownServer(t);
  const [ana, ben] = await Promise.all([open(t, fixture), open(t, fixture)]);
  await sayAndSee(ana, 'before', [ben]);
  await fixture.server.stop();
  await Promise.all([isLost(ana), isLost(ben)]);
  await banner(ana).getByText(/The connection was lost|cannot be reached/).waitFor();

  await say(ana, 'while it was down');
  await inOutbox(ana, 'while it was down').waitFor();
  await inOutbox(ana, 'Will be sent when connected').waitFor();
  await fixture.restart();
  await Promise.all([isConnected(ana), isConnected(ben)]);
  await outbox(ana).waitFor({ state: 'hidden' });
  await log(ana).getByText(/^Connected again after/).waitFor();
  assert.equal(await banner(ana).isVisible(), false);
  await sayAndSee(ana, 'after', [ben]);
  await sayAndSee(ben, 'welcome back', [ana]);
  assert.deepEqual(await ownTexts(ana), ['before', 'while it was down', 'after']);
});

test('an orderly shutdown is told as such', async (t) => {
  const fixture = await ownServer(t);
  const ana = await open(t, fixture);
  await fixture.server.stop('SIGTERM');
  await banner(ana).getByText('The server is shutting down or restarting').waitFor();
});

test('what was sent and not confirmed waits for a decision', async (t) => {
  const fixture = await ownServer(t);
  const ana = await open(t, fixture);
  fixture.server.signal('SIGSTOP');
  await say(ana, 'send me again');
  await say(ana, 'edit me');
  await say(ana, 'discard me');
  await outbox(ana).getByText('Sending').last().waitFor();
  await fixture.server.stop();
  await outbox(ana).getByText('Delivery not confirmed').nth(2).waitFor();
  await fixture.restart();
  await isConnected(ana);
  // Perhaps it did arrive, so that it is not repeated unasked.
  assert.equal(await outbox(ana).locator('.message').count(), 3);

  const press = (text, name) => outbox(ana).locator('.message', { hasText: text }).getByRole('button', { name }).click();
  await press('discard me', 'Discard');
  await press('edit me', 'Edit');
  assert.equal(await field(ana).inputValue(), 'edit me');
  await press('send me again', 'Send again');
  await log(ana).getByText('send me again').waitFor();
  assert.deepEqual(await ownTexts(ana), ['send me again']);
  assert.equal(await outbox(ana).isVisible(), false);
});

test('leaving with something undelivered is asked about', async (t) => {
  const fixture = await ownServer(t);
  const ana = await open(t, fixture);
  await fixture.server.stop();
  await isLost(ana);
  await say(ana, 'not gone yet');
  await inOutbox(ana, 'not gone yet').waitFor();
  const asked = ana.waitForEvent('dialog');
  await ana.close({ runBeforeUnload: true });
  const dialog = await asked;
  assert.equal(dialog.type(), 'beforeunload');
  await dialog.dismiss();
});

test('a server that answers no more is given up, and tried anew', async (t) => {
  const fixture = await ownServer(t);
  const ana = await open(t, fixture, { prepare: (page) => page.clock.install() });
  fixture.server.signal('SIGSTOP');
  await say(ana, 'into the void');
  await outbox(ana).getByText('Sending').waitFor();
  await ana.clock.runFor(15_000);
  await outbox(ana).getByText('Delivery not confirmed').waitFor();
  fixture.server.signal('SIGCONT');
  await isConnected(ana);
  await sayAndSee(ana, 'still here');
});

test('it waits longer with each failure, and not at all once asked or back online', async (t) => {
  const fixture = await ownServer(t);
  const ana = await open(t, fixture, { prepare: (page) => page.clock.install() });
  await ana.clock.pauseAt(Date.now() + 60_000);
  await fixture.server.stop();
  for (const full of [1, 1, 2, 4, 8]) {
    const shown = await banner(ana).getByText(/Trying again in \d+ s/).textContent();
    const seconds = Number(/in (\d+) s/.exec(shown)[1]);
    assert(seconds >= full / 2 && seconds <= full, `${seconds} s of ${full} s`);
    await ana.clock.runFor(seconds * 1000);
  }
  await banner(ana).getByText(/Trying again in \d+ s/).waitFor();
  await fixture.restart();
  // The page's clock stands still: only the button can be what connects it.
  await ana.getByRole('button', { name: 'Try now' }).click();
  await isConnected(ana);

  await fixture.server.stop();
  await isLost(ana);
  await fixture.restart();
  await ana.evaluate(() => dispatchEvent(new Event('online')));
  await isConnected(ana);
});

test('a message over the limit comes back with its reason', async (t) => {
  const fixture = await ownServer(t, { args: ['--max-message', '2000'] });
  const ana = await open(t, fixture);
  const long = `${'0123456789'.repeat(250)}!`;
  await say(ana, long);
  await outbox(ana).getByText('Not delivered: too long for this server (2.5 kB)').waitFor();
  await log(ana).getByText('a message was too long').waitFor();
  await isConnected(ana);

  await outbox(ana).getByRole('button', { name: 'Edit' }).click();
  assert.equal(await field(ana).inputValue(), long);
  await field(ana).press('Enter');
  await ana.getByText('Too long: this server refused a message of 2.5 kB').waitFor();
  assert.equal(await field(ana).inputValue(), long);
  await sayAndSee(ana, 'short enough');
});

for (const [code, reason, sentence] of [
  [1008, 'too slow', 'this page read too slowly to keep up with the room'],
  [1008, 'too many rooms', 'because of a limit: too many rooms'],
  [1011, 'internal error', 'The server ended the connection (1011, internal error)'],
  [1013, '', 'The server is full or busy just now'],
]) {
  test(`close code ${code} ${reason} is explained`, async (t) => {
    const fixture = await ownServer(t);
    let first = true;
    const ana = await open(t, fixture, {
      // The server gives these under load only; here the browser is told so in its place, once.
      prepare: (page) => page.routeWebSocket('**/ws/**', (socket) => {
        if (first) socket.onMessage(() => socket.close({ code, reason }));
        else socket.connectToServer();
        first = false;
      }),
    });
    await say(ana, 'one too many');
    await log(ana).getByText(sentence).waitFor();
    await isConnected(ana);
    await outbox(ana).getByRole('button', { name: 'Send again' }).click();
    await log(ana).getByText('one too many').waitFor();
    assert.deepEqual(await texts(ana), ['one too many']);
  });
}
