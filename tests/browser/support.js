// What every browser test needs: the real server as a child process, the real browser, and pages that are watched.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

import { startGuarded, startServer, tokenOf } from '../parlor.mjs';

export { startGuarded, startServer, tokenOf };

const fromRoot = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** The sizes and colour schemes in which the page is looked at. */
export const DEVICES = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};
export const LOOKS = Object.keys(DEVICES).flatMap((device) =>
  ['light', 'dark'].map((colorScheme) => ({ name: `${device}-${colorScheme}`, ...DEVICES[device], colorScheme })));

/** A server and a browser for one test file, both gone when its tests are done. */
export async function setUp(options) {
  const fixture = { server: await startServer(options), browser: await launch() };
  after(async () => {
    await fixture.browser.close();
    await fixture.server.stop();
  });
  return fixture;
}

/** A browser, in an environment with these variables. */
export function launch(environment = {}) {
  return chromium.launch({
    env: { ...process.env, ...environment },
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
      // A name that is no secure context, as on a network without certificates.
      '--host-resolver-rules=MAP parlor.test 127.0.0.1',
    ],
  });
}

/**
 * Opens the page in a context of its own and waits until it is connected. When the test ends, the page is closed and
 * must have logged no error: no exception, no failed load, nothing refused by the content security policy. `expected`
 * is what a test provokes on purpose.
 */
export async function openPage(t, { browser, server }, options = {}) {
  const { room, url = server.url, expected = /(?!)/, connected = true, prepare = () => {}, ...look } = options;
  const context = await browser.newContext({ locale: 'en-GB', ...DEVICES.desktop, ...look });
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.stack ?? String(error)));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) errors.push(message.text());
  });
  await prepare(page);
  await page.goto(room === undefined ? url : `${url}?room=${encodeURIComponent(room)}`);
  if (connected) await isConnected(page);
  // The hooks of a test run in the order in which they were made: a server of the test's own stops before its pages.
  const isExcused = (error) => expected.test(error) || server?.isStopped() && CONNECTION_ERRORS.test(error);
  t.after(async () => {
    await context.close();
    assert.deepEqual(errors.filter((error) => !isExcused(error)), []);
  });
  return page;
}

/** What the browser itself logs when a server is not there; it fetches the icon when it finds the time. */
export const CONNECTION_ERRORS =
  /WebSocket connection to .* failed|Failed to load resource: net::ERR_CONNECTION_(REFUSED|RESET)/;

/** Connected, and in its room if it has one. */
export const isConnected = (page) => page.locator('#status[data-phase=open]').waitFor();

/** Types a message and sends it as people do. */
export async function say(page, message) {
  await field(page).fill(message);
  await field(page).press('Enter');
}

/** Says something and waits until it has been round the room. */
export async function sayAndSee(page, message, others = []) {
  await say(page, message);
  await Promise.all([page, ...others].map((each) => messages(each).filter({ hasText: message }).last().waitFor()));
}

export const field = (page) => page.getByRole('textbox', { name: /^(Message to|发送到)/ });
export const log = (page) => page.getByRole('log');
export const scroller = (page) => page.getByRole('region', { name: /^Conversation/ });
export const messages = (page) => log(page).locator('.message');
export const outbox = (page) => page.getByRole('group', { name: 'Messages not delivered yet' });

/** The messages' texts, exactly as the page holds them. */
export const texts = (page) => messages(page).locator('.text').allTextContents();

/** Waits until `probe()` gives `expected`, on the browser's events and frames rather than on time. */
export async function until(page, probe, argument) {
  await page.waitForFunction(probe, argument);
}

/** Takes a name, as people do. */
export async function nick(page, name) {
  await say(page, `/nick ${name}`);
  await page.locator('#you .name').getByText(name, { exact: true }).waitFor({ state: 'attached' });
}

/** Another tab of the same browser, watched no more than its errors. */
export async function anotherTab(page, address = page.url()) {
  const tab = await page.context().newPage();
  await tab.goto(address);
  await isConnected(tab);
  return tab;
}

