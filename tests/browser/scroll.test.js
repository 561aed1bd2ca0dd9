// The conversation follows its end until the reader leaves it, and stays bounded.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEVICES, log, messages, nick, openPage, post, say, sayAndSee, scroller, sendFromElsewhere, setUp, tellTimes, texts, until,
} from './support.js';

// So that the beginning of what is kept can be scrolled to.
const fixture = await setUp({ args: ['--history', '256'] });
const lines = (n, word) => Array.from({ length: n }, (_, i) => `${word} ${i + 1}`);
const lastIs = (page, text) => until(page, (expected) =>
  [...document.querySelectorAll('.log .message .text')].at(-1)?.textContent === expected, text);
const lastStartsWith = (page, text) => until(page, (expected) =>
  [...document.querySelectorAll('.log .message .text')].at(-1)?.textContent.startsWith(expected), text);
const fromEnd = (page) => scroller(page).evaluate((s) => s.scrollHeight - s.scrollTop - s.clientHeight);
const top = (page, text) =>
  messages(page).getByText(text, { exact: true }).evaluate((m) => m.getBoundingClientRect().top);
const isAtEnd = (page) => until(page, () => {
  const { scrollHeight, scrollTop, clientHeight } = document.querySelector('.scroller');
  return scrollHeight - scrollTop - clientHeight < 2;
});
const jump = (page, name) => page.getByRole('button', { name });

test('it sticks to the end, and a button counts what is new to who reads further up', async (t) => {
  const open = () => openPage(t, fixture, { room: 'scroll', ...DEVICES.phone });
  const [reader, writer] = await Promise.all([open(), open()]);
  await sendFromElsewhere(writer, fixture.server, 'scroll', lines(60, 'line'));
  await lastIs(reader, 'line 60');
  assert(await fromEnd(reader) < 2);
  assert.equal(await jump(reader, 'new message').count(), 0);

  await reader.getByRole('region', { name: 'Conversation in scroll' }).focus();
  await reader.keyboard.press('Home');
  await until(reader, () => document.querySelector('.scroller').scrollTop === 0);
  await jump(reader, 'To the latest').waitFor();
  const place = await top(reader, 'line 3');
  await sayAndSee(writer, 'first news');
  await jump(reader, '1 new message').waitFor();
  await sayAndSee(writer, 'second news');
  await jump(reader, '2 new messages').waitFor();
  assert.equal(await top(reader, 'line 3'), place);

  await jump(reader, '2 new messages').click();
  await jump(reader, 'new messages').waitFor({ state: 'hidden' });
  assert(await fromEnd(reader) < 2);
  await sayAndSee(writer, 'third news', [reader]);
  assert(await fromEnd(reader) < 2);
  assert.equal(await jump(reader, 'new message').count(), 0);
});

test('sending brings the writer to the end, and a growing field hides nothing of it', async (t) => {
  const page = await openPage(t, fixture, { room: 'grow' });
  await sendFromElsewhere(page, fixture.server, 'grow', lines(60, 'line'));
  await lastIs(page, 'line 60');
  await scroller(page).evaluate((s) => { s.scrollTop = 0; });
  await jump(page, 'To the latest').waitFor();
  await say(page, 'mine');
  await lastIs(page, 'mine');
  await isAtEnd(page);
  await page.getByRole('textbox', { name: 'Message to' }).fill('a\nb\nc\nd\ne');
  await isAtEnd(page);
});

test('a view that becomes smaller before the event of its own scroll is still followed', async (t) => {
  const page = await openPage(t, fixture, { room: 'smaller' });
  await sendFromElsewhere(page, fixture.server, 'smaller', lines(60, 'line'));
  await lastIs(page, 'line 60');
  await isAtEnd(page);
  await scroller(page).evaluate((s) => {
    s.style.maxHeight = `${s.clientHeight - 100}px`;
    s.dispatchEvent(new Event('scroll'));
  });
  await isAtEnd(page);
  assert.equal(await jump(page, 'To the latest').count(), 0);
  await scroller(page).evaluate((s) => { s.scrollTop -= 200; });
  await jump(page, 'To the latest').waitFor();
});

/** Scrolls a step, as a wheel does, until a message is drawn; gives the most elements that there were meanwhile. */
async function scrollTo(page, text, step) {
  return page.evaluate(async ([wanted, px]) => {
    const view = document.querySelector('.scroller:not([hidden])');
    const isThere = () => [...view.querySelectorAll('.text')].some(({ textContent }) => textContent === wanted);
    let most = 0;
    while (!isThere()) {
      view.scrollTop += px;
      await new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); });
      most = Math.max(most, view.querySelectorAll('.message').length);
    }
    return most;
  }, [text, step]);
}

