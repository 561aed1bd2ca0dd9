// How the page looks and whether everybody can use it: each state on phone and desktop, in light and dark, is kept as
// a picture under target/screenshots and checked with axe.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { isAccessible } from './accessible.js';
import {
  CONNECTION_ERRORS, DEVICES, LOOKS, field, launch, log, messages, nick, openPage, outbox, post, say, sayAndSee,
  screenshot, scroller, sendFromElsewhere, sendPlant, startServer, tellTimes, until,
} from './support.js';

const browser = await launch();
after(() => browser.close());

async function conversation(ana, ben, server) {
  await sayAndSee(ben, 'The kettle is on. Who is in for the afternoon round?', [ana]);
  await sayAndSee(ana, 'Me! Two sugars, please.', [ben]);
  await sayAndSee(ben, 'Noted.', [ana]);
  await sayAndSee(ben, 'The scones are from https://example.org/scones, with less butter than it says.', [ana]);
  await sayAndSee(ana, 'The oven is still warm:\n  oven.temp  71.4 °C\n  door  shut', [ben]);
  await sayAndSee(ben, '<img src=x onerror=alert(1)>', [ana]);
  await sayAndSee(ben, '茶已经泡好了，大家快来！', [ana]);
  await sendFromElsewhere(ben, server, 'tea', [[...Buffer.alloc(2048)]]);
  await messages(ana).getByText('Download').waitFor();
}

/** The page is told that a plant's values have come over the last minute. */
const overAMinute = () => {
  const begin = Date.now() - 60_000;
  return tellTimes((offset) => begin + offset * 250);
};

const PLANT = {
  sensors: ['boiler.pressure', 'boiler.temp', 'feed.flow', 'line.speed', 'pump.current', 'tank.level'],
  doors: ['Control room'],
};

/** Takes part as a second person, in the room and directly. */
async function company(t, fixture, options) {
  const ben = await openPage(t, fixture, options);
  await nick(ben, 'ben');
  return ben;
}

