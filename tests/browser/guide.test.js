// The guide in a browser: its looks, on phone and desktop, in light and dark, and the way to it from the page.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAccessible } from './accessible.js';
import { LOOKS, log, openPage, say, screenshot, setUp } from './support.js';

const fixture = await setUp();
const PAGES = { '': 'The parlor guide', '/flags': 'Flags', '/tokens': 'Tokens', '/websocket': 'WebSocket', '/performance': 'Performance' };
const open = (t, path, look) => openPage(t, fixture, { url: `${fixture.server.url}guide${path}`, connected: false, ...look });

for (const { name, ...look } of LOOKS) {
  test(`the guide on ${name}`, async (t) => {
    for (const [path, title] of Object.entries(PAGES)) {
      const page = await open(t, path, look);
      await page.getByRole('heading', { level: 1, name: title }).waitFor();
      const { width, widest } = await page.evaluate(() =>
        ({ width: document.documentElement.clientWidth, widest: document.documentElement.scrollWidth }));
      assert.equal(widest, width, `${path}: only tables and code are scrolled sideways`);
      await screenshot(page, `guide${path.replace('/', '-')}-${name}`);
      await isAccessible(page, `${name}, ${title}`);
      const contents = page.getByRole('navigation', { name: 'Pages of the guide' });
      if (path) assert.equal(await contents.locator('[aria-current=page]').count(), 1);
      if (look.isMobile) {
        await page.getByRole('link', { name: 'All pages' }).click();
        await page.waitForFunction(() => document.getElementById('contents').getBoundingClientRect().top < innerHeight);
      } else {
        assert.equal(await page.getByRole('link', { name: 'All pages' }).isVisible(), false);
      }
    }
  });
}

test('one page leads to the next, and a section has an address', async (t) => {
  const page = await open(t, '');
  await page.getByRole('link', { name: 'Next Start a server' }).click();
  await page.getByRole('heading', { level: 1, name: 'Start a server' }).waitFor();
  await page.getByRole('navigation', { name: 'Pages of the guide' }).getByRole('link', { name: 'Install it' }).click();
  await page.waitForURL('**/guide/start#install-it');
  await page.getByRole('article').getByRole('link', { name: 'Rooms and messages' }).click();
  await page.getByRole('heading', { level: 1, name: 'Rooms and messages' }).waitFor();
  await page.getByRole('link', { name: 'Chat', exact: true }).click();
  await page.locator('#status[data-phase=open]').waitFor();
});

test('the page leads to the guide, in a tab of its own', async (t) => {
  const page = await openPage(t, fixture, { room: 'lost' });
  await say(page, '/help');
  for (const link of [
    page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name: 'Guide' }),
    log(page).getByRole('link', { name: 'The guide explains the rest' }),
  ]) {
    const [opened] = await Promise.all([page.context().waitForEvent('page'), link.click()]);
    await opened.getByRole('heading', { level: 1, name: 'The parlor guide' }).waitFor();
    await opened.close();
  }
});
