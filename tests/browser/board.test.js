// The board: numbers with a key as charts, alarms raised, acknowledged and cleared.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  anotherTab, isConnected, keepNotifications, messages, notified, openPage, post, setUp, setVisible, until,
} from './support.js';

const fixture = await setUp();
const open = async (t, room, options = {}) => {
  const page = await openPage(t, fixture, { url: `${fixture.server.url}?room=${room}&view=board`, ...options });
  await page.getByRole('region', { name: 'Board' }).waitFor();
  return page;
};
const send = (room, key, data, options) => post(fixture.server, room, data, { key, ...options });
const chart = (page, key) =>
  page.getByRole('article').filter({ has: page.getByRole('heading', { name: key, exact: true }) });
const shows = (page, key, latest) =>
  chart(page, key).locator('.chart-latest').getByText(latest, { exact: true }).waitFor();
const extremes = (page, key) => chart(page, key).locator('dd').allTextContents();
const alarm = (page, words) => page.getByRole('listitem').filter({ hasText: words });

/** How many pixels of a chart are neither grey nor faint: its line. */
const inked = (page, key) => chart(page, key).locator('canvas').evaluate((canvas) => {
  const [width, height] = [canvas.width, canvas.height];
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  let pixels = 0;
  for (let n = 0; n < data.length; n += 4) {
    const colourful = Math.max(data[n], data[n + 1], data[n + 2]) - Math.min(data[n], data[n + 1], data[n + 2]);
    if (data[n + 3] > 200 && colourful > 40) pixels += 1;
  }
  return pixels;
});

test('each number that comes with a key is a chart with its latest, least and greatest value', async (t) => {
  const page = await open(t, 'plant-1');
  await page.getByText('No live values yet').waitFor();
  await send('plant-1', 'boiler.temp', 81.2);
  await shows(page, 'boiler.temp', '81.2');
  for (const value of [79.5, 90.25, 85]) await send('plant-1', 'boiler.temp', value);
  // As curl sends it.
  await send('plant-1', 'tank.level', '42', { type: 'text/plain' });
  await send('plant-1', 'note', 'not a number', { type: 'text/plain' });
  await send('plant-1', 'object', { value: 1 });
  await shows(page, 'boiler.temp', '85');
  await shows(page, 'tank.level', '42');
  assert.deepEqual(await page.getByRole('article').getByRole('heading').allTextContents(), ['boiler.temp', 'tank.level']);
  await until(page, () => document.querySelector('.chart-extremes dd').textContent === '79.5');
  assert.deepEqual(await extremes(page, 'boiler.temp'), ['79.5', '90.25']);
  assert(await inked(page, 'boiler.temp') > 20);
  assert.equal(await page.getByText('No live values yet').isVisible(), false);
  assert.equal(await page.getByRole('textbox', { name: 'Message to' }).count(), 0);
});

test('who comes later gets what is retained, and a removed key is gone', async (t) => {
  await send('plant-2', 'a', 1);
  await send('plant-2', 'b', 2);
  await send('plant-2', 'alarm.late', { alarm: 'raised', text: 'Since before' });
  const page = await open(t, 'plant-2');
  await Promise.all([shows(page, 'a', '1'), shows(page, 'b', '2'), alarm(page, 'Since before').waitFor()]);
  await send('plant-2', 'a', null);
  await chart(page, 'a').waitFor({ state: 'detached' });
  await send('plant-2', 'alarm.late', null);
  await page.getByText('No alarms').waitFor();
  await page.reload();
  await shows(page, 'b', '2');
  assert.equal(await chart(page, 'a').count(), 0);
});