for (const { name, ...look } of LOOKS) {
  test(`the page on ${name}`, async (t) => {
    let server = await startServer();
    t.after(() => server.stop());
    const options = { room: 'tea', expected: CONNECTION_ERRORS };
    const ana = await openPage(t, { browser, server }, { ...options, ...look });
    const see = async (state) => {
      await screenshot(ana, `${name}-${state}`);
      await isAccessible(ana, `${name}, ${state}`);
    };
    await see('empty');

    await nick(ana, 'ana');
    const ben = await company(t, { browser, server }, options);
    await conversation(ana, ben, server);
    await say(ana, '/join coffee');
    await ana.getByRole('heading', { name: '# coffee' }).waitFor();
    await ana.goBack();
    await say(ben, '/msg ana Is there any cake left?');
    await say(ben, '/join coffee');
    await say(ben, 'Anyone for coffee instead?');
    await ben.goBack();
    await ben.goBack();
    await field(ben).pressSequentially('Just a');
    await ana.getByText('ben is typing').waitFor();
    await field(ana).fill('Coming down,\nkeep one for me');
    await see('conversation');

    if (look.isMobile) {
      await ana.getByRole('button', { name: 'Rooms and your name' }).click();
      await see('rooms');
      await ana.keyboard.press('Escape');
      await ana.getByRole('button', { name: 'Who is here' }).click();
      await see('people');
      await ana.keyboard.press('Escape');
    }
    await field(ana).fill('/');
    await ana.getByText('/msg name text').waitFor();
    await see('commands');
    await say(ana, '/help');
    await say(ana, '/who');
    await log(ana).getByText('Here now: ').waitFor();
    await see('help');

    const readings = (n) => Array.from({ length: n }, (_, i) => `oven.temp ${70 - i} °C`);
    await sendFromElsewhere(ben, server, 'tea', readings(8));
    await messages(ana).getByText('63 °C').waitFor();
    await scroller(ana).evaluate((s) => { s.scrollTop = 0; });
    await ana.getByRole('button', { name: 'To the latest' }).waitFor();
    await sendFromElsewhere(ben, server, 'tea', readings(12));
    await ana.getByRole('button', { name: '12 new messages' }).waitFor();
    await see('news');

    await say(ana, '/msg nobody Hello?');
    await outbox(ana).getByText('nobody of that name').waitFor();
    await see('undelivered');
    await ana.goBack();
    await server.stop();
    await ana.locator('#status[data-phase=waiting]').waitFor();
    await say(ana, 'I will be there in five minutes');
    await outbox(ana).getByText('Will be sent when connected').waitFor();
    await say(ana, '');
    await ana.getByText('Write something first').waitFor();
    await see('disconnected');

    server = await startServer({ port: server.port });
    await log(ana).getByText('Connected again after').waitFor();
    await outbox(ana).waitFor({ state: 'hidden' });
    if (look.isMobile) await ana.getByRole('button', { name: 'Rooms and your name' }).click();
    await ana.getByRole('combobox', { name: 'Join a room' }).fill('two words');
    await ana.keyboard.press('Enter');
    await ana.getByRole('alert').waitFor();
    await see('reconnected');
    await ana.locator('#you').click();
    await see('name');
  });

  test(`the board on ${name}`, async (t) => {
    const server = await startServer();
    t.after(() => server.stop());
    const url = `${server.url}?room=plant&view=board`;
    const ana = await openPage(t, { browser, server }, { url, prepare: overAMinute(), ...look });
    await ana.getByText('No live values yet').waitFor();
    await screenshot(ana, `${name}-board-empty`);
    await isAccessible(ana, `${name}, empty board`);
    await sendPlant(server, 'plant', PLANT);
    await ana.getByText('Tank level is low').waitFor();
    await ana.locator('.chart').nth(5).waitFor();
    await until(ana, () => document.querySelector('.chart dd').textContent === '90');
    await screenshot(ana, `${name}-board`);
    await isAccessible(ana, `${name}, board`);
    await ana.getByRole('button', { name: 'Pause' }).click();
    await screenshot(ana, `${name}-board-paused`);
    await isAccessible(ana, `${name}, paused board`);
  });
}

test('the page in Chinese, and an address that names no room', async (t) => {
  const server = await startServer();
  t.after(() => server.stop());
  const chinese = await openPage(t, { browser, server }, { room: '茶室', locale: 'zh-CN', ...DEVICES.phone });
  await screenshot(chinese, 'phone-chinese-empty');
  await isAccessible(chinese, 'Chinese');
  await say(chinese, '/nick 小安');
  await sayAndSee(chinese, '水烧开了，谁要喝茶？');
  await sendFromElsewhere(chinese, server, '茶室', ['我要，谢谢！', '我也来一杯。']);
  await messages(chinese).getByText('我也来一杯。').waitFor();
  await say(chinese, '/help');
  await log(chinese).getByText('给一个人发私信').waitFor();
  await screenshot(chinese, 'phone-chinese-conversation');
  const board = await openPage(t, { browser, server }, {
    url: `${server.url}?room=工厂&view=board`, locale: 'zh-CN', colorScheme: 'dark', prepare: overAMinute(),
  });
  await sendPlant(server, '工厂', PLANT);
  await board.getByText('Tank level is low').waitFor();
  await board.locator('.chart').nth(5).waitFor();
  await screenshot(board, 'desktop-chinese-board');
  await isAccessible(board, 'Chinese board');
  const lost = await openPage(t, { browser, server }, { room: 'two words' });
  await lost.getByRole('heading', { name: 'That is not a room name' }).waitFor();
  await screenshot(lost, 'desktop-bad-room');
  await isAccessible(lost, 'bad room');
});

