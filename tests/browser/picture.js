// Draws the README's picture, tests/browser/page.png: one conversation in a real room, and the board of a plant.
// Run after the page has changed: npm run picture

import { fileURLToPath } from 'node:url';
import {
  DEVICES, field, isConnected, launch, messages, nick, post, say, startServer, tellTimes, until,
} from './support.js';

const TALK = [
  ['ben', '09:36', 'Morning! Build 217 is out: https://example.org/builds/217'],
  ['ana', '09:37', 'On it.'],
  ['cho', '09:38', '手机上也试过了，很流畅。'],
  ['deploy', '09:38', 'Build 217 is live on node-a and node-b.'],
  ['ana', '09:40', 'Looks good here, and the list scrolls much better now.\nTwo things left:\n  1. the unread count\n  2. <b>bold</b> in the help'],
  ['ben', '09:40', 'The count is done. I will write the other one after tea.'],
  ['cho', '09:41', 'Tea is ready, by the way.'],
  ['ana', '09:41', 'Coming!'],
];

const server = await startServer();
const browser = await launch();
const saidAt = (offset, at) => (TALK[offset - 1] ? Date.parse(`2026-03-02T${TALK[offset - 1][1]}:00Z`) : at);

async function enter(query, look, timeOf = saidAt) {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', deviceScaleFactor: 2, ...look });
  const page = await context.newPage();
  await tellTimes(timeOf)(page);
  await page.goto(`${server.url}?${query}`);
  await isConnected(page);
  return page;
}

const people = {
  ana: await enter('room=tea', { ...DEVICES.desktop, viewport: { width: 1160, height: 752 }, colorScheme: 'light' }),
  ben: await enter('room=tea'),
  cho: await enter('room=tea'),
  deploy: await enter('room=tea'),
};
for (const [name, page] of Object.entries(people)) await nick(page, name);
await people.ana.reload();
await isConnected(people.ana);
for (const [count, [who, , words]] of TALK.entries()) {
  await say(people[who], words);
  await messages(people.ana).nth(count).waitFor();
}
await say(people.ana, '/join kitchen');
await people.ana.goBack();
await say(people.cho, '/msg ana The biscuits are in the blue tin.');
await people.ana.getByRole('link', { name: /^cho 1/ }).waitFor();
await field(people.ben).fill('And ');
await people.ana.getByText('ben is typing').waitFor();
await people.ana.bringToFront();
await field(people.ana).focus();

/** A boiler and its neighbours, over the minute before now. */
const begin = Date.now() - 60_000;
const phoneLook = { ...DEVICES.phone, viewport: { width: 390, height: 840 }, colorScheme: 'dark' };
const board = await enter('room=plant&view=board', phoneLook, (offset) => begin + offset * 250);
for (let n = 0; n < 79; n += 1) {
  const [temp, flow, level] = [88 + 7 * Math.sin(n / 12), 320 + 20 * Math.cos(n / 5), 40 + n / 4].map((v, i) =>
    Math.round(100 * (v + Math.sin(n * (i + 7)) / 2)) / 100);
  await post(server, 'plant', temp, { key: 'boiler.temp' });
  await post(server, 'plant', flow, { key: 'feed.flow' });
  await post(server, 'plant', level, { key: 'tank.level' });
}
const hot = { alarm: 'raised', text: 'Boiler is too hot: 95.3 °C', severity: 'critical' };
const full = { alarm: 'acknowledged', text: 'Tank is nearly full', severity: 'warning', by: 'ben', raised_at: begin };
await post(server, 'plant', hot, { key: 'alarm.boiler' });
await post(server, 'plant', full, { key: 'alarm.tank' });
await board.getByText('Tank is nearly full').waitFor();
await until(board, () => document.querySelector('.chart-latest').textContent !== '–');

const shot = async (page) => `data:image/png;base64,${(await page.screenshot()).toString('base64')}`;
const [desktop, phone] = [await shot(people.ana), await shot(board)];
const sheet = await (await browser.newContext({ viewport: { width: 1268, height: 628 } })).newPage();
await sheet.setContent(`<!doctype html><style>
  body { margin: 0 }
  img { position: absolute; border-radius: 14px; outline: 1px solid #0002; box-shadow: 0 8px 24px #0002 }
</style>
<img src="${desktop}" width="894" style="left: 24px; top: 24px">
<img src="${phone}" width="270" style="left: 962px; top: 23px; border-radius: 20px">`);
await sheet.screenshot({ path: fileURLToPath(new URL('page.png', import.meta.url)), omitBackground: true });
await browser.close();
await server.stop();
