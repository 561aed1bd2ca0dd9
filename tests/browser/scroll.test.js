// The conversation follows its end until the reader leaves it, and stays bounded.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEVICES, log, messages, openPage, say, sayAndSee, sendFromElsewhere, setUp, until } from './support.js';

const fixture = await setUp();
const lines = (n, word) => Array.from({ length: n }, (_, i) => `${word} ${i + 1}`);
const lastIs = (page, text) => until(page, (expected) =>
  [...document.querySelectorAll('#log .message .text')].at(-1)?.textContent === expected, text);
const fromEnd = (page) => page.locator('#scroller').evaluate((s) => s.scrollHeight - s.scrollTop - s.clientHeight);
const top = (page, text) => messages(page).getByText(text, { exact: true }).evaluate((m) => m.getBoundingClientRect().top);
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
  await until(reader, () => document.getElementById('scroller').scrollTop === 0);
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
  await page.locator('#scroller').evaluate((s) => { s.scrollTop = 0; });
  await jump(page, 'To the latest').waitFor();
  await say(page, 'mine');
  await lastIs(page, 'mine');
  await until(page, () => { const s = document.getElementById('scroller'); return s.scrollHeight - s.scrollTop - s.clientHeight < 2; });
  await page.getByRole('textbox', { name: 'Message to' }).fill('a\nb\nc\nd\ne');
  await until(page, () => { const s = document.getElementById('scroller'); return s.scrollHeight - s.scrollTop - s.clientHeight < 2; });
});

test('the list is bounded, and the reader keeps the place while it is cut', async (t) => {
  const page = await openPage(t, fixture, { room: 'long' });
  await sendFromElsewhere(page, fixture.server, 'long', lines(900, 'line'));
  await lastIs(page, 'line 900');
  await messages(page).getByText('line 700', { exact: true }).scrollIntoViewIfNeeded();
  await jump(page, 'To the latest').waitFor();
  const place = await top(page, 'line 700');
  await sendFromElsewhere(page, fixture.server, 'long', lines(400, 'more'));
  await lastIs(page, 'more 400');
  assert.equal(await log(page).locator('> *').count(), 1000);
  assert(Math.abs(await top(page, 'line 700') - place) < 1);
  await page.getByText('Earlier messages are no longer shown').waitFor({ state: 'attached' });
  await jump(page, '400 new messages').waitFor();
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
