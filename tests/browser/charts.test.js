// Charts: how much of the past they show, which keys share one, units and thresholds, the value under the pointer, its age.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { isAccessible } from './accessible.js';
import { DEVICES, openPage, post, screenshot, setUp, until } from './support.js';

const fixture = await setUp();
const open = async (t, room, { query = '', ...options } = {}) => {
  const page = await openPage(t, fixture, { url: `${fixture.server.url}?room=${room}&view=board${query}`, expected: /willReadFrequently/, ...options });
  await page.getByRole('region', { name: 'Board' }).waitFor();
  return page;
};
const send = (room, key, data) => post(fixture.server, room, data, { key });
const chart = (page, name) => page.locator(`.chart[data-key="${name}"]`);
const names = (page) => page.locator('.chart-key').allTextContents();
const plot = (page, name) => chart(page, name).getByRole('slider');
const pressed = (page, name) => page.getByRole('button', { name, exact: true, pressed: true });

/** For `prepare`: a server that tells the numbers of the past as `told(asked)` does; `asked` are kept in a list. */
const tellPast = (told, asked = []) => (page) => page.routeWebSocket('**/ws', (socket) => {
  const server = socket.connectToServer();
  socket.onMessage((text) => {
    const command = JSON.parse(text);
    if (command.type === 'join') asked.push(command.series);
    if (command.type !== 'history' || !command.seconds) return server.send(text);
    asked.push({ seconds: command.seconds, points: command.points });
    return socket.send(JSON.stringify({ type: 'history', id: command.id, room: command.room, epoch: 'e', series: told(command) }));
  });
  server.onMessage((text) => {
    const event = JSON.parse(text);
    if (event.type === 'joined') event.series = told(asked.at(-1));
    socket.send(JSON.stringify(event));
  });
});

/** A value every `step` seconds up to now, with one peak far back. */
const wave = ({ seconds }, step) => {
  const now = Date.now();
  const points = Array.from({ length: Math.floor(seconds / step) }, (_, n) => [now - 1000 * (seconds - n * step), 20 + Math.sin(n / 9)]);
  points[Math.floor(points.length / 3)][1] = 90;
  return points;
};

/** In which tenths of its width a chart has a line. */
const tenths = (page, name) => chart(page, name).locator('canvas').evaluate((canvas) => {
  const { width, height } = canvas;
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  const inked = new Set();
  for (let n = 0; n < data.length; n += 4) {
    const [r, g, b, a] = data.slice(n, n + 4);
    if (a > 200 && Math.max(r, g, b) - Math.min(r, g, b) > 40) inked.add(Math.floor(10 * ((n / 4) % width) / (width - 46)));
  }
  return [...inked].filter((tenth) => tenth < 10).sort((a, b) => a - b);
});
const drawnAgain = (page) => page.evaluate(() => new Promise((resolve) => {
  requestAnimationFrame(() => requestAnimationFrame(resolve));
}));
const ALL = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

test('a window is asked for, painted at once, and still there after a reload', async (t) => {
  const asked = [];
  const told = ({ seconds }) => [{ key: 'boiler.temp', points: wave({ seconds }, seconds / 900) }];
  await send('windows', 'boiler.temp', 20);
  const page = await open(t, 'windows', { prepare: tellPast(told, asked) });
  await pressed(page, '1 min').waitFor();
  assert.deepEqual(asked, [{ seconds: 65, points: 1000 }]);
  for (const [name, query, seconds] of [['5 min', '5m', 325], ['1 h', '1h', 3900], ['24 h', '24h', 93_600]]) {
    await page.getByRole('button', { name, exact: true }).click();
    await pressed(page, name).waitFor();
    assert.deepEqual(asked.at(-1), { seconds, points: 1000 });
    assert.equal(new URL(page.url()).search, `?room=windows&view=board&window=${query}`);
    await chart(page, 'boiler.temp').locator('dd').getByText('90', { exact: true }).waitFor();
    assert.deepEqual(await tenths(page, 'boiler.temp'), ALL);
  }
  await page.reload();
  await chart(page, 'boiler.temp').locator('dd').getByText('90', { exact: true }).waitFor();
  assert.deepEqual(asked.at(-1), { seconds: 93_600, points: 1000 });
  assert.deepEqual(await tenths(page, 'boiler.temp'), ALL);
  await screenshot(page, 'board-window');
  // The browser remembers it for this room.
  await page.goto(`${fixture.server.url}?room=windows&view=board`);
  await pressed(page, '24 h').waitFor();
});