test('after a reload the charts show their whole minute, and what was said in the chat is there', async (t) => {
  await post(fixture.server, 'plant-8', 'Who is on call?');
  await send('plant-8', 'peak', 9000);
  const keys = Array.from({ length: 12 }, (_, n) => `sensor-${n}`);
  for (let round = 0; round < 40; round += 1) {
    await Promise.all([...keys.map((key) => send('plant-8', key, round)), send('plant-8', 'peak', 1)]);
  }
  const page = await open(t, 'plant-8');
  await shows(page, 'peak', '1');
  await until(page, () => document.querySelector('.chart[data-key="peak"] dd:last-of-type') !== null);
  await until(page, () => [...document.querySelectorAll('.chart[data-key="peak"] dd')].at(-1).textContent === '9,000');
  await chart(page, 'sensor-0').scrollIntoViewIfNeeded();
  await shows(page, 'sensor-0', '39');
  assert.deepEqual(await extremes(page, 'sensor-0'), ['0', '39']);
  await page.getByRole('button', { name: 'Chat' }).click();
  await messages(page).getByText('Who is on call?').waitFor();
  // The board goes on with what came while it was not shown.
  await send('plant-8', 'sensor-0', 99);
  await messages(page).getByText('99', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Board' }).click();
  await shows(page, 'sensor-0', '99');
  await until(page, () => document.querySelector('.chart[data-key="sensor-0"] dd').textContent === '0');
});

test('what clears an alarm without a word leaves its text and severity to who comes later', async (t) => {
  await send('plant-9', 'alarm.boiler', { alarm: 'raised', text: 'Boiler too hot', severity: 'critical' });
  await send('plant-9', 'alarm.boiler', { alarm: 'acknowledged', by: 'ana' });
  await send('plant-9', 'alarm.boiler', { alarm: 'cleared' });
  // The messages before it are not among the newest.
  for (let n = 0; n < 200; n += 1) await send('plant-9', `sensor-${n}`, n);
  const page = await open(t, 'plant-9');
  await alarm(page, 'Boiler too hot').getByText(/^Acknowledged by ana/).waitFor();
  await alarm(page, 'Boiler too hot').getByText(/^Cleared/).waitFor();
  assert.equal(await alarm(page, 'Boiler too hot').locator('.severity').textContent(), 'Critical');
});

test('pausing holds the picture while values come in', async (t) => {
  const page = await open(t, 'plant-3');
  await send('plant-3', 'speed', 10);
  await shows(page, 'speed', '10');
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByText('the charts stand still').waitFor();
  await send('plant-3', 'speed', 20);
  await send('plant-3', 'other', 5);
  // The other chart is there, so the value before it has come in as well.
  await chart(page, 'other').waitFor();
  assert.equal(await chart(page, 'speed').locator('.chart-latest').textContent(), '10');
  await page.getByRole('button', { name: 'Pause', pressed: true }).click();
  await shows(page, 'speed', '20');
});

test('fifty sensors are drawn, each up to its last value', async (t) => {
  const page = await open(t, 'plant-4', { viewport: { width: 1600, height: 1000 } });
  const keys = Array.from({ length: 50 }, (_, n) => `sensor-${n + 1}`);
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(keys.map((key, n) => send('plant-4', key, n + round / 100)));
  }
  await until(page, () => document.querySelectorAll('.chart').length === 50);
  for (const n of [1, 25, 50]) {
    await chart(page, `sensor-${n}`).scrollIntoViewIfNeeded();
    await shows(page, `sensor-${n}`, String(Number((n - 1 + 0.19).toPrecision(4))));
  }
  // On a wall they are on one screen, however long their names.
  await page.setViewportSize({ width: 1920, height: 1080 });
  const isWhole = await page.locator('.board').evaluate((board) => board.scrollHeight <= board.clientHeight);
  assert(isWhole, 'fifty charts on one screen');
  // In the order that people count.
  assert.deepEqual(await page.getByRole('article').getByRole('heading').allTextContents(), keys);
});

test('an alarm is raised, acknowledged by name for everyone, cleared, and removed', async (t) => {
  const [ana, ben] = [await open(t, 'plant-5'), await open(t, 'plant-5')];
  await takeName(ana, 'ana-plant');
  await send('plant-5', 'alarm.boiler', { alarm: 'raised', text: 'Boiler too hot', severity: 'critical' });
  await send('plant-5', 'alarm.door', { alarm: 'raised', text: 'Door open', severity: 'info' });
  await alarm(ben, 'Door open').waitFor();
  assert.deepEqual(await ben.getByRole('listitem').locator('.alarm-text').allTextContents(),
    ['Critical Boiler too hot', 'Information Door open']);
  await ana.getByRole('button', { name: 'Acknowledge: Boiler too hot' }).click();
  await alarm(ben, 'Boiler too hot').getByText(/^Acknowledged by ana-plant, \d\d:\d\d:\d\d$/).waitFor();
  await alarm(ben, 'Boiler too hot').getByText(/^Raised \d\d:\d\d:\d\d$/).waitFor();
  assert.equal(await alarm(ben, 'Boiler too hot').getByRole('button').count(), 0);

  const late = await anotherTab(ben);
  await alarm(late, 'Boiler too hot').getByText('Acknowledged by ana-plant').waitFor();

  await send('plant-5', 'alarm.boiler', { alarm: 'cleared' });
  await alarm(ben, 'Boiler too hot').getByText('Cleared').waitFor();
  await alarm(ben, 'Boiler too hot').getByText('Acknowledged by ana-plant').waitFor();
  await ben.getByRole('button', { name: 'Remove: Boiler too hot' }).click();
  await alarm(ana, 'Boiler too hot').waitFor({ state: 'detached' });
  // Raised once more, it is a new one.
  await send('plant-5', 'alarm.boiler', { alarm: 'raised', text: 'Boiler too hot again' });
  await ana.getByRole('button', { name: 'Acknowledge: Boiler too hot again' }).waitFor();
});

