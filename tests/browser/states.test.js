// What is shown before anything is known, without a connection, when much has happened, and to those who see otherwise.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAccessible } from './accessible.js';
import {
  CONNECTION_ERRORS, field, isConnected, log, messages, nick, openPage, post, sayAndSee, scroller, setUp, startServer, until,
} from './support.js';

const fixture = await setUp();
const open = (t, room, options) => openPage(t, fixture, { room, ...options });
const openBoard = (t, room, options = {}) =>
  openPage(t, fixture, { url: `${fixture.server.url}?room=${room}&view=board`, ...options });
const box = (locator) => locator.boundingBox();

/** For `prepare`: the server answers nothing until it is told to, or refuses. */
const held = (sockets) => (page) => page.routeWebSocket('**/ws', (socket) => { sockets.push(socket); });
const refused = (page) => page.routeWebSocket('**/ws', (socket) => socket.close({ code: 1013 }));

test('while nothing is known of a room, nothing is claimed of it', async (t) => {
  const sockets = [];
  const chat = await open(t, 'unknown', { connected: false, prepare: held(sockets) });
  await chat.getByRole('heading', { name: 'Entering unknown' }).waitFor();
  assert.equal(await chat.getByText('It is quiet in here').isVisible(), false);
  await field(chat).fill('half a draft');
  await until(chat, () => getComputedStyle(document.getElementById('welcome')).visibility === 'visible');
  await isAccessible(chat, 'loading');
  sockets[0].connectToServer();
  await isConnected(chat);
  await chat.getByRole('heading', { name: 'It is quiet in here' }).waitFor();
  const board = await openBoard(t, 'unknown', { connected: false, prepare: held([]) });
  await board.getByText('Fetching values').waitFor();
  await board.getByText('Fetching alarms').waitFor();
  assert.equal(await board.getByText('No live values yet').isVisible(), false);
});

test('a server that cannot be reached leaves a way out, and hides nothing', async (t) => {
  const chat = await open(t, 'unreached', { connected: false, prepare: refused });
  await chat.getByRole('heading', { name: 'Not connected yet' }).waitFor();
  await chat.getByRole('button', { name: 'Try now' }).waitFor();
  await isAccessible(chat, 'unreached');
  for (const viewport of [{ width: 390, height: 844 }, { width: 1440, height: 900 }]) {
    const board = await openBoard(t, 'unreached', { connected: false, prepare: refused, viewport });
    const banner = await box(board.locator('#banner'));
    const first = await box(board.getByRole('heading', { name: 'Alarms' }));
    assert(banner.y + banner.height <= first.y, `the banner ends at ${banner.y + banner.height}, the board begins at ${first.y}`);
  }
});

test('the newest messages stay in view when the banner comes and goes', async (t) => {
  const server = await startServer();
  const page = await openPage(t, { ...fixture, server }, { room: 'banner', expected: CONNECTION_ERRORS });
  for (let n = 0; n < 40; n += 1) await post(server, 'banner', `line ${n}`);
  const last = messages(page).filter({ hasText: 'line 39' });
  await last.waitFor();
  await server.stop();
  await page.getByRole('button', { name: 'Try now' }).waitFor();
  const isAtEnd = () => until(page, () => {
    const view = document.querySelector('.scroller:not([hidden])');
    return view.scrollHeight - view.scrollTop - view.clientHeight < 2;
  });
  await isAtEnd();
  const again = await startServer({ port: server.port });
  t.after(() => again.stop());
  await page.locator('#banner').waitFor({ state: 'hidden' });
  await isAtEnd();
});

test('alarms that are over do not push the charts away', async (t) => {
  const page = await openBoard(t, 'over');
  const says = (name, data) => post(fixture.server, 'over', data, { key: `alarm.${name}` });
  await post(fixture.server, 'over', 7, { key: 'level' });
  await says('raised', { alarm: 'raised', text: 'Still on', severity: 'critical' });
  const top = async () => (await box(page.getByRole('heading', { name: 'Live values' }))).y;
  for (let n = 1; n <= 3; n += 1) await says(`n${n}`, { alarm: 'cleared', text: `Over ${n}` });
  await page.getByText('1 more cleared').waitFor();
  const before = await top();
  for (let n = 4; n <= 40; n += 1) await says(`n${n}`, { alarm: 'cleared', text: `Over ${n}` });
  await page.getByText('38 more cleared').waitFor();
  assert.equal(await top(), before);
  // What was cleared last is in the list, behind what is still on.
  const shown = page.locator('.alarm-text').filter({ visible: true });
  assert.deepEqual(await shown.allTextContents(), ['Critical Still on', 'Warning Over 40', 'Warning Over 39']);
  await page.getByText('38 more cleared').click();
  await page.locator('.alarm-text').filter({ hasText: /Over 1$/ }).waitFor();
  await isAccessible(page, 'cleared alarms');
  await page.getByRole('button', { name: 'Remove all' }).click();
  await until(page, () => document.querySelectorAll('.alarm').length === 1);
  await page.reload();
  await page.getByText('Still on').waitFor();
  assert.equal(await page.locator('.alarm').count(), 1);
});