test('of very many keys, those in view are asked for a few at a time, and the others when they come into view', async (t) => {
  const names = Array.from({ length: 200 }, (_, n) => `unit-${n}`);
  await Promise.all(names.map((name) => send('many', name, 20)));
  const wanted = [];
  let askedAgain;
  const again = new Promise((resolve) => { askedAgain = resolve; });
  const told = ({ seconds, keys = [] }) => {
    wanted.push(...keys);
    assert(keys.length <= 8, keys);
    if (seconds > 300 && keys.includes('unit-0')) askedAgain();
    return keys.map((key) => ({ key, points: wave({ seconds }, seconds / 900) }));
  };
  const page = await open(t, 'many', { prepare: tellPast(told) });
  await chart(page, 'unit-0').locator('dd').getByText('90', { exact: true }).waitFor({ state: 'attached' });
  assert.deepEqual(await tenths(page, 'unit-0'), ALL);
  assert(!wanted.includes('unit-199'), 'it is far out of view');
  await chart(page, 'unit-199').scrollIntoViewIfNeeded();
  await chart(page, 'unit-199').locator('dd').getByText('90', { exact: true }).waitFor({ state: 'attached' });
  assert.equal(new Set(wanted).size, wanted.length, 'each is asked for once');
  await chart(page, 'unit-0').scrollIntoViewIfNeeded();
  await page.getByRole('button', { name: '5 min', exact: true }).click();
  await again;
});

test('a server that tells nothing of the past in between leaves what has come', async (t) => {
  await send('no-past', 'a', 7);
  const page = await open(t, 'no-past');
  await chart(page, 'a').locator('.chart-latest').getByText('7').waitFor();
  await page.getByRole('button', { name: '1 h', exact: true }).click();
  await pressed(page, '1 h').waitFor();
  await send('no-past', 'a', 9);
  await chart(page, 'a').locator('dd').getByText('9').waitFor();
  assert.deepEqual(await chart(page, 'a').locator('dd').allTextContents(), ['7', '9']);
});

test('keys are put into one chart, by choice, by dragging, by prefix, and taken apart again', async (t) => {
  for (const [key, value] of Object.entries({ 'boiler.temp': 80, 'boiler.flow': 320, 'feed.temp': 75, single: 1 })) {
    await send('together', key, value);
  }
  const page = await open(t, 'together');
  await chart(page, 'single').waitFor();
  await page.getByRole('button', { name: 'More about this chart: boiler.temp' }).click();
  const dialog = page.getByRole('dialog', { name: 'boiler.temp' });
  await isAccessible(page, 'the dialog of a chart');
  await dialog.getByRole('checkbox', { name: 'feed.temp' }).check();
  await page.getByRole('button', { name: 'Close' }).click();
  const temps = chart(page, 'boiler.temp + feed.temp');
  await temps.getByText('75', { exact: true }).waitFor();
  assert.deepEqual(await temps.locator('.chart-listed-key').allTextContents(), ['boiler.temp', 'feed.temp']);
  assert.deepEqual(await names(page), ['boiler.flow', 'boiler.temp + feed.temp', 'single']);
  await isAccessible(page, 'several keys in a chart');
  await page.reload();
  await temps.waitFor();
  await chart(page, 'single').locator('.chart-head').dragTo(temps);
  await chart(page, 'boiler.temp + feed.temp + single').waitFor();
  await page.getByRole('button', { name: 'Group' }).click();
  await page.getByRole('button', { name: 'More about this chart: boiler.temp, feed.temp, single' }).click();
  for (const key of ['feed.temp', 'single']) await page.getByRole('checkbox', { name: key }).uncheck();
  await page.keyboard.press('Escape');
  await until(page, () => document.querySelectorAll('.chart').length === 3);
  assert.deepEqual(await names(page), ['boiler.*', 'feed.temp', 'single']);
  await page.getByRole('button', { name: 'Group' }).click();
  assert.deepEqual(await names(page), ['boiler.flow', 'boiler.temp', 'feed.temp', 'single']);
});

