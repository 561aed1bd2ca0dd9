// How the page looks and whether everybody can use it: each state on phone and desktop, in light and dark, is kept as
// a picture under target/screenshots and checked with axe.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import {
  CONNECTION_ERRORS, DEVICES, LOOKS, field, launch, messages, openPage, outbox, say, sayAndSee, screenshot,
  sendFromElsewhere, startServer,
} from './support.js';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const browser = await launch();
after(() => browser.close());

async function isAccessible(page, state) {
  // By the debugging protocol, which the page's content security policy does not bind.
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const result = await globalThis.axe.run({ runOnly: tags });
    return result.violations.map(({ id, nodes }) => ({ id, nodes: nodes.map((n) => `${n.html} ${n.failureSummary}`) }));
  });
  assert.deepEqual(violations, [], state);
}

async function conversation(ana, ben, server) {
  await sayAndSee(ben, 'The kettle is on. Who is in for the afternoon round?', [ana]);
  await sayAndSee(ana, 'Me! Two sugars, please.', [ben]);
  await sayAndSee(ben, 'Noted.', [ana]);
  await sayAndSee(ben, 'The scones are from https://example.org/scones, with less butter than it says.', [ana]);
  await sayAndSee(ana, 'The oven is still warm:\n  oven.temp  71.4 °C\n  door  shut', []);
  await sayAndSee(ana, '<img src=x onerror=alert(1)>', [ben]);
  await sayAndSee(ben, '茶已经泡好了，大家快来！', [ana]);
  await sendFromElsewhere(ben, server, 'tea', [[...Buffer.alloc(2048)]]);
  await messages(ana).getByText('Download').waitFor();
}

for (const { name, ...look } of LOOKS) {
  test(`the page on ${name}`, async (t) => {
    let server = await startServer();
    t.after(() => server.stop());
    const options = { room: 'tea', expected: CONNECTION_ERRORS };
    const [ana, ben] = await Promise.all([
      openPage(t, { browser, server }, { ...options, ...look }), openPage(t, { browser, server }, options),
    ]);
    const see = async (state) => {
      await screenshot(ana, `${name}-${state}`);
      await isAccessible(ana, `${name}, ${state}`);
    };
    await see('empty');

    await conversation(ana, ben, server);
    await field(ana).fill('Coming down,\nkeep one for me');
    await see('conversation');

    await field(ana).fill('');
    const readings = (n) => Array.from({ length: n }, (_, i) => `oven.temp ${70 - i} °C`);
    await sendFromElsewhere(ben, server, 'tea', readings(8));
    await messages(ana).getByText('63 °C').waitFor();
    await ana.locator('#scroller').evaluate((s) => { s.scrollTop = 0; });
    await ana.getByRole('button', { name: 'To the latest' }).waitFor();
    await sendFromElsewhere(ben, server, 'tea', readings(12));
    await ana.getByRole('button', { name: '12 new messages' }).waitFor();
    await see('news');

    server.signal('SIGSTOP');
    await say(ana, 'Are you all downstairs already?');
    await outbox(ana).getByText('Sending').waitFor();
    await server.stop();
    await outbox(ana).getByText('Delivery not confirmed').waitFor();
    await say(ana, 'I will be there in five minutes');
    await outbox(ana).getByText('Will be sent when connected').waitFor();
    await say(ana, '');
    await ana.getByText('Write something first').waitFor();
    await see('disconnected');

    server = await startServer({ port: server.port });
    await ana.getByText('Connected again after').waitFor();
    await ana.getByRole('textbox', { name: 'Room' }).fill('two words');
    await ana.getByRole('textbox', { name: 'Room' }).press('Enter');
    await ana.getByRole('alert').waitFor();
    await see('reconnected');
  });
}

test('the page in Chinese, and an address that names no room', async (t) => {
  const server = await startServer();
  t.after(() => server.stop());
  const chinese = await openPage(t, { browser, server }, { room: '茶室', locale: 'zh-CN', ...DEVICES.phone });
  await screenshot(chinese, 'phone-chinese-empty');
  await isAccessible(chinese, 'Chinese');
  await sayAndSee(chinese, '水烧开了，谁要喝茶？');
  await sendFromElsewhere(chinese, server, '茶室', ['我要，谢谢！', '我也来一杯。']);
  await messages(chinese).getByText('我也来一杯。').waitFor();
  await screenshot(chinese, 'phone-chinese-conversation');
  const lost = await openPage(t, { browser, server }, { room: 'two words', connected: false });
  await lost.getByRole('heading', { name: 'That is not a room name' }).waitFor();
  await screenshot(lost, 'desktop-bad-room');
  await isAccessible(lost, 'bad room');
});

test('everything is reached by keyboard, in the order it is seen, and the focus shows', async (t) => {
  const server = await startServer();
  t.after(() => server.stop());
  const page = await openPage(t, { browser, server }, { room: 'keys' });
  await sayAndSee(page, 'so that there is a conversation');
  await page.locator('#room').focus();
  const reached = [];
  for (let n = 0; n < 6; n += 1) {
    if (n > 0) await page.keyboard.press('Tab');
    reached.push(await page.evaluate(() => {
      const { id, parentElement } = document.activeElement;
      const shows = [document.activeElement, parentElement].some((e) => getComputedStyle(e).outlineStyle !== 'none');
      return `${id || document.activeElement.getAttribute('aria-label')}${shows ? '' : ' unseen'}`;
    }));
  }
  assert.deepEqual(reached, ['room', 'Enter this room', 'copy-link', 'scroller', 'message', 'send']);
});

test('nothing moves for who asked for no motion, and no width needs sideways scrolling', async (t) => {
  const server = await startServer();
  t.after(() => server.stop());
  const options = { room: 'calm', reducedMotion: 'reduce', viewport: { width: 320, height: 568 } };
  const page = await openPage(t, { browser, server }, { ...options, expected: CONNECTION_ERRORS });
  await sayAndSee(page, `https://example.org/${'a'.repeat(300)}`);
  await server.stop();
  await page.locator('#status[data-phase=waiting]').waitFor();
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  const overflow = await page.evaluate(() => [...document.querySelectorAll('body *')]
    .filter((e) => !e.closest('.visually-hidden, [hidden]') && e.getBoundingClientRect().right > innerWidth + 0.5)
    .map((e) => e.outerHTML.slice(0, 120)));
  assert.deepEqual(overflow, []);
});