test('the links of an alarm stay with it, and lead nowhere else', async (t) => {
  const page = await open(t, 'plant-12');
  const links = [
    { text: 'Source', href: 'https://grafana.example/alert' }, { text: 'Bad', href: 'javascript:alert(1)' }, { text: 'Worse', href: 'https://a@b' },
  ];
  await send('plant-12', 'alarm.boiler', { alarm: 'raised', text: 'Boiler too hot', links });
  const row = alarm(page, 'Boiler too hot');
  await row.getByRole('link', { name: 'Source' }).waitFor();
  await row.getByRole('button', { name: 'Acknowledge' }).click();
  await row.getByText(/^Acknowledged by/).waitFor();
  await send('plant-12', 'alarm.boiler', { alarm: 'cleared' });
  for (const shown of [page, await anotherTab(page)]) {
    await alarm(shown, 'Boiler too hot').getByText(/^Cleared/).waitFor();
    const found = await alarm(shown, 'Boiler too hot').getByRole('link').all();
    assert.deepEqual(await Promise.all(found.map((it) => it.getAttribute('href'))), ['https://grafana.example/alert']);
  }
});

/** Others change an alarm, and before the page hears of it, somebody clicks. */
const clickTooLate = (page, label, room, change) => page.evaluate(([name, address, body]) => {
  const node = [...document.querySelectorAll('button')].find((it) => it.ariaLabel === name);
  const request = new XMLHttpRequest();
  request.open('POST', address, false);
  request.setRequestHeader('Content-Type', 'application/json');
  request.send(body);
  node.click();
}, [label, `/rooms/${room}?key=alarm.boiler&retain`, JSON.stringify(change)]);

test('of two who acknowledge at the same time the first counts, and the second is told who that was', async (t) => {
  const [ben, other] = [await open(t, 'plant-10'), await open(t, 'plant-10')];
  await takeName(ben, 'ben-second');
  await send('plant-10', 'alarm.boiler', { alarm: 'raised', text: 'Boiler too hot' });
  await alarm(ben, 'Boiler too hot').getByRole('button').waitFor();
  await clickTooLate(ben, 'Acknowledge: Boiler too hot', 'plant-10', { alarm: 'acknowledged', by: 'ana-first' });
  await alarm(ben, 'Boiler too hot').getByText('ana-first was first').waitFor();
  for (const page of [ben, other]) await alarm(page, 'Boiler too hot').getByText(/^Acknowledged by ana-first/).waitFor();
  // What is said then is over.
  await send('plant-10', 'alarm.boiler', { alarm: 'cleared' });
  await alarm(ben, 'Boiler too hot').getByText('Cleared').waitFor();
  assert.equal(await ben.locator('.alarm-note').count(), 0);
});

test('an alarm that is raised again is not wiped out by an older acknowledgement, nor removed', async (t) => {
  const page = await open(t, 'plant-11');
  await send('plant-11', 'alarm.boiler', { alarm: 'raised', text: 'Boiler too hot' });
  await alarm(page, 'Boiler too hot').getByRole('button').waitFor();
  await clickTooLate(page, 'Acknowledge: Boiler too hot', 'plant-11', { alarm: 'cleared' });
  await alarm(page, 'Boiler too hot').getByText('It was cleared meanwhile').waitFor();
  await alarm(page, 'Boiler too hot').getByRole('button', { name: 'Remove: Boiler too hot' }).waitFor();
  await clickTooLate(page, 'Remove: Boiler too hot', 'plant-11', { alarm: 'raised' });
  await alarm(page, 'Boiler too hot').getByText('It was raised again meanwhile').waitFor();
  await clickTooLate(page, 'Acknowledge: Boiler too hot', 'plant-11', { alarm: 'raised', text: 'Boiler too hot: 99 degrees' });
  await page.getByRole('button', { name: 'Acknowledge: Boiler too hot: 99 degrees' }).click();
  await alarm(page, '99 degrees').getByText(/^Acknowledged by guest-/).waitFor();
});

