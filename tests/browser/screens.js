// Takes a picture of every screen of the page, in each size, light and dark: `npm run screens -- FOLDER`.

import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { WebSocket } from 'ws';
import {
  field, launch, log, messages, nick, post, say, sayAndSee, sendFromElsewhere, sendPlant, startGuarded, startServer, tellTimes,
  tokenOf,
} from './support.js';

const folder = process.argv[2] ?? '../../target/screens';
const SIZES = { phone: [390, 844], desktop: [1440, 900], wall: [1920, 1080] };
const TOUCH = { deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const SENSORS = ['boiler.pressure', 'boiler.temp', 'feed.flow', 'line.speed', 'pump.current', 'tank.level', 'vessel.mass', 'wind.speed'];

mkdirSync(folder, { recursive: true });
const browser = await launch();
const guarded = await startGuarded();
let server;
const sizes = Object.entries(SIZES).filter(([name]) => !process.env.ONLY || process.env.ONLY.includes(name));
try {
  for (const [size, [width, height]] of sizes) {
    for (const colorScheme of ['light', 'dark']) {
      // Names are free again, and rooms empty.
      server = await startServer();
      await sendPlant(server, 'plant', { sensors: SENSORS, doors: ['Control room', 'Loading bay', 'Stairs'] });
      await screens(`${size}-${colorScheme}`, { viewport: { width, height }, colorScheme, ...size === 'phone' && TOUCH });
      await server.stop();
    }
  }
} finally {
  await browser.close();
  await server?.stop();
  await guarded.stop();
}

async function open(url, look, prepare = () => {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...look });
  const page = await context.newPage();
  await prepare(page);
  await page.goto(url);
  return page;
}

async function screens(name, look) {
  const isPhone = look.viewport.width < 500;
  const room = 'tea';
  const at = (query) => `${server.url}?${query}`;
  const see = async (page, state, { close = true } = {}) => {
    await page.screenshot({ path: `${folder}/${state}-${name}.png` });
    if (close) await page.context().close();
  };
  const connected = (page) => page.locator('#status[data-phase=open]').waitFor();

  // Loading, and what keeps the page from it.
  const held = await open(at(`room=${room}`), look, (page) => page.routeWebSocket('**/ws', () => {}));
  await see(held, 'loading-chat');
  const heldBoard = await open(at('room=plant&view=board'), look, (page) => page.routeWebSocket('**/ws', () => {}));
  await see(heldBoard, 'loading-board');
  const refused = await open(at(`room=${room}`), look, (page) => page.routeWebSocket('**/ws', (socket) => socket.close()));
  await refused.locator('#banner').waitFor();
  await see(refused, 'unreachable-chat');
  const refusedBoard = await open(at('room=plant&view=board'), look, (page) => page.routeWebSocket('**/ws', (socket) => socket.close()));
  await refusedBoard.locator('#banner').waitFor();
  await see(refusedBoard, 'unreachable-board');

  // Nothing said yet.
  const empty = await open(at('room=empty'), look);
  await connected(empty);
  await empty.locator('#welcome').waitFor();
  await see(empty, 'empty-chat');
  const emptyBoard = await open(at('room=empty&view=board'), look);
  await connected(emptyBoard);
  await emptyBoard.getByText('No alarms').waitFor();
  await see(emptyBoard, 'empty-board');
  const nowhere = await open(at('room=two+words'), look);
  await connected(nowhere);
  await see(nowhere, 'bad-room');
  const gate = await open(`${guarded.url}?room=tea`, look);
  await gate.locator('#gate').waitFor();
  await see(gate, 'gate');

  // A conversation.
  const [ana, ben, cleo] = await Promise.all(['ana', 'ben', 'Cléo Martin-Duval'].map(async (person) => {
    const page = await open(at(`room=${room}`), person === 'ana' ? look : { viewport: { width: 900, height: 700 } });
    await connected(page);
    await nick(page, person);
    return page;
  }));
  await sayAndSee(ben, 'The kettle is on. Who is in for the afternoon round?', [ana]);
  await sayAndSee(ana, 'Me! Two sugars, please.', [ben]);
  await sayAndSee(ben, 'ok', [ana]);
  await sayAndSee(cleo, 'The scones are from https://example.org/scones, with less butter than it says. It’s “the best” shop in town, and the queue is as long as ever: bring a book, or somebody to talk to.', [ana]);
  await sayAndSee(ana, 'The oven is still warm:\n  oven.temp  71.4 °C\n  door  shut', [ben]);
  await sayAndSee(ben, '茶已经泡好了，大家快来！', [ana]);
  await sayAndSee(ana, 'yes', [ben]);
  await sendFromElsewhere(ben, server, room, ['{"temp": 71.4, "door": "shut", "since": "2026-11-27T12:00:00Z"}', [...Buffer.alloc(2048)]]);
  await messages(ana).getByText('Download').waitFor();
  await post(server, room, { alarm: 'raised', text: 'Boiler is too hot', severity: 'critical' }, { key: 'alarm.boiler' });
  await field(ben).pressSequentially('Just a');
  await ana.getByText('ben is typing').waitFor({ timeout: 5000 }).catch(() => {}); // On a slow machine it is over already.
  await say(ben, '/msg ana Is there any cake left?');
  await ana.mouse.move(0, 0);
  await see(ana, 'chat', { close: false });
  await field(ana).fill('/');
  await see(ana, 'commands', { close: false });
  await field(ana).fill('');
  if (isPhone) {
    await ana.getByRole('button', { name: 'Rooms and your name' }).click();
    await see(ana, 'rooms', { close: false });
    await ana.locator('#you').click();
    await see(ana, 'name', { close: false });
    await ana.keyboard.press('Escape');
    await ana.keyboard.press('Escape');
    await ana.locator('#people-toggle').click();
    await see(ana, 'people', { close: false });
    await ana.keyboard.press('Escape');
  } else {
    await ana.locator('#you').click();
    await see(ana, 'name', { close: false });
    await ana.keyboard.press('Escape');
  }
  await say(ana, '/msg ben Plenty.');
  await log(ana).getByText('Plenty.').waitFor();
  await see(ana, 'direct', { close: false });
  await say(ana, '/msg nobody Hello?');
  await ana.locator('.outbox').getByText('nobody of that name').last().waitFor();
  await see(ana, 'undelivered');
  await ben.context().close();
  await cleo.context().close();

  // Values and alarms.
  const begin = Date.now() - 60_000;
  const board = await open(at('room=plant&view=board'), look, tellTimes((offset) => begin + offset * 150));
  await board.locator('.chart').nth(SENSORS.length - 1).waitFor();
  await board.waitForTimeout(300);
  await see(board, 'board', { close: false });
  await board.getByRole('button', { name: 'Pause' }).click();
  await see(board, 'board-paused');

  await odd(look, { at, see, connected });
}

