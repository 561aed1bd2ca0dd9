// Draws the README's picture, tests/browser/page.png: one conversation in a real room, seen by two of three people.
// Run after the page has changed: npm run picture

import { fileURLToPath } from 'node:url';
import { DEVICES, field, isConnected, launch, messages, say, startServer } from './support.js';

const TALK = [
  ['ben', '09:36', 'Morning! Build 217 is out: https://example.org/builds/217'],
  ['ana', '09:37', 'On it.'],
  ['cho', '09:38', '手机上也试过了，很流畅。'],
  ['script', '09:38', 'deploy: build 217 is live on node-a and node-b\n'],
  ['ana', '09:40', 'Looks good here, and the list scrolls much better now.\nTwo things left:\n  1. the unread count\n  2. <b>bold</b> in the help'],
  ['ben', '09:40', 'The count is done. I will write the other one after tea.'],
  ['cho', '09:41', 'Tea is ready, by the way.'],
  ['ana', '09:41', 'Coming!'],
];

const server = await startServer();
const browser = await launch();

async function enter(look) {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', deviceScaleFactor: 2, ...look });
  const page = await context.newPage();
  await page.goto(`${server.url}?room=tea`);
  await isConnected(page);
  return page;
}

const people = {
  ana: await enter({ ...DEVICES.desktop, viewport: { width: 920, height: 752 }, colorScheme: 'light' }),
  ben: await enter({ ...DEVICES.phone, viewport: { width: 390, height: 802 }, colorScheme: 'dark' }),
  cho: await enter({}),
  script: await enter({}),
};
for (const [count, [who, time, words]] of TALK.entries()) {
  await Promise.all(Object.values(people).map((page) => page.clock.setFixedTime(`2026-03-02T${time}:00Z`)));
  await say(people[who], words);
  await Promise.all(Object.values(people).map((page) => messages(page).nth(count).waitFor()));
}
await people.ana.bringToFront();
await field(people.ana).focus();

const shot = async (page) => `data:image/png;base64,${(await page.screenshot()).toString('base64')}`;
const [desktop, phone] = [await shot(people.ana), await shot(people.ben)];
const sheet = await (await browser.newContext({ viewport: { width: 1268, height: 748 } })).newPage();
await sheet.setContent(`<!doctype html><style>
  body { margin: 0 }
  img { position: absolute; border-radius: 14px; outline: 1px solid #0002; box-shadow: 0 8px 24px #0002 }
</style>
<img src="${desktop}" width="856" style="left: 24px; top: 24px">
<img src="${phone}" width="340" style="left: 904px; top: 24px; border-radius: 24px">`);
await sheet.screenshot({ path: fileURLToPath(new URL('page.png', import.meta.url)), omitBackground: true });
await browser.close();
await server.stop();
