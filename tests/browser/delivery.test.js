// The connection comes and goes, and nothing that was written is lost silently.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  CONNECTION_ERRORS, field, isConnected, launch, log, nick, openPage, outbox, say, sayAndSee, startServer, texts,
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

test('a lost connection comes back to everything that was said, in order and once', async (t) => {
  const fixture = await ownServer(t);
  let cut = null;
  const ana = await open(t, fixture, {
    prepare: (page) => page.routeWebSocket('**/ws', (socket) => {
      socket.connectToServer();
      cut = () => socket.close({ code: 1006 });
    }),
  });
  const ben = await open(t, fixture);
  await sayAndSee(ana, 'before', [ben]);
  await ana.context().setOffline(true);
  await cut();
  await isLost(ana);
  for (const words of ['one', 'two', 'three']) await sayAndSee(ben, words);
  await ana.context().setOffline(false);
  await isConnected(ana);
  await log(ana).getByText('Nothing was missed').waitFor();
  await sayAndSee(ben, 'after', [ana]);
  assert.deepEqual(await texts(ana), ['before', 'one', 'two', 'three', 'after']);
});

test('a restart is survived, says that it lost the history, and what was written meanwhile is sent', async (t) => {
  const fixture = await ownServer(t);
  const [ana, ben] = await Promise.all([open(t, fixture), open(t, fixture)]);
  await nick(ana, 'ana');
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
  await log(ana).getByText(/^Connected again after .* could not all be recovered/).waitFor();
  assert.equal(await banner(ana).isVisible(), false);
  await sayAndSee(ana, 'after', [ben]);
  await sayAndSee(ben, 'welcome back', [ana]);
  assert.deepEqual(await ownTexts(ana), ['before', 'while it was down', 'after']);
  assert.equal(await ana.locator('#you .name').textContent(), 'ana');
});

test('an orderly shutdown is told as such', async (t) => {
  const fixture = await ownServer(t);
  const ana = await open(t, fixture);
  await fixture.server.stop('SIGTERM');
  await banner(ana).getByText('The server is shutting down or restarting').waitFor();
});

test('what was sent and not confirmed is sent again unasked, and arrives once', async (t) => {
  const fixture = await ownServer(t);
  const ana = await open(t, fixture);
  fixture.server.signal('SIGSTOP');
  for (const words of ['one', 'two', 'three']) await say(ana, words);
  await outbox(ana).getByText('Sending').last().waitFor();
  await fixture.server.stop();
  await outbox(ana).getByText('Will be sent when connected').nth(2).waitFor();
  await fixture.restart();
  await isConnected(ana);
  await outbox(ana).waitFor({ state: 'hidden' });
  await sayAndSee(ana, 'four');
  assert.deepEqual(await ownTexts(ana), ['one', 'two', 'three', 'four']);
});

test('a direct message that was not confirmed waits for a decision', async (t) => {
  const fixture = await ownServer(t);
  const [ana, ben] = await Promise.all([open(t, fixture), open(t, fixture)]);
  await nick(ben, 'ben');
  await say(ana, '/msg ben hello');
  await log(ana).getByText('hello').waitFor();
  fixture.server.signal('SIGSTOP');
  for (const words of ['send me again', 'edit me', 'discard me']) await say(ana, words);
  await outbox(ana).getByText('Sending').last().waitFor();
  await fixture.server.stop();
  // Perhaps they did arrive, so that they are not repeated unasked.
  await outbox(ana).getByText('Delivery not confirmed').nth(2).waitFor();
  await fixture.restart();
  await Promise.all([isConnected(ana), isConnected(ben)]);
  assert.equal(await outbox(ana).locator('.message').count(), 3);

  const press = (text, name) => outbox(ana).locator('.message', { hasText: text }).getByRole('button', { name }).click();
  await press('discard me', 'Discard');
  await press('edit me', 'Edit');
  assert.equal(await field(ana).inputValue(), 'edit me');
  await press('send me again', 'Send again');
  await log(ana).getByText('send me again').waitFor();
  assert.deepEqual(await ownTexts(ana), ['hello', 'send me again']);
  assert.equal(await outbox(ana).isVisible(), false);
});