test('an alarm of another day says which', async (t) => {
  const page = await openBoard(t, 'days', { locale: 'de-DE', timezoneId: 'Europe/Berlin' });
  const raised = new Date(Date.now() - 3 * 86_400_000);
  await post(fixture.server, 'days', { alarm: 'raised', text: 'Old', raised_at: raised.getTime() }, { key: 'alarm.old' });
  const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'Europe/Berlin' }).format(raised);
  await page.getByText(new RegExp(`^Raised .*${day}`)).waitFor();
});

for (const width of [390, 640, 641, 1280]) {
  test(`nothing lies over the last message, ${width} px wide`, async (t) => {
    const page = await open(t, `fade-${width}`, { viewport: { width, height: 700 } });
    for (let n = 0; n < 30; n += 1) await post(fixture.server, `fade-${width}`, `line ${n}`);
    await messages(page).filter({ hasText: 'line 29' }).waitFor();
    const bottom = ({ y, height }) => y + height;
    const fade = await page.locator('#footer').evaluate((footer) =>
      footer.getBoundingClientRect().top + parseFloat(getComputedStyle(footer, '::before').top));
    const last = bottom(await box(messages(page).last().locator('.bubble')));
    assert(last <= fade, `the bubble ends at ${last}, the fade begins at ${fade}`);
  });
}

test('the time stands beside its message, however long the name above it', async (t) => {
  const [ana, ben] = [await open(t, 'times'), await open(t, 'times')];
  await nick(ben, 'A name of thirty-two characters.');
  await sayAndSee(ben, 'ok', [ana]);
  await sayAndSee(ana, 'ok', [ben]);
  for (const message of await messages(ana).all()) {
    const [bubble, time] = [await box(message.locator('.bubble')), await box(message.locator('.time'))];
    const gap = Math.max(time.x - bubble.x - bubble.width, bubble.x - time.x - time.width);
    assert(gap >= 0 && gap <= 16, `${gap} px`);
  }
});

test('in the reader’s own colours it still shows what is chosen, whose a message is, and the lines of the charts', async (t) => {
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(t, `forced-${colorScheme}`, { forcedColors: 'active', colorScheme });
    await sayAndSee(page, 'mine');
    const styles = (selector, property) => page.locator(selector).first().evaluate((node, name) => getComputedStyle(node)[name], property);
    assert.notEqual(await styles('.own .bubble', 'borderTopStyle'), 'none');
    assert.notEqual(await styles('#view-chat', 'backgroundColor'), await styles('#view-board', 'backgroundColor'));
    assert.notEqual(await styles('.place[aria-current]', 'backgroundColor'), await styles('#sidebar', 'backgroundColor'));
    await field(page).pressSequentially('/');
    const [chosen, other] = ['[aria-selected=true]', '[aria-selected=false]'].map((state) => styles(`.command${state}`, 'backgroundColor'));
    assert.notEqual(await chosen, await other);
    await field(page).fill('');
    await post(fixture.server, `forced-${colorScheme}`, 7, { key: 'level' });
    await page.getByRole('button', { name: 'Board' }).click();
    await page.locator('.chart').waitFor();
    const [line, ink, paper] = await page.locator('.chart').evaluate((chart) => {
      // As a canvas takes it.
      const context = document.createElement('canvas').getContext('2d');
      const taken = (colour) => { context.fillStyle = '#123456'; context.fillStyle = colour; return context.fillStyle; };
      const style = getComputedStyle(chart);
      return [taken(style.getPropertyValue('--chart-line').trim()), taken('LinkText'), taken('Canvas')];
    });
    assert.equal(line, ink);
    assert.notEqual(line, paper);
    await isAccessible(page, `forced colours, ${colorScheme}`);
  }
});

test('who has scrolled up stays where they are when the banner comes', async (t) => {
  const server = await startServer();
  t.after(() => server.stop());
  const page = await openPage(t, { ...fixture, server }, { room: 'reading', expected: CONNECTION_ERRORS });
  for (let n = 0; n < 60; n += 1) await post(server, 'reading', `line ${n}`);
  await messages(page).filter({ hasText: 'line 59' }).waitFor();
  await scroller(page).evaluate((s) => { s.scrollTop = s.scrollHeight / 2; });
  await page.getByRole('button', { name: 'To the latest' }).waitFor();
  const place = () => scroller(page).evaluate((s) => s.scrollTop);
  const before = await place();
  await server.stop();
  await page.getByRole('button', { name: 'Try now' }).waitFor();
  assert.equal(await place(), before);
  assert.equal(await log(page).getByText('line 59').count(), 1);
});
