// What a board must not tell wrongly: gaps, ages, alarms noticed elsewhere, and what was forgotten.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isConnected, keepNotifications, messages, nick, notified, openPage, post, say, sayAndSee, setUp, setVisible, startServer,
  texts, until,
} from './support.js';

const fixture = await setUp();
const board = (t, room, options) => openPage(t, fixture, { url: `${fixture.server.url}?room=${room}&view=board`, ...options });
const send = (room, key, data) => post(fixture.server, room, data, { key });
const chart = (page, key) =>
  page.getByRole('article').filter({ has: page.getByRole('heading', { name: key, exact: true }) });

/** For `prepare`: messages are told to be older than the first of them, by what their value says in seconds. */
const age = (page) => page.routeWebSocket('**/ws', (socket) => {
  let moment;
  socket.connectToServer().onMessage((text) => {
    socket.send(text.replaceAll(/"at":\d+([^}]*\}[^}]*"data":)([1-9]\d*)\b/g, (all, between, seconds) => {
      moment ??= Date.now();
      return `"at":${moment - 1000 * Number(seconds)}${between}${seconds}`;
    }));
  });
});

/** Which parts of a chart's width have a line, from the oldest on: in the middle of each tenth of what is drawn. */
const drawn = (page, key) => chart(page, key).locator('canvas').evaluate((canvas) => {
  const { width, height } = canvas;
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  // A line that lies between two pixels is faint in both.
  const isInked = (middle) => {
    for (let n = 0; n < 9 * height; n += 1) {
      const pixel = 4 * (Math.floor(n / 9) * width + middle - 4 + n % 9);
      const [r, g, b, a] = data.slice(pixel, pixel + 4);
      if (a > 100 && Math.max(r, g, b) - Math.min(r, g, b) > 40) return true;
    }
    return false;
  };
  const right = width - 46 * devicePixelRatio;
  return Array.from({ length: 10 }, (_, n) => isInked(Math.floor((n + 0.5) * right / 10)));
});

test('a hole in the values is a gap, and a silent sensor has an age', async (t) => {
  const page = await board(t, 'gaps', { prepare: age });
  // However long it takes to send the others, the charts stand still.
  await send('gaps', 'now', 0);
  await chart(page, 'now').locator('.chart-latest').getByText('0', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  for (let seconds = 58; seconds > 40; seconds -= 1) await send('gaps', 'pump', seconds);
  for (let seconds = 25; seconds > 9; seconds -= 1) await send('gaps', 'pump', seconds);
  await send('gaps', 'last', 1);
  await chart(page, 'last').waitFor();
  await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); }));
  const inked = await drawn(page, 'pump');
  assert.deepEqual([inked[1], inked[4], inked[7], inked[9]], [true, false, true, false], JSON.stringify(inked));
  await page.getByRole('button', { name: 'Pause', pressed: true }).click();
  await chart(page, 'pump').locator('.chart-latest').getByText('10', { exact: true }).waitFor();
  await chart(page, 'pump').getByText(/^\d+ (sec|min) ago$/).waitFor();
  await send('gaps', 'pump', 0);
  await chart(page, 'pump').getByText(/^(now|\d sec ago)$/).waitFor();
});

test('what the room retains from long ago is the latest value, with its age, and no line', async (t) => {
  await send('old-values', 'tank', 7200);
  const page = await board(t, 'old-values', { prepare: age });
  await chart(page, 'tank').getByText('2 hr ago').waitFor();
  assert.equal(await chart(page, 'tank').locator('.chart-latest').textContent(), '7,200');
  assert.deepEqual(await chart(page, 'tank').locator('dd').allTextContents(), ['–', '–']);
  assert(!(await drawn(page, 'tank')).includes(true));
});

test('an alarm is noticed in every room and view, and reads as an alarm in the conversation', async (t) => {
  const page = await openPage(t, fixture, { room: 'plant-a', prepare: keepNotifications });
  await say(page, '/join tea-a');
  await page.getByRole('heading', { level: 1, name: '# tea-a' }).waitFor();
  await page.getByRole('button', { name: 'Notify me' }).click();
  await setVisible(page, false);
  await send('plant-a', 'alarm.boiler', { alarm: 'raised', text: 'Boiler is too hot', severity: 'critical' });
  await until(page, () => globalThis.notified.length > 0);
  assert.deepEqual(await notified(page), ['Alarm in plant-a: Boiler is too hot: Critical']);
  assert.equal(await page.title(), '⚠ 1 tea-a · parlor');
  await setVisible(page, true);
  const link = page.getByRole('navigation').getByRole('link', { name: /plant-a/ });
  assert.match(await link.textContent(), /1 unacknowledged alarms/);
  await link.click();
  // Its chat tells of it, and so does the button of its board.
  assert.match(await page.getByRole('button', { name: 'Board' }).textContent(), /1/);
  await messages(page).getByText('Alarm raised').waitFor();
  assert.deepEqual(await texts(page), ['Critical Boiler is too hot']);
  await send('plant-a', 'alarm.boiler', { alarm: 'cleared' });
  await messages(page).getByText('Alarm cleared').waitFor();
  assert.deepEqual(await texts(page), ['Critical Boiler is too hot', 'Critical Boiler is too hot']);
  assert.equal(await page.title(), 'plant-a · parlor');
  await send('plant-a', 'alarm.boiler', null);
  await messages(page).getByText('alarm.boiler was removed').waitFor();
});

test('after a restart the board says that it has forgotten, and after a reload too', async (t) => {
  const server = await startServer();
  t.after(() => fixture.own?.stop());
  const page = await openPage(t, { ...fixture, server }, {
    url: `${server.url}?room=plant&view=board`, expected: /WebSocket connection|ERR_CONNECTION/,
  });
  const says = (data) => post({ url: server.url }, 'plant', data, { key: 'alarm.boiler' });
  await says({ alarm: 'raised', text: 'Boiler is too hot' });
  await page.getByRole('listitem').filter({ hasText: 'Boiler is too hot' }).waitFor();
  await server.stop();
  await page.getByRole('button', { name: 'Try now' }).waitFor();
  fixture.own = await startServer({ port: server.port });
  // The page may have come back by itself meanwhile.
  await page.getByRole('button', { name: 'Try now' }).click({ timeout: 2_000 }).catch(() => {});
  const sentence = page.getByText(/^This room began anew at \d\d:\d\d:\d\d, as after a restart of the server\. What was raised before is not known any more\.$/);
  await sentence.waitFor();
  await page.getByText('No alarms since then').waitFor();
  await page.reload();
  await isConnected(page);
  await sentence.waitFor();
});

test('who has a new name is told before what they say by it', async (t) => {
  const [ana, ben] = [await openPage(t, fixture, { room: 'renamed' }), await openPage(t, fixture, { room: 'renamed' })];
  await until(ana, () => document.getElementById('people-count').textContent === '2');
  const guest = await ben.locator('#you .name').textContent();
  await nick(ben, 'Ben');
  await sayAndSee(ben, 'It is me', [ana]);
  await ana.getByText(`${guest} is now Ben`).waitFor();
  const lines = await ana.locator('.log > .notice, .log > .message').allTextContents();
  assert(lines.findIndex((line) => line.includes('is now Ben')) < lines.findIndex((line) => line.includes('It is me')), lines.join('|'));
});
