// The search: messages of a room by their words, in a list, and one of them among its neighbours.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isAccessible } from './accessible.js';
import { LOOKS, launch, openPage, post, screenshot, startServer } from './support.js';

const browser = await launch();
after(() => browser.close());

const dialog = (page) => page.getByRole('dialog', { name: 'Search in tea' });
const results = (page) => dialog(page).getByRole('listitem');

async function kept(t) {
  const folder = await mkdtemp(join(tmpdir(), 'parlor-search-'));
  const server = await startServer({ args: ['--data', folder] });
  t.after(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });
  return server;
}

test('a message is found by its words and shown in its place', async (t) => {
  const server = await kept(t);
  for (let n = 1; n <= 60; n += 1) await post(server, 'tea', `number ${n}`);
  await post(server, 'tea', '我们明天去东京塔');
  const page = await openPage(t, { browser, server }, { room: 'tea' });
  await page.getByRole('log').locator('.message').last().waitFor();
  await page.locator('.scroller:visible').focus();
  await page.keyboard.press('/');
  await dialog(page).getByRole('searchbox').fill('number 7');
  await dialog(page).getByText('1 message', { exact: true }).waitFor();
  assert.deepEqual(await results(page).locator('mark').allTextContents(), ['number', '7']);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  const hit = dialog(page).locator('.hit');
  await hit.getByText('number 7', { exact: true }).waitFor();
  await dialog(page).getByText('number 8', { exact: true }).waitFor();
  await dialog(page).getByRole('button', { name: 'Back to the results' }).click();
  await dialog(page).getByRole('searchbox').fill('东京');
  await results(page).getByText('我们明天去东京塔').waitFor();
  await dialog(page).getByRole('searchbox').fill('nowhere');
  await dialog(page).getByText('Nothing was found.').waitFor();
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'hidden' });
});

test('marked are the words that were found, however they are written, and nothing else', async (t) => {
  const server = await kept(t);
  await post(server, 'tea', 'Steam, and a long way to the CRÈME brûlée of last year');
  await post(server, 'tea', '明天去东京塔，后天也去东京');
  await post(server, 'tea', { note: 'x'.repeat(300), what: 'the teapot' });
  await post(server, 'tea', 'Steam rises from the tea of the team');
  const page = await openPage(t, { browser, server }, { room: 'tea' });
  await page.getByRole('button', { name: 'Search', exact: true }).click();
  const marks = async (words, count) => {
    // The list of the words before is gone first.
    await dialog(page).getByRole('searchbox').fill('');
    await dialog(page).getByText('Type words').waitFor();
    await dialog(page).getByRole('searchbox').fill(words);
    await dialog(page).getByText(count, { exact: true }).waitFor();
    return results(page).locator('mark').allTextContents();
  };
  assert.deepEqual(await marks('creme bru', '1 message'), ['CRÈME', 'brû']);
  assert.deepEqual(await marks('东京', '1 message'), ['东京', '东京']);
  assert.deepEqual(await marks('tea', '2 messages'), ['tea', 'tea', 'tea']);
});

test('earlier results follow, and the keys of an input method are left to it', async (t) => {
  const server = await kept(t);
  for (let n = 1; n <= 40; n += 1) await post(server, 'tea', `number ${n}`);
  const page = await openPage(t, { browser, server }, { room: 'tea' });
  const button = page.getByRole('button', { name: 'Search', exact: true });
  await button.focus();
  await page.keyboard.press('Enter');
  await dialog(page).getByRole('searchbox').fill('number');
  await dialog(page).getByText('The newest 30 messages').waitFor();
  const isTaken = await dialog(page).getByRole('searchbox').evaluate((field) => !field.dispatchEvent(
    new KeyboardEvent('keydown', { key: 'ArrowDown', isComposing: true, bubbles: true, cancelable: true })));
  assert.equal(isTaken, false);
  // Who looks at one and comes back finds the way to more again.
  await results(page).first().getByRole('button').click();
  await dialog(page).getByRole('button', { name: 'Back to the results' }).click();
  await dialog(page).getByRole('button', { name: 'Earlier ones' }).click();
  await dialog(page).getByText('40 messages', { exact: true }).waitFor();
  assert.equal(await results(page).count(), 40);
  assert.match(await page.evaluate(() => document.activeElement.textContent), /number 10$/);
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'hidden' });
  assert.equal(await page.evaluate(() => document.activeElement.id), 'search-open');
});

test('a server without a disk says so', async (t) => {
  const server = await startServer();
  t.after(() => server.stop());
  const page = await openPage(t, { browser, server }, { room: 'tea' });
  await page.getByRole('button', { name: 'Search', exact: true }).click();
  await dialog(page).getByRole('searchbox').fill('tea');
  await dialog(page).getByText('This server keeps no messages on disk').waitFor();
});

for (const { name, ...look } of LOOKS) {
  test(`the search on ${name}`, async (t) => {
    const server = await kept(t);
    for (let n = 1; n <= 40; n += 1) await post(server, 'tea', `The kettle is on for the ${n}th time`);
    const page = await openPage(t, { browser, server }, { room: 'tea', ...look });
    await page.getByRole('button', { name: 'Search', exact: true }).click();
    await dialog(page).getByRole('searchbox').fill('kettle');
    await results(page).last().waitFor();
    await screenshot(page, `${name}-search`);
    await isAccessible(page, `${name}, search`);
    await results(page).nth(5).getByRole('button').click();
    await dialog(page).locator('.hit').waitFor();
    await screenshot(page, `${name}-found`);
    await isAccessible(page, `${name}, found`);
  });
}
