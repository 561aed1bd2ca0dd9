// Takes a picture of every screen of the page, in each size, light and dark: `npm run screens -- FOLDER`.

import { mkdirSync } from 'node:fs';
import {
  field, launch, messages, nick, post, say, sayAndSee, sendFromElsewhere, sendPlant, startGuarded, startServer, tellTimes,
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
  await ana.getByText('Plenty.').waitFor();
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
}