test('a few screens are drawn for who follows, and who reads further up keeps the place', async (t) => {
  const page = await openPage(t, fixture, { room: 'long' });
  await sendFromElsewhere(page, fixture.server, 'long', lines(1100, 'line'));
  await lastIs(page, 'line 1100');
  assert.equal(await messages(page).count(), 200);
  await scrollTo(page, 'line 800', -500);
  await messages(page).getByText('line 800', { exact: true }).scrollIntoViewIfNeeded();
  await jump(page, 'To the latest').waitFor();
  const place = await top(page, 'line 800');
  await sendFromElsewhere(page, fixture.server, 'long', lines(400, 'more'));
  await jump(page, '400 new messages').waitFor();
  assert(Math.abs(await top(page, 'line 800') - place) < 1);
  assert(await messages(page).count() <= 600);
  await jump(page, '400 new messages').click();
  await lastIs(page, 'more 400');
  await isAtEnd(page);
  assert.equal(await messages(page).count(), 200);
  await sayAndSee(page, 'at the end');
  assert.equal(await messages(page).count(), 200);
});

test('all thousand that are kept can be read, up to the first and down to the end, and never are too many drawn', async (t) => {
  const page = await openPage(t, fixture, { room: 'up-and-down' });
  await sendFromElsewhere(page, fixture.server, 'up-and-down', lines(1100, 'line'));
  await lastIs(page, 'line 1100');
  assert(await scrollTo(page, 'line 101', -1500) <= 600);
  await scroller(page).evaluate((s) => { s.scrollTop = 0; });
  await page.getByText('Earlier messages are not kept').waitFor();
  await assertInARow(page, 101);
  assert.equal(await log(page).locator('.day').count(), 1);
  // What is said meanwhile is there once one comes down to it.
  await sendFromElsewhere(page, fixture.server, 'up-and-down', ['line 1101']);
  await jump(page, '1 new message').waitFor();
  assert(await scrollTo(page, 'line 1101', 1500) <= 600);
  assert.equal((await texts(page)).at(-1), 'line 1101');
  await assertInARow(page, 1102 - await messages(page).count());
  await scroller(page).evaluate((s) => { s.scrollTop = s.scrollHeight; });
  await jump(page, 'new message').waitFor({ state: 'hidden' });
  await sayAndSee(page, 'and follows again');
  await isAtEnd(page);
});

async function assertInARow(page, first) {
  const shown = await texts(page);
  assert.deepEqual(shown, Array.from(shown, (_, n) => `line ${first + n}`));
}

test('who says much is named on every screen, at the same messages wherever one begins to read', async (t) => {
  const page = await openPage(t, fixture, { room: 'much' });
  await sendFromElsewhere(page, fixture.server, 'much', lines(250, 'line'));
  await lastIs(page, 'line 250');
  const named = () => log(page).locator('.message:not(.grouped) .text').allTextContents();
  const expected = Array.from({ length: 16 }, (_, n) => `line ${60 + 12 * n}`);
  assert.deepEqual(await named(), ['line 51', ...expected]);
  await scrollTo(page, 'line 1', -1000);
  assert.deepEqual((await named()).slice(-16), expected);
});

test('the End key leads to the end, whatever is drawn', async (t) => {
  const page = await openPage(t, fixture, { room: 'end-key' });
  await sendFromElsewhere(page, fixture.server, 'end-key', lines(1000, 'line'));
  await lastIs(page, 'line 1000');
  await scrollTo(page, 'line 10', -3000);
  assert.notEqual((await texts(page)).at(-1), 'line 1000');
  await scroller(page).focus();
  await page.keyboard.press('End');
  await lastIs(page, 'line 1000');
  await isAtEnd(page);
});

test('a printer gets all that is kept', async (t) => {
  const page = await openPage(t, fixture, { room: 'printed' });
  await sendFromElsewhere(page, fixture.server, 'printed', lines(600, 'line'));
  await lastIs(page, 'line 600');
  await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
  assert.deepEqual(await texts(page), lines(600, 'line'));
  await isAtEnd(page);
  await sayAndSee(page, 'afterwards');
  assert.equal(await messages(page).count(), 200);
});