test('units and thresholds are told by the room, of a key or of many, and what passes one looks so', async (t) => {
  await send('described', 'chart.*.temp', { unit: '°C', thresholds: [{ above: 90, severity: 'critical' }, { below: 10 }] });
  await send('described', 'boiler.temp', 81.5);
  await send('described', 'oven.temp', 95);
  await send('described', 'flow', 3);
  const page = await open(t, 'described');
  await chart(page, 'boiler.temp').locator('.chart-unit').getByText('°C').waitFor();
  await until(page, () => document.querySelector('.chart[data-key="oven.temp"]').classList.contains('passed-critical'));
  assert.equal(await chart(page, 'flow').locator('.chart-unit').textContent(), '');
  const isRed = () => chart(page, 'boiler.temp').locator('canvas').evaluate((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let n = 0; n < data.length; n += 4) if (data[n] > 150 && data[n + 1] < 80 && data[n + 2] < 80 && data[n + 3] > 150) count += 1;
    return count > 40;
  });
  assert(await isRed(), 'the threshold is drawn');
  // The key itself says more than a pattern.
  await send('described', 'chart.boiler.temp', { thresholds: [] });
  await drawnAgain(page);
  assert(!await isRed());
  assert.equal(await chart(page, 'boiler.temp').locator('.chart-unit').textContent(), '°C');
  await send('described', 'oven.temp', 5);
  await until(page, () => document.querySelector('.chart[data-key="oven.temp"]').classList.contains('passed-warning'));
  for (const wrong of [{ unit: 7, thresholds: 'many' }, { thresholds: [null, { above: 'x' }] }, [], 'text', null]) {
    await send('described', 'chart.flow', wrong);
  }
  await send('described', 'flow', 4);
  await chart(page, 'flow').locator('.chart-latest').getByText('4').waitFor();
});

test('the exact value and time are read with the mouse, a finger and the keyboard', async (t) => {
  const now = Date.now();
  const points = [[now - 50_000, 1.23456789], [now - 30_000, 2.5], [now - 10_000, 1234.5678]];
  const prepare = tellPast(() => [{ key: 'a', points }]);
  await send('reading', 'a', 3);
  const clock = (at) => new RegExp(`${new Date(at).toISOString().slice(17, 23)}$`);
  const page = await open(t, 'reading', { prepare });
  const reading = chart(page, 'a').locator('.chart-reading');
  await page.getByRole('button', { name: 'Pause' }).click();
  await chart(page, 'a').locator('dd').getByText('1,235').waitFor();
  const { x, y, width } = await plot(page, 'a').boundingBox();
  const across = (width - 46) / 60;
  await page.mouse.move(x + across * 10, y + 20);
  await reading.getByText('1.23456789').waitFor();
  assert.match(await reading.locator('time').textContent(), clock(points[0][0]));
  await page.mouse.move(x + across * 33, y + 20);
  await reading.getByText('2.5').waitFor();
  await page.mouse.move(0, 0);
  await reading.waitFor({ state: 'hidden' });
  await plot(page, 'a').focus();
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  await reading.getByText('1,234.5678').waitFor();
  assert.match(await plot(page, 'a').getAttribute('aria-valuetext'), /^1,234\.5678 +\d\d:\d\d:\d\d\.\d{3}$/);
  await page.keyboard.press('ArrowLeft');
  await reading.getByText('2.5').waitFor();
  await page.keyboard.press('Escape');
  await reading.waitFor({ state: 'hidden' });
  await isAccessible(page, 'a chart that is read');
  const phone = await open(t, 'reading', { prepare, ...DEVICES.phone });
  await chart(phone, 'a').locator('dd').getByText('1,235').waitFor();
  const box = await plot(phone, 'a').boundingBox();
  await phone.touchscreen.tap(box.x + (box.width - 46) / 2, box.y + 20);
  await chart(phone, 'a').locator('.chart-reading').getByText('2.5').waitFor();
});