test('a name that somebody else has taken meanwhile is told to be lost', async (t) => {
  const fixture = await ownServer(t);
  const ana = await open(t, fixture, { prepare: (page) => page.clock.install() });
  await nick(ana, 'ana');
  await ana.clock.pauseAt(Date.now() + 60_000);
  await fixture.server.stop();
  await isLost(ana);
  await fixture.restart();
  await nick(await open(t, fixture), 'Ana');
  await ana.getByRole('button', { name: 'Try now' }).click();
  await isConnected(ana);
  await ana.clock.resume();
  await log(ana).getByText('The name ana is taken by somebody else now').waitFor();
  assert.match(await ana.locator('#you .name').textContent(), /^guest-/);
});

test('messages that were lost on the way are told of', async (t) => {
  const fixture = await ownServer(t);
  const ana = await open(t, fixture, {
    // The server leaves out messages under load only.
    prepare: (page) => page.routeWebSocket('**/ws', (socket) => {
      const server = socket.connectToServer();
      server.onMessage((message) => {
        const isLost = message.includes('"data":"gap"');
        socket.send(isLost ? message.replace('"message"', '"gap"').replace('"offset"', '"from":1,"to"') : message);
      });
    }),
  });
  await say(ana, 'gap');
  await log(ana).getByText('Messages come too fast').waitFor();
  await sayAndSee(ana, 'after it');
  assert.deepEqual(await texts(ana), ['after it']);
});

test('a reconnect is told of once, also where the room is told anew after a gap', async (t) => {
  const fixture = await ownServer(t);
  const line = {};
  const ana = await open(t, fixture, {
    prepare: (page) => page.routeWebSocket('**/ws', (socket) => {
      const server = socket.connectToServer();
      server.onMessage((message) => {
        if (message.includes('"type":"joined"')) line.joined = message;
        socket.send(message);
      });
      line.cut = () => socket.close({ code: 1006 });
      line.say = (message) => socket.send(message);
    }),
  });
  // Who has not been in the room yet does not come back to it.
  await sayAndSee(ana, 'before it');
  await line.cut();
  await log(ana).getByText('Nothing was missed').waitFor();
  line.say(line.joined.replace('"recovered":true', '"recovered":false'));
  await sayAndSee(ana, 'after it');
  assert.equal(await log(ana).getByText(/^Connected again/).count(), 1);
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

test('a server that answers no more is given up, and what it heard after all is not said twice', async (t) => {
  const fixture = await ownServer(t);
  const ana = await open(t, fixture, { prepare: (page) => page.clock.install() });
  fixture.server.signal('SIGSTOP');
  await say(ana, 'into the void');
  await outbox(ana).getByText('Sending').waitFor();
  // Silent for ping_ms and a margin, then asked, then given up.
  await ana.clock.runFor(30_000);
  await ana.clock.runFor(10_000);
  await outbox(ana).getByText('Will be sent when connected').waitFor();
  fixture.server.signal('SIGCONT');
  await isConnected(ana);
  await outbox(ana).waitFor({ state: 'hidden' });
  await sayAndSee(ana, 'still here');
  assert.deepEqual(await texts(ana), ['into the void', 'still here']);
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

test('a message over the limit is refused before it is sent', async (t) => {
  const fixture = await ownServer(t, { args: ['--max-message', '2000'] });
  const ana = await open(t, fixture);
  const long = `${'0123456789'.repeat(250)}!`;
  await say(ana, long);
  await ana.getByText('Too long: 2.5 kB as it is sent, and this server takes 1.9 kB').waitFor();
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
      prepare: (page) => page.routeWebSocket('**/ws', (socket) => {
        const server = socket.connectToServer();
        socket.onMessage((message) => {
          if (first && message.includes('one too many')) socket.close({ code, reason });
          else server.send(message);
          first &&= !message.includes('one too many');
        });
      }),
    });
    await say(ana, 'one too many');
    await log(ana).getByText(sentence).waitFor();
    await isConnected(ana);
    await outbox(ana).waitFor({ state: 'hidden' });
    assert.deepEqual(await texts(ana), ['one too many']);
  });
}