test('an alarm sounds on request until it is acknowledged, and a hidden page tells of it', async (t) => {
  const page = await open(t, 'plant-6', {
    prepare: async (p) => {
      await p.clock.install();
      await keepNotifications(p);
      await p.addInitScript(() => {
        globalThis.tones = 0;
        const { start } = OscillatorNode.prototype;
        OscillatorNode.prototype.start = function counted(...when) {
          globalThis.tones += 1;
          start.apply(this, when);
        };
      });
    },
  });
  const tones = () => page.evaluate(() => globalThis.tones);
  // It sounds every four seconds of a clock that the test moves.
  await page.clock.pauseAt(Date.now() + 60_000);
  await send('plant-6', 'alarm.a', { alarm: 'raised', text: 'First' });
  await alarm(page, 'First').waitFor();
  assert.equal(await tones(), 0);
  await page.getByRole('button', { name: 'Sound' }).click();
  assert.equal(await tones(), 2);
  await page.clock.runFor(4000);
  assert.equal(await tones(), 4);
  await page.getByRole('button', { name: 'Acknowledge: First' }).click();
  await alarm(page, 'First').getByText('Acknowledged').waitFor();
  await page.clock.runFor(8000);
  assert.equal(await tones(), 4);
  await page.getByRole('button', { name: 'Notify me' }).click();
  await page.getByRole('button', { name: 'Notify me', pressed: true }).waitFor();
  await setVisible(page, false);
  await send('plant-6', 'alarm.b', { alarm: 'raised', text: 'Second' });
  await alarm(page, 'Second').waitFor();
  assert.equal(await tones(), 6);
  assert.equal(await page.title(), '⚠ 1 plant-6 · parlor');
  assert.deepEqual(await notified(page), ['Alarm in plant-6: Second: Warning']);
  await setVisible(page, true);
  await page.getByRole('button', { name: 'Sound' }).click();
  await send('plant-6', 'alarm.c', { alarm: 'raised', text: 'Third' });
  await alarm(page, 'Third').waitFor();
  assert.equal(await tones(), 6);
});

test('chat and board are two views of one room', async (t) => {
  const page = await open(t, 'plant-7');
  await send('plant-7', 'boiler.temp', 81.2);
  await shows(page, 'boiler.temp', '81.2');
  await page.getByRole('button', { name: 'Chat' }).click();
  await messages(page).getByText('81.2').waitFor();
  assert.equal(new URL(page.url()).search, '?room=plant-7');
  await page.getByRole('button', { name: 'Board' }).click();
  await shows(page, 'boiler.temp', '81.2');
  assert.equal(new URL(page.url()).search, '?room=plant-7&view=board');
  await page.goBack();
  await messages(page).getByText('81.2').waitFor();
  await page.reload();
  await isConnected(page);
  await messages(page).getByText('81.2').waitFor();
});

test('the plant of the demonstration fills a board, and says where it is', async (t) => {
  const script = fileURLToPath(new URL('../demo/plant.py', import.meta.url));
  const plant = spawn('python3', [script, fixture.server.url], {
    env: { ...process.env, SENSORS: '7', HZ: '20' }, stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(plant, 'exit');
  const [line] = await once(createInterface(plant.stdout), 'line');
  const [, url] = /^The board: (.*)$/.exec(line);
  const page = await openPage(t, fixture, { url });
  await chart(page, 'boiler.temp').waitFor();
  await until(page, () => document.querySelectorAll('.chart').length === 7);
  const first = await chart(page, 'boiler.temp').locator('.chart-latest').textContent();
  await until(page, (before) => {
    const latest = document.querySelector('.chart[data-key="boiler.temp"] .chart-latest').textContent;
    return latest !== before && Number(latest) > 0;
  }, first);
  plant.kill('SIGINT');
  assert.deepEqual(await ended, [0, null]);
});

/** The board has no field to write in: the name is taken in its dialog. */
async function takeName(page, name) {
  await page.locator('#you').click();
  await page.getByRole('textbox', { name: 'Name', exact: true }).fill(name);
  await page.keyboard.press('Enter');
  await page.locator('#you .name').getByText(name, { exact: true }).waitFor();
}