test('values are saved as they are, in a form that spreadsheets take', async (t) => {
  await send('saved', 'chart.a', { unit: '°C, "wet"' });
  await send('saved', 'a', 1.5);
  await send('saved', '=b', 2);
  const page = await open(t, 'saved');
  await chart(page, '=b').waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()]);
  assert.match(download.suggestedFilename(), /^saved \d{4}-\d\d-\d\dT\d\d[._]\d\d[._]\d\d\.csv$/);
  const lines = (await readFile(await download.path(), 'utf8')).split('\r\n');
  const time = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z';
  assert.equal(lines[0], 'time,key,value,unit');
  assert.match(lines[1], new RegExp(`^${time},'=b,2,$`));
  assert.match(lines[2], new RegExp(`^${time},a,1\\.5,"°C, ""wet"""$`));
  assert.equal(lines.length, 4);
});

test('the board fills the screen of a wall', async (t) => {
  for (let n = 0; n < 6; n += 1) await send('wall', `sensor-${n}`, n);
  const page = await open(t, 'wall', { viewport: { width: 1920, height: 1080 } });
  await chart(page, 'sensor-5').waitFor();
  await page.getByRole('button', { name: 'Full screen' }).click();
  await until(page, () => document.fullscreenElement?.classList.contains('board'));
  await until(page, () => document.querySelector('.chart').getBoundingClientRect().height > 300);
  assert(await page.evaluate(() => document.elementFromPoint(10, 10).closest('.board') !== null));
  await page.getByRole('button', { name: 'Full screen' }).click();
  await until(page, () => document.fullscreenElement === null);
});

test('every value says how old it is, and looks stale when the next one is late', async (t) => {
  await send('ages', 'plain', 1);
  await send('ages', 'late', 2);
  await send('ages', 'silent', 3);
  // The server tells what is expected, and that nothing came.
  const page = await open(t, 'ages', {
    prepare: (p) => p.routeWebSocket('**/ws', (socket) => {
      socket.connectToServer().onMessage((text) => {
        const event = JSON.parse(text);
        for (const message of event.retained ?? []) {
          message.at -= 100_000;
          if (message.key === 'late') message.expect = 60;
        }
        if (event.type === 'joined') [event.series, event.messages] = [[], []];
        socket.send(JSON.stringify(event));
      });
    }),
  });
  const isStale = (key) => chart(page, key).evaluate((node) => node.classList.contains('stale'));
  for (const key of ['plain', 'late', 'silent']) await chart(page, key).getByText(/^1 min ago$/).waitFor();
  assert.deepEqual([await isStale('plain'), await isStale('late'), await isStale('silent')], [false, true, false]);
  await send('ages', 'alarm.silent', { alarm: 'raised', text: 'silent', severity: 'warning', silent_after: 3 });
  await until(page, () => document.querySelector('.chart[data-key="silent"]').classList.contains('stale'));
  await isAccessible(page, 'stale values');
  await send('ages', 'alarm.silent', { alarm: 'cleared' });
  await send('ages', 'late', 5);
  await until(page, () => document.querySelectorAll('.chart.stale').length === 0);
  await chart(page, 'late').getByText('now').waitFor();
  // Nothing more comes, and it grows older.
  await chart(page, 'late').getByText(/^[23] sec ago$/).waitFor();
});