/** Publishes over HTTP, as scripts do. */
export async function post(server, room, data, { key, retain = Boolean(key), type = 'application/json', token } = {}) {
  const address = new URL(`rooms/${encodeURIComponent(room)}`, server.url);
  if (key) address.searchParams.set('key', key);
  if (retain) address.searchParams.set('retain', '1');
  const body = type === 'application/json' ? JSON.stringify(data) : data;
  const headers = { 'content-type': type, ...token && { authorization: `Bearer ${token}` } };
  const response = await fetch(address, { method: 'POST', headers, body });
  assert.equal(response.status, 200, await response.text());
}

/** For `prepare`: the page is told that messages are of another time, `timeOf(offset, at)`. */
export const tellTimes = (timeOf) => (page) => page.routeWebSocket('**/ws', (socket) => {
  const server = socket.connectToServer();
  server.onMessage((message) => socket.send(message.replaceAll(/"offset":(\d+),"at":(\d+)/g,
    (all, offset, at) => `"offset":${offset},"at":${timeOf(Number(offset), Number(at))}`)));
});

/** For `prepare`: notifications are allowed, and kept for the test instead of shown. */
export const keepNotifications = (page) => page.addInitScript(() => {
  globalThis.notified = [];
  globalThis.Notification = class {
    static permission = 'granted';
    static requestPermission = async () => 'granted';
    constructor(title, { body }) { globalThis.notified.push(`${title}: ${body}`); }
  };
});
export const notified = (page) => page.evaluate(() => globalThis.notified);

/** Makes the page believe that it is looked at, or not. */
export async function setVisible(page, visible) {
  await page.evaluate((isVisible) => {
    Object.defineProperty(document, 'hidden', { value: !isVisible, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, visible);
}

/**
 * Sends texts or bytes through a plain WebSocket of the page's browser, as any other client would. A few are on their way
 * at a time: who does not read as fast as it sends would be closed as too slow.
 */
export async function sendFromElsewhere(page, server, room, frames) {
  const url = `${server.url.replace('http', 'ws')}ws/${encodeURIComponent(room)}`;
  await page.evaluate(([address, all]) => new Promise((resolve, reject) => {
    const socket = new WebSocket(address);
    let sent = 0;
    let heard = 0;
    const sendMore = () => {
      for (; sent < Math.min(all.length, heard + 8); sent += 1) {
        socket.send(Array.isArray(all[sent]) ? new Uint8Array(all[sent]) : all[sent]);
      }
    };
    socket.onopen = sendMore;
    socket.onmessage = () => {
      heard += 1;
      if (heard === all.length) socket.close(1000);
      else sendMore();
    };
    socket.onclose = ({ code }) => (heard === all.length ? resolve() : reject(new Error(`closed: ${code}`)));
  }), [url, frames]);
}

/** Keeps a picture under target/screenshots. */
export async function screenshot(page, name) {
  const directory = fromRoot('target/screenshots');
  mkdirSync(directory, { recursive: true });
  await page.screenshot({ path: `${directory}/${name}.png` });
}

/** Sends the values of a plant's sensors, and alarms in each of their states. */
export async function sendPlant(server, room, { sensors, doors }) {
  for (let n = 0; n < 40; n += 1) {
    await Promise.all(sensors.map((key, i) =>
      post(server, room, Math.round(1000 * (i + 1) * (1 + 0.1 * Math.sin(n / (3 + i)))) / 10, { key })));
  }
  const alarm = (name, data) => post(server, room, data, { key: `alarm.${name}` });
  await alarm('boiler', { alarm: 'raised', text: 'Boiler temperature is too high: 97.3 °C', severity: 'critical' });
  await alarm('pump', { alarm: 'raised', text: 'Pump draws more than it should', severity: 'warning' });
  const raised_at = Date.now() - 90_000;
  await alarm('tank', { alarm: 'acknowledged', text: 'Tank level is low', severity: 'warning', by: 'ben', raised_at });
  for (const [n, door] of doors.entries()) {
    await alarm(`door.${n}`, { alarm: 'cleared', text: `${door} door is open`, severity: 'info', raised_at });
  }
}