test('a message looks the same when it is drawn again', async (t) => {
  const page = await openPage(t, fixture, { room: 'again' });
  await nick(page, 'ana');
  await sayAndSee(page, 'my own');
  const looks = () => messages(page).evaluateAll((all) => all.slice(0, 4).map(({ outerHTML }) => outerHTML.replace(/blob:[^"]*/, '')));
  await post(fixture.server, 'again', { temp: 81.2, since: 'a long time ago, as far as anybody remembers' });
  await post(fixture.server, 'again', { alarm: 'raised', text: 'Too hot', severity: 'critical' }, { key: 'alarm.boiler' });
  await sendFromElsewhere(page, fixture.server, 'again', [[1, 2, 3]]);
  await messages(page).nth(3).waitFor();
  const before = await looks();
  await sendFromElsewhere(page, fixture.server, 'again', lines(300, 'line'));
  await lastIs(page, 'line 300');
  assert.equal(await messages(page).getByText('my own').count(), 0);
  await scrollTo(page, 'my own', -1000);
  assert.deepEqual(await looks(), before);
});

test('earlier messages are fetched when the reader comes to the beginning, which then says that it is one', async (t) => {
  const [writer] = [await openPage(t, fixture, { room: 'earlier' })];
  await sendFromElsewhere(writer, fixture.server, 'earlier', lines(400, 'line'));
  await lastIs(writer, 'line 400');
  const reader = await openPage(t, fixture, { room: 'earlier' });
  await lastIs(reader, 'line 400');
  const shown = await messages(reader).count();
  assert(shown < 200, `${shown} messages at once`);
  const place = await top(reader, 'line 390');
  // The server keeps 256.
  await until(reader, () => {
    document.querySelector('.scroller').scrollTop = 0;
    return document.querySelectorAll('.log .message').length === 256;
  });
  assert.deepEqual(await texts(reader), lines(400, 'line').slice(144));
  await reader.getByText('Earlier messages are not kept').waitFor();
  assert.equal(await log(reader).locator('.day').count(), 1);
  assert(await top(reader, 'line 390') > place);
});

test('the place of a reader does not move when earlier messages come in above it', async (t) => {
  const writer = await openPage(t, fixture, { room: 'still' });
  await sendFromElsewhere(writer, fixture.server, 'still', lines(250, 'line'));
  await lastIs(writer, 'line 250');
  const reader = await openPage(t, fixture, { room: 'still' });
  await lastIs(reader, 'line 250');
  const [before, after] = await reader.evaluate(async () => {
    const texts = [...document.querySelectorAll('.log .text')];
    const find = () => texts.find((e) => e.textContent === 'line 153').getBoundingClientRect().top;
    const list = document.querySelector('.log');
    const grown = new Promise((resolve) => {
      new MutationObserver((changes, observer) => {
        observer.disconnect();
        resolve();
      }).observe(list, { childList: true });
    });
    document.querySelector('.scroller').scrollTop = 100;
    const place = find();
    await grown;
    return [place, find()];
  });
  assert(Math.abs(before - after) < 1, `${before} ${after}`);
});

test('a line stands between two days, also where earlier messages join', async (t) => {
  const writer = await openPage(t, fixture, { room: 'days' });
  await sendFromElsewhere(writer, fixture.server, 'days', lines(150, 'line'));
  await lastIs(writer, 'line 150');
  assert.equal(await log(writer).locator('.day').count(), 1);
  const reader = await openPage(t, fixture, {
    room: 'days', prepare: tellTimes((offset, at) => (offset > 40 ? at : at - 86_400_000)),
  });
  await until(reader, () => {
    document.querySelector('.scroller').scrollTop = 0;
    return document.querySelectorAll('.log .message').length === 150;
  });
  const parts = await log(reader).locator('.day, .text').evaluateAll((all) =>
    all.map((e) => (e.matches('.day') ? 'day' : e.textContent)));
  assert.deepEqual(parts, ['day', ...lines(40, 'line'), 'day', ...lines(150, 'line').slice(40)]);
});

test('a very long message begins folded', async (t) => {
  const page = await openPage(t, fixture, { room: 'folded' });
  const long = 'All work and no play. '.repeat(400).trim();
  await sendFromElsewhere(page, fixture.server, 'folded', [long]);
  await messages(page).waitFor();
  assert((await messages(page).locator('.text').textContent()).length < 2000);
  await page.getByRole('button', { name: 'Show all (8.8 kB)' }).click();
  assert.equal(await messages(page).locator('.text').textContent(), long);
});

test('the list is bounded in bytes, too, also while it is out of sight', async (t) => {
  const page = await openPage(t, fixture, { room: 'heavy' });
  const heavy = (from) => Array.from({ length: 100 }, (_, n) => `${from + n} ${'x'.repeat(60_000)}`);
  for (let n = 0; n < 300; n += 100) await sendFromElsewhere(page, fixture.server, 'heavy', heavy(n));
  await lastStartsWith(page, '299 ');
  // 8 MB of them.
  const count = await messages(page).count();
  assert(count > 100 && count < 140, `${count}`);
  await say(page, '/join elsewhere');
  for (let n = 300; n < 700; n += 100) await sendFromElsewhere(page, fixture.server, 'heavy', heavy(n));
  await page.getByRole('link', { name: /^heavy/ }).click();
  await lastStartsWith(page, '699 ');
  assert(await messages(page).count() < 140);
});
