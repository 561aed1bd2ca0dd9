// One chart alone: as a page of its own, and in a page of somebody else who is allowed to show it.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { test } from 'node:test';
import { launch, openPage, post, setUp, startServer } from './support.js';

const fixture = await setUp();

test('a chart alone has nothing around it, and changes nothing that the browser remembers', async (t) => {
  const { server } = fixture;
  for (const key of ['boiler.temp', 'boiler.flow', 'feed.temp']) await post(server, 'plant', 80, { key });
  await post(server, 'plant', { alarm: 'raised', text: 'Too hot' }, { key: 'alarm.boiler' });
  const page = await openPage(t, fixture, { room: 'tea' });
  const show = async (query) => {
    await page.goto(`${server.url}?room=plant&view=board${query}`);
    await page.locator('.chart-latest, .chart-listed-latest').first().getByText('80').waitFor();
    return page.locator('.chart-key').allTextContents();
  };
  assert.deepEqual(await show('&key=boiler.temp'), ['boiler.temp']);
  const remembered = await page.evaluate(() => localStorage.getItem('parlor.rooms'));
  assert.match(remembered, /"tea"/);
  for (const hidden of [page.getByRole('banner'), page.getByRole('navigation'), page.getByText('Too hot'), page.getByRole('button', { name: 'Board' })]) {
    assert.equal(await hidden.isVisible(), false);
  }
  const { height } = await page.locator('.chart').boundingBox();
  assert(height > 700, `${height} px of 800`);
  assert.deepEqual(await show('&key=boiler.temp&key=feed.temp'), ['boiler.temp + feed.temp']);
  assert.deepEqual(await show('&key=boiler.*'), ['boiler.flow', 'boiler.temp']);
  assert.deepEqual(await show('&key=*'), ['boiler.flow', 'boiler.temp', 'feed.temp']);
  assert.equal(await page.evaluate(() => localStorage.getItem('parlor.rooms')), remembered);
});

test('a page of an origin that is allowed shows a chart, and nothing else of this server', async (t) => {
  const outer = createServer((request, response) => {
    const address = new URL(request.url, 'http://outer').searchParams.get('show');
    response.setHeader('content-type', 'text/html').end(`<title>outer</title><iframe width="480" height="260" src="${address}"></iframe>`);
  }).listen(0, '127.0.0.1');
  await once(outer, 'listening');
  const origin = `http://127.0.0.1:${outer.address().port}`;
  const [allowing, refusing] = [await startServer({ args: ['--allow-origin', origin] }), await startServer()];
  const browser = await launch();
  t.after(async () => {
    await browser.close();
    outer.close();
    await Promise.all([allowing.stop(), refusing.stop()]);
  });
  const page = await browser.newPage();
  const inside = async (server, query) => {
    await post(server, 'plant', 80, { key: 'boiler.temp' });
    await page.goto(`${origin}/?show=${encodeURIComponent(`${server.url}?room=plant&${query}`)}`);
    return page.frameLocator('iframe');
  };
  const chart = await inside(allowing, 'view=board&key=boiler.temp');
  await chart.locator('.chart-latest').getByText('80').waitFor();
  for (const [server, query] of [[allowing, 'view=board'], [allowing, 'key=boiler.temp'], [refusing, 'view=board&key=boiler.temp']]) {
    const refused = page.waitForEvent('console', { predicate: (message) => /frame-ancestors|frame/i.test(message.text()) });
    const frame = await inside(server, query);
    await refused;
    assert.equal(await frame.locator('.chart, .composer').count(), 0, query);
  }
});