/** What is longer, more or in other letters than it should be. */
async function odd(look, { at, see, connected }) {
  const openIn = async (query, more = {}, prepare = undefined) => {
    const page = await open(at(query), { ...look, ...more }, prepare);
    await connected(page);
    return page;
  };
  const long = await openIn('room=a-room-whose-name-has-as-many-as-sixty-four-characters-all-told-');
  await nick(long, 'WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW');
  const other = await openIn('room=a-room-whose-name-has-as-many-as-sixty-four-characters-all-told-', { viewport: { width: 900, height: 700 } });
  await nick(other, 'Wilhelmine Freifrau von und zu B');
  await sayAndSee(other, 'Donaudampfschifffahrtsgesellschaftskapitän'.repeat(6), [long]);
  await sayAndSee(other, `https://example.org/${'a/'.repeat(120)}`, [long]);
  await sayAndSee(long, '0123456789'.repeat(30));
  await say(other, 'مرحبا، هل الشاي جاهز؟ (ready: 100%)');
  await say(other, 'שלום, the kettle is on');
  await messages(long).getByText('the kettle is on').waitFor();
  await see(long, 'long-words');
  await other.context().close();

  const flood = await openIn('room=flood');
  for (let said = 0; said < 10_000; said += 1000) {
    await sendFromElsewhere(flood, server, 'flood', Array.from({ length: 1000 }, (_, n) => `message ${said + n}`));
  }
  await messages(flood).getByText('message 9999').waitFor();
  await see(flood, 'after-10000', { close: false });
  await flood.locator('.scroller').first().evaluate((view) => { view.scrollTop -= 2500; });
  await flood.getByRole('button', { name: 'To the latest' }).waitFor();
  await see(flood, 'further-up');

  const crowd = Array.from({ length: 120 }, () => new WebSocket(`${server.url.replace('http', 'ws')}ws/crowd`));
  await Promise.all(crowd.map((socket) => once(socket, 'open')));
  const among = await openIn('room=crowd');
  await among.waitForTimeout(500);
  if (look.isMobile) await among.locator('#people-toggle').click();
  await see(among, 'crowd');
  for (const socket of crowd) socket.close();

  for (const locale of ['de-DE', 'zh-CN']) {
    const page = await openIn('room=tea', { locale });
    await messages(page).first().waitFor();
    await see(page, `chat-${locale}`);
    const values = await openIn('room=plant&view=board', { locale });
    await values.locator('.chart').nth(SENSORS.length - 1).waitFor();
    await values.waitForTimeout(300);
    await see(values, `board-${locale}`);
  }

  await sendPlant(server, 'wall', { sensors: Array.from({ length: 50 }, (_, n) => `line.${1 + n % 5}.station.${1 + Math.floor(n / 5)}.temperature`), doors: [] });
  const wall = await openIn('room=wall&view=board');
  await wall.locator('.chart').nth(49).waitFor();
  await wall.waitForTimeout(500);
  await see(wall, 'board-50');

  const gone = await openIn('room=tea');
  await messages(gone).first().waitFor();
  await gone.context().setOffline(true);
  await gone.locator('#banner').waitFor();
  await see(gone, 'offline');
  for (const [state, token] of [['expired', tokenOf('ana', { seconds: -100 })], ['bad', 'not-a-token'], ['elsewhere', tokenOf('ana', { subscribe: ['coffee'] })]]) {
    const page = await open(`${guarded.url}?room=tea#token=${token}`, look);
    if (state === 'elsewhere') await page.getByRole('heading', { name: 'tea is not for you' }).waitFor();
    else await page.locator('#gate').waitFor();
    await see(page, `token-${state}`);
  }
}