/** The names of what the Tab key reaches, from where the focus is; `unseen` where the focus does not show. */
async function tabThrough(page, steps) {
  const reached = [];
  for (let n = 0; n < steps; n += 1) {
    if (n > 0) await page.keyboard.press('Tab');
    reached.push(await page.evaluate(() => {
      const { id, parentElement, textContent } = document.activeElement;
      const shows = [document.activeElement, parentElement].some((e) => getComputedStyle(e).outlineStyle !== 'none');
      return `${id || document.activeElement.getAttribute('aria-label') || textContent}${shows ? '' : ' unseen'}`;
    }));
  }
  return reached;
}

test('everything is reached by keyboard, in the order it is seen, and the focus shows', async (t) => {
  const server = await startServer();
  t.after(() => server.stop());
  const page = await openPage(t, { browser, server }, { room: 'keys' });
  await company(t, { browser, server }, { room: 'keys' });
  await sayAndSee(page, 'so that there is a conversation');
  await page.getByRole('complementary').getByText('ben').waitFor();
  await page.getByRole('link', { name: 'keys' }).focus();
  assert.deepEqual(await tabThrough(page, 16), [
    '#keys', 'Leave keys', 'room', 'Enter this room', 'Guide', 'you',
    'view-chat', 'view-board', 'search-open', 'copy-link', 'notify', 'people-toggle',
    'Conversation in keys', 'message', 'send', 'Bben',
  ]);
});

test('what has the focus keeps it when its list is shown anew', async (t) => {
  const server = await startServer();
  t.after(() => server.stop());
  const page = await openPage(t, { browser, server }, { room: 'other' });
  await page.goto(`${server.url}?room=keys`);
  await company(t, { browser, server }, { room: 'keys' });
  const hasFocus = (locator) => locator.evaluate((node) => node === document.activeElement);
  const side = page.getByRole('navigation');
  for (const [role, name] of [['link', /other/], ['button', 'Leave other']]) {
    await side.getByRole(role, { name }).focus();
    await post(server, 'other', `for the ${role}`);
    await side.getByRole('link', { name: `other ${role === 'link' ? 1 : 2} unread` }).waitFor();
    assert.ok(await hasFocus(side.getByRole(role, { name })), role);
  }
  const ben = page.getByRole('complementary').getByRole('button', { name: 'ben' });
  await ben.focus();
  await openPage(t, { browser, server }, { room: 'keys' });
  await page.getByRole('button', { name: 'Who is here: 3' }).waitFor();
  assert.ok(await hasFocus(ben));
});

test('on a phone the panels are reached by keyboard, keep the focus, and give it back', async (t) => {
  const server = await startServer();
  t.after(() => server.stop());
  // The server may be gone before the page is, which still asks for its addresses.
  const page = await openPage(t, { browser, server }, { room: 'panels', ...DEVICES.phone, expected: CONNECTION_ERRORS });
  const menu = page.getByRole('button', { name: 'Rooms and your name' });
  await menu.focus();
  await page.keyboard.press('Enter');
  assert.deepEqual(await tabThrough(page, 6), ['#panels', 'Leave panels', 'room', 'Enter this room', 'Guide', 'you']);
  await page.keyboard.press('Escape');
  assert.equal(await menu.evaluate((button) => button === document.activeElement), true);
  assert.equal(await page.getByRole('navigation').isVisible(), false);
  await menu.click();
  await page.getByRole('combobox', { name: 'Join a room' }).fill('other');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: '# other' }).waitFor();
  assert.equal(await page.getByRole('navigation').isVisible(), false);
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
  const overflow = () => page.evaluate(() => [...document.querySelectorAll('body *')]
    .filter((e) => !e.closest('.visually-hidden, [hidden]') && e.getBoundingClientRect().right > innerWidth + 0.5)
    .map((e) => e.outerHTML.slice(0, 120)));
  assert.deepEqual(await overflow(), []);
  await page.getByRole('button', { name: 'Board' }).click();
  assert.deepEqual(await overflow(), []);
});
