// Notifications on a device: the dialog behind the bell, what the page tells the server, and what the service worker shows of
// what is pushed while the page is closed.
//
// No push service can be reached from a test. The browser's subscription is one of the test's, and what a push service would
// hand to the browser is handed to it by the debugging protocol.

import assert from 'node:assert/strict';
import { createECDH, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { isAccessible } from './accessible.js';
import {
  LOOKS, anotherTab, isConnected, log, messages, nick, openPage, post, sayAndSee, screenshot, sendFromElsewhere, setUp,
  setVisible, startGuarded, startServer, tokenOf,
} from './support.js';

const fixture = await setUp({ args: ['--allow-host', 'parlor.test'] });
const SERVER_KEY = createECDH('prime256v1').generateKeys('base64url');
const ENDPOINT = 'https://push.example/device';

/** What a browser hands out: an address, a key of P-256 (RFC 8291, section 2) and a secret. */
const subscriptionKeys = () => ({
  p256dh: createECDH('prime256v1').generateKeys('base64url'), auth: randomBytes(16).toString('base64url'),
});

/** The `push` commands that a server was told. */
class Told {
  all = [];
  #waiting = [];

  add(command) {
    this.all.push(command);
    for (const look of [...this.#waiting]) look();
  }

  /** Waits for the command that makes it so many, and gives that. */
  nth(count) {
    return new Promise((resolve) => {
      const look = () => { if (this.all.length >= count) resolve(this.all[count - 1]); };
      this.#waiting.push(look);
      look();
    });
  }
}

/**
 * For `prepare`: the server pushes, with this answer to each `push` command, which go to `told`; the browser subscribes at a
 * service of the test.
 */
function pushing(told = new Told(), { answer = () => ({ type: 'ok' }), permitted = true, key = () => SERVER_KEY, url } = {}) {
  return async (page) => {
    const context = page.context();
    const { origin } = new URL(url ?? fixture.server.url);
    if (permitted) await context.grantPermissions(['notifications'], { origin });
    await context.route('**/push/key', (route) => route.fulfill({ json: { key: key() } }));
    await context.routeWebSocket('**/ws', (socket) => {
      const server = socket.connectToServer();
      server.onMessage((message) => socket.send(message.replace('"type":"welcome"', '"type":"welcome","push":true')));
      socket.onMessage((message) => {
        const command = JSON.parse(message);
        if (command.type !== 'push') return server.send(message);
        told.add(command);
        return socket.send(JSON.stringify({ id: command.id, ...answer(command) }));
      });
    });
    await context.addInitScript(([endpoint, keys]) => {
      // As on a page that did not come by https:.
      if (!('PushManager' in globalThis)) return;
      const made = (n, applicationServerKey) => ({
        options: { applicationServerKey },
        toJSON: () => ({ endpoint: `${endpoint}-${n}`, keys }),
        unsubscribe: async () => { localStorage.removeItem('test.subscription'); return true; },
      });
      PushManager.prototype.getSubscription = async () => {
        const { n, bytes } = JSON.parse(localStorage.getItem('test.subscription')) ?? {};
        return bytes ? made(n, new Uint8Array(bytes).buffer) : null;
      };
      PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey: bytes }) => {
        if (!userVisibleOnly || bytes.length !== 65 || bytes[0] !== 4) throw new TypeError('not as browsers want it');
        const n = Number(localStorage.getItem('test.count') ?? 0) + 1;
        localStorage.setItem('test.count', n);
        localStorage.setItem('test.subscription', JSON.stringify({ n, bytes: [...bytes] }));
        return made(n, bytes.buffer);
      };
    }, [ENDPOINT, subscriptionKeys()]);
  };
}

const bell = (page) => page.getByRole('button', { name: 'Notifications on this device' });
const dialog = (page) => page.getByRole('dialog', { name: 'Notifications on this device' });
const hint = (page) => dialog(page).getByRole('alert');
const marked = (page) => page.locator('.message.hit');

async function openDialog(page) {
  await bell(page).click();
  await dialog(page).waitFor();
}

async function save(page) {
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await dialog(page).waitFor({ state: 'hidden' });
}

async function switchOn(page) {
  await openDialog(page);
  await dialog(page).getByRole('switch').check();
  await save(page);
}

/** The service worker of a page; the browser stays when the page is closed. */
async function workerOf(page) {
  await page.evaluate(async () => { await navigator.serviceWorker.ready; });
  const context = page.context();
  const session = await context.newCDPSession(await context.newPage());
  const registered = new Promise((resolve) => {
    session.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      const found = registrations.find(({ scopeURL, isDeleted }) => scopeURL === fixture.server.url && !isDeleted);
      if (found) resolve(found.registrationId);
    });
  });
  await session.send('ServiceWorker.enable');
  const registrationId = await registered;
  const script = context.serviceWorkers()[0] ?? await context.waitForEvent('serviceworker');
  const { origin } = new URL(fixture.server.url);
  return {
    script,
    /** Hands a push to the browser, as a push service does. */
    push: (payload) => session.send('ServiceWorker.deliverPushMessage', {
      origin, registrationId, data: JSON.stringify(payload),
    }),
    shown: () => script.evaluate(shown),
    /** Waits until a notification is shown that has this title. */
    shows: (title) => script.evaluate(async (wanted) => {
      for (;;) {
        const all = await registration.getNotifications();
        if (all.some((notification) => notification.title === wanted)) return;
        await new Promise((resolve) => { setTimeout(resolve, 10); });
      }
    }, title),
  };
}

async function shown() {
  const all = await globalThis.registration.getNotifications();
  return all.map(({ title, body, tag, silent, renotify, data, icon }) => ({ title, body, tag, silent, renotify, data, icon }));
}

/** In a service worker: what its handler of an event does, done to the end. Gives the address of a window that it opens. */
async function dispatched({ type, payload }) {
  let opened = null;
  globalThis.clients.openWindow = async (address) => { opened = address; };
  const [notification] = await globalThis.registration.getNotifications();
  const event = type === 'push' ? new PushEvent(type, { data: JSON.stringify(payload) })
    : type === 'notificationclick' ? new NotificationEvent(type, { notification }) : new ExtendableEvent(type);
  let work;
  // Scripts may not extend the life of their own events.
  event.waitUntil = (promise) => { work = promise; };
  globalThis.dispatchEvent(event);
  await work;
  return opened;
}

const push = (worker, payload) => worker.script.evaluate(dispatched, { type: 'push', payload });
const click = (worker) => worker.script.evaluate(dispatched, { type: 'notificationclick' });

/** Publishes, and gives where it is. */
async function published(server, room, data, key) {
  const address = new URL(`rooms/${room}${key ? `?key=${key}&retain=1` : ''}`, server.url);
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(address, { method: 'POST', headers, body: JSON.stringify(data) });
  assert.equal(response.status, 200);
  return response.json();
}

/** What the server pushes of an alarm. */
const ofAlarm = ({ room, offset, epoch }, state, title, by) => ({
  web_push: 8030,
  notification: { title, body: `pump in ${room}`, tag: `${room}/alarm.pump`, silent: state !== 'raised' },
  parlor: { kind: 'alarm', room, key: 'alarm.pump', offset, epoch, severity: 'critical', state, by },
});

/** What it pushes of a message in a room, or of one to oneself. */
const ofMessage = (kind, title, { room, offset, epoch, by = 'ben' }) => ({
  web_push: 8030,
  notification: { title, body: 'Come quickly', tag: room ?? `@${by}`, silent: false },
  parlor: { kind, room, offset, epoch, by },
});

test('with the page closed an alarm is shown, opens at its message, and is withdrawn by who acknowledges it', async (t) => {
  const page = await openPage(t, fixture, { room: 'plant', prepare: pushing() });
  const worker = await workerOf(page);
  await page.close();
  const raised = { alarm: 'raised', text: 'Pump is too hot', severity: 'critical' };
  const at = await published(fixture.server, 'plant', raised, 'alarm.pump');
  await worker.push(ofAlarm(at, 'raised', 'critical: Pump is too hot', 'pump'));
  await worker.shows('critical: Pump is too hot');
  const address = `${fixture.server.url}?room=plant&at=${at.offset}&epoch=${at.epoch}`;
  const icon = `${fixture.server.url}install/icon-192.png`;
  assert.deepEqual(await worker.shown(), [{
    title: 'critical: Pump is too hot', body: 'pump in plant', tag: 'plant/alarm.pump', silent: false, renotify: true,
    data: { address }, icon,
  }]);

  const acknowledged = await published(fixture.server, 'plant', { alarm: 'acknowledged', by: 'ben' }, 'alarm.pump');
  await worker.push(ofAlarm(acknowledged, 'acknowledged', 'Acknowledged by ben: Pump is too hot', 'ben'));
  await worker.shows('Acknowledged by ben: Pump is too hot');
  const after = await worker.shown();
  assert.deepEqual(after.map(({ tag, silent, renotify }) => [tag, silent, renotify]), [['plant/alarm.pump', true, false]]);

  await worker.push(ofAlarm(at, 'raised', 'critical: Pump is too hot', 'pump'));
  await worker.shows('critical: Pump is too hot');
  assert.equal(await click(worker), address);
  assert.deepEqual(await worker.shown(), []);
  const opened = await anotherTab(page, address);
  await marked(opened).getByText('Pump is too hot').waitFor();
  await marked(opened).getByText('Alarm raised').waitFor();
  assert.equal(await marked(opened).count(), 1);
});

test('a direct message opens the conversation with who has said it', async (t) => {
  const page = await openPage(t, fixture, { room: 'plant', prepare: pushing() });
  const worker = await workerOf(page);
  await page.close();
  await worker.push(ofMessage('direct', 'ben b', { by: 'ben b' }));
  await worker.shows('ben b');
  assert.equal(await click(worker), `${fixture.server.url}?to=ben+b`);
});

test('a click shows the message in the page that is open: where it is, or among its neighbours if it is long ago', async (t) => {
  const texts = (from, to) => Array.from({ length: to - from }, (_, n) => `message ${from + n}`);
  const first = await published(fixture.server, 'long', 'message 1');
  const page = await openPage(t, fixture, { room: 'elsewhere', prepare: pushing() });
  const worker = await workerOf(page);
  await page.bringToFront();
  await sendFromElsewhere(page, fixture.server, 'long', texts(2, 301));
  const open = async (offset) => {
    await push(worker, ofMessage('message', 'ben in long', { ...first, offset }));
    assert.equal(await click(worker), null, 'no other window is opened');
  };
  await open(230);
  await page.getByRole('heading', { name: '# long' }).waitFor();
  await marked(page).getByText('message 230', { exact: true }).waitFor();
  assert.equal(await marked(page).evaluate((node) => {
    const { top, bottom } = node.getBoundingClientRect();
    const area = node.closest('.scroller').getBoundingClientRect();
    return top >= area.top && bottom <= area.bottom;
  }), true, 'it is in view');
  await page.getByRole('button', { name: 'To the latest' }).waitFor();
  // Another one, of the room that is open by now.
  await setVisible(page, false);
  await open(299);
  await marked(page).getByText('message 299', { exact: true }).waitFor();
  assert.equal(await marked(page).count(), 1);
  await open(12);
  const among = page.getByRole('dialog', { name: '# long' });
  await among.locator('.hit').getByText('message 12', { exact: true }).waitFor();
  await among.getByText('message 31', { exact: true }).waitFor({ state: 'attached' });
  await isAccessible(page, 'a message among its neighbours');
  await page.keyboard.press('Escape');
  // The address says it, too.
  assert.match(page.url(), /\?room=long&at=12&epoch=/);
  await page.reload();
  await among.locator('.hit').getByText('message 12', { exact: true }).waitFor();
});

test('an address of a message that is not there says so, and one of an alarm leads to the board', async (t) => {
  const server = await startServer({ args: ['--history', '1'] });
  t.after(() => server.stop());
  const raised = { alarm: 'raised', text: 'Pump is too hot', severity: 'critical' };
  const gone = 'The message that was asked for is not kept here any more.';
  const { epoch } = await published(server, 'few', 'early');
  const alarm = await published(server, 'few', raised, 'alarm.pump');
  const last = await published(server, 'few', 'late');
  const open = (offset, of = epoch) => openPage(t, { ...fixture, server }, {
    url: `${server.url}?room=few&at=${offset}&epoch=${of}`, prepare: forgetKeyed,
  });
  for (const page of [await open(1), await open(999), await open(last.offset, '0123456789abcdef')]) {
    await log(page).getByText(gone).waitFor();
    assert.equal(await marked(page).count(), 0);
  }
  const late = await open(last.offset);
  await marked(late).getByText('late').waitFor();
  assert.equal(await log(late).getByText(gone).count(), 0);
  const board = await open(alarm.offset);
  await board.locator('.alarms').getByText('Pump is too hot').waitFor();
  assert.match(board.url(), /view=board/);
});

/** The server knows the state of each key, and none of the messages that made it so, as when they are long ago. */
const forgetKeyed = (page) => page.routeWebSocket('**/ws', (socket) => {
  const server = socket.connectToServer();
  server.onMessage((message) => {
    const event = JSON.parse(message);
    if (event.messages) event.messages = event.messages.filter(({ key }) => !key);
    socket.send(JSON.stringify(event));
  });
});

test('a message is not shown to who looks at its room, and alarms are', async (t) => {
  const page = await openPage(t, fixture, { room: 'looked-at', prepare: pushing() });
  const worker = await workerOf(page);
  await page.bringToFront();
  const where = { room: 'looked-at', offset: 1, epoch: 'x' };
  const tags = async () => (await worker.shown()).map(({ tag }) => tag);
  await push(worker, ofMessage('message', 'ben in looked-at', where));
  await push(worker, ofMessage('mention', 'ben in looked-at', where));
  assert.deepEqual(await tags(), []);
  await push(worker, ofMessage('direct', 'ben', {}));
  await push(worker, ofMessage('message', 'ben in other', { ...where, room: 'other' }));
  await push(worker, ofAlarm(where, 'raised', 'warning: hot', 'pump'));
  assert.deepEqual((await tags()).sort(), ['@ben', 'looked-at/alarm.pump', 'other']);
  await setVisible(page, false);
  await push(worker, ofMessage('message', 'ben in looked-at', where));
  assert((await tags()).includes('looked-at'));
});

test('what is chosen is told to the server, at each visit anew, and ended when it is switched off', async (t) => {
  const told = new Told();
  const page = await openPage(t, fixture, { room: 'chosen', timezoneId: 'Asia/Kolkata', prepare: pushing(told) });
  assert.equal(await bell(page).getAttribute('aria-pressed'), 'false');
  await openDialog(page);
  await dialog(page).getByText('They are off.').waitFor();
  assert.equal(await dialog(page).getByRole('checkbox', { name: 'Alarms' }).isDisabled(), true);
  await dialog(page).getByRole('switch', { name: 'Notify me, also when this page is closed' }).check();
  await save(page);
  assert.equal(await bell(page).getAttribute('aria-pressed'), 'true');
  const { id: _, keys, ...begun } = await told.nth(1);
  assert.deepEqual(begun, {
    type: 'push', endpoint: `${ENDPOINT}-1`, rooms: ['chosen'], kinds: ['alarm', 'direct', 'mention'], severity: 'warning',
    page: fixture.server.url,
  });
  assert.deepEqual([Buffer.from(keys.p256dh, 'base64url').length, Buffer.from(keys.auth, 'base64url').length], [65, 16]);

  await openDialog(page);
  await dialog(page).getByText('They are on.').waitFor();
  await dialog(page).getByLabel('Which alarms').selectOption('only Critical');
  await dialog(page).getByRole('checkbox', { name: 'Messages with my name' }).uncheck();
  await dialog(page).getByRole('checkbox', { name: 'All messages' }).check();
  await dialog(page).getByRole('checkbox', { name: 'Not between' }).check();
  await dialog(page).getByLabel('Quiet from').fill('23:15');
  await save(page);
  const changed = await told.nth(2);
  assert.deepEqual(
    [changed.kinds, changed.severity, changed.quiet],
    [['alarm', 'direct', 'message'], 'critical', { from: '23:15', to: '06:30', offset: 330 }],
  );

  // A room that is opened is one of all rooms.
  await page.getByRole('combobox', { name: 'Join a room' }).fill('another');
  await page.keyboard.press('Enter');
  assert.deepEqual((await told.nth(3)).rooms, ['chosen', 'another']);
  await openDialog(page);
  await dialog(page).getByRole('radio', { name: 'Only some' }).check();
  assert.deepEqual(
    await dialog(page).locator('#push-rooms label').evaluateAll(
      (labels) => labels.map(({ textContent, control }) => [textContent, control.checked])),
    [['# another', true], ['# chosen', false]],
  );
  await save(page);
  assert.deepEqual((await told.nth(4)).rooms, ['another']);

  await page.reload();
  await isConnected(page);
  const renewed = await told.nth(5);
  assert.deepEqual([renewed.endpoint, renewed.rooms, renewed.severity], [`${ENDPOINT}-1`, ['another'], 'critical']);

  await openDialog(page);
  assert.equal(await dialog(page).getByLabel('Quiet from').inputValue(), '23:15');
  await dialog(page).getByRole('switch').uncheck();
  await save(page);
  const ended = await told.nth(6);
  assert.deepEqual([ended.endpoint, ended.kinds], [`${ENDPOINT}-1`, []]);
  assert.equal(await bell(page).getAttribute('aria-pressed'), 'false');
  assert.equal(await page.evaluate(() => localStorage.getItem('test.subscription')), null);
  await page.reload();
  await isConnected(page);
  await openDialog(page);
  await dialog(page).getByText('They are off.').waitFor();
  assert.equal(told.all.length, 6);
});

test('with another key of the server, or another subscription of the browser, the server is told', async (t) => {
  const told = new Told();
  const keys = { now: SERVER_KEY };
  const page = await openPage(t, fixture, { room: 'renewed', prepare: pushing(told, { key: () => keys.now }) });
  await switchOn(page);
  keys.now = createECDH('prime256v1').generateKeys('base64url');
  await page.reload();
  await isConnected(page);
  assert.equal((await told.nth(2)).endpoint, `${ENDPOINT}-2`);
  const old = await told.nth(3);
  assert.deepEqual([old.endpoint, old.kinds], [`${ENDPOINT}-1`, []]);
  const worker = await workerOf(page);
  await worker.script.evaluate(dispatched, { type: 'pushsubscriptionchange' });
  assert.equal((await told.nth(4)).endpoint, `${ENDPOINT}-2`);
});

test('it says what is missing, and what went wrong', async (t) => {
  const answers = [
    { type: 'error', code: 'not_allowed', message: 'direct needs a name that a token proves' },
    { type: 'ok' },
  ];
  const page = await openPage(t, fixture, { room: 'wrong', prepare: pushing(new Told(), { answer: () => answers.shift() }) });
  const submit = () => dialog(page).getByRole('button', { name: 'Save' }).click();
  await openDialog(page);
  await dialog(page).getByRole('switch').check();
  for (const name of ['Alarms', 'Direct messages', 'Messages with my name']) {
    await dialog(page).getByRole('checkbox', { name }).uncheck();
  }
  await submit();
  await hint(page).getByText('Choose what to be told of.').waitFor();
  await dialog(page).getByRole('checkbox', { name: 'Direct messages' }).check();
  await dialog(page).getByRole('checkbox', { name: 'All messages' }).check();
  await dialog(page).getByRole('radio', { name: 'Only some' }).check();
  await dialog(page).getByRole('checkbox', { name: '# wrong' }).uncheck();
  await submit();
  await hint(page).getByText('Choose a room.').waitFor();
  await dialog(page).getByRole('radio', { name: 'All rooms that I am in' }).check();
  await dialog(page).getByRole('checkbox', { name: 'Not between' }).check();
  await dialog(page).getByLabel('Quiet until').fill('22:00');
  await submit();
  await hint(page).getByText('Quiet hours need a beginning and another end.').waitFor();
  await dialog(page).getByRole('checkbox', { name: 'Not between' }).uncheck();
  await submit();
  await hint(page).getByText('The server says: direct needs a name that a token proves.').waitFor();
  assert.equal(await bell(page).getAttribute('aria-pressed'), 'false');
  await save(page);
  await page.evaluate(() => { PushManager.prototype.getSubscription = async () => null; });
  await page.evaluate(() => { PushManager.prototype.subscribe = async () => { throw new DOMException('', 'AbortError'); }; });
  await openDialog(page);
  await submit();
  await hint(page).getByText('your browser could not reach its push service').waitFor();
});

/** For `prepare`: a browser that has no Push API, or does not allow notifications. */
const without = (change, told) => async (page) => {
  await pushing(told, { permitted: false })(page);
  await page.addInitScript(change);
};

test('in plain words it says where notifications cannot be had', async (t) => {
  const says = async (change, words, options = {}) => {
    const page = await openPage(t, fixture, { room: 'none', prepare: without(change), ...options });
    await openDialog(page);
    await dialog(page).getByText(words).waitFor();
    return page;
  };
  const none = () => { delete globalThis.PushManager; delete globalThis.Notification; };
  await says(() => Object.defineProperty(Notification, 'permission', { value: 'denied' }), 'Your browser blocks notifications');
  const userAgent = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148';
  const iphone = await says(none, 'add this page to the home screen first', { userAgent });
  assert.equal(await dialog(iphone).getByRole('switch').isVisible(), false);
  assert.equal(await dialog(iphone).getByRole('button', { name: 'Save' }).isVisible(), false);
  await dialog(iphone).getByRole('button', { name: 'Close' }).click();
  await says(none, 'this browser has no notifications');
  await says(() => { delete globalThis.PushManager; }, 'only as long as this page is open');
  const insecure = fixture.server.url.replace('127.0.0.1', 'parlor.test');
  await says(() => {}, 'only to pages that come by https:', { url: `${insecure}?room=none` });
});

test('a hidden page tells by itself of what the server pushes to nobody who is connected', async (t) => {
  const ana = await openPage(t, fixture, { room: 'hidden', prepare: pushing() });
  await nick(ana, 'ana-push');
  const worker = await workerOf(ana);
  await ana.bringToFront();
  await switchOn(ana);
  const ben = await openPage(t, fixture, { room: 'hidden' });
  await nick(ben, 'ben-push');
  await setVisible(ana, false);
  await sayAndSee(ben, 'not for anyone in particular', [ana]);
  await post(fixture.server, 'hidden', { alarm: 'raised', text: 'hot', severity: 'critical' }, { key: 'alarm.pump' });
  await sayAndSee(ben, 'come here, @ana-push!', [ana]);
  await worker.shows('ben-push in hidden');
  const [{ body, tag, data }, ...others] = await worker.shown();
  assert.deepEqual([body, tag, others], ['come here, @ana-push!', 'hidden', []]);
  assert.equal(await click(worker), null);
  await setVisible(ana, true);
  await marked(ana).getByText('come here').waitFor();
  assert.equal(ana.url(), data.address);
});

test('who forgets their token is not told of anything any more', async (t) => {
  const server = await startGuarded();
  t.after(() => server.stop());
  const told = new Told();
  const page = await openPage(t, { ...fixture, server }, {
    url: `${server.url}?room=guarded#token=${tokenOf('ana', { subscribe: ['guarded'] })}`,
    prepare: pushing(told, { url: server.url }),
  });
  await switchOn(page);
  assert.deepEqual((await told.nth(1)).rooms, ['guarded']);
  await page.locator('#you').click();
  await page.getByRole('button', { name: 'Forget the token' }).click();
  const ended = await told.nth(2);
  assert.deepEqual([ended.endpoint, ended.kinds], [`${ENDPOINT}-1`, []]);
  await page.locator('#gate').waitFor();
  assert.equal(await page.evaluate(() => localStorage.getItem('test.subscription')), null);
});

for (const { name, ...look } of LOOKS) {
  test(`the dialog and a message that was asked for on ${name}`, async (t) => {
    const page = await openPage(t, fixture, { room: 'dialog', prepare: pushing(), ...look });
    const see = async (state) => {
      await screenshot(page, `${name}-push-${state}`);
      await isAccessible(page, `${name}, ${state}`);
    };
    await openDialog(page);
    await see('off');
    await dialog(page).getByRole('switch').check();
    await dialog(page).getByRole('radio', { name: 'Only some' }).check();
    await dialog(page).getByRole('checkbox', { name: 'Not between' }).check();
    await see('on');
    await dialog(page).getByRole('checkbox', { name: '# dialog' }).uncheck();
    await dialog(page).getByRole('button', { name: 'Save' }).click();
    await see('refused');
    await page.keyboard.press('Escape');
    await dialog(page).waitFor({ state: 'hidden' });
    await sendFromElsewhere(page, fixture.server, 'dialog', ['The kettle is on', 'Come quickly!', 'Never mind']);
    const raised = { alarm: 'raised', text: 'Pump is too hot', severity: 'critical' };
    const at = await published(fixture.server, 'dialog', raised, 'alarm.pump');
    await page.goto(`${fixture.server.url}?room=dialog&at=${at.offset}&epoch=${at.epoch}`);
    await marked(page).waitFor();
    await see('message');
  });
}

test('the dialog is in Chinese, and is reached and left by keyboard', async (t) => {
  const page = await openPage(t, fixture, { room: '工厂', locale: 'zh-CN', prepare: pushing() });
  const bellHere = page.getByRole('button', { name: '此设备上的通知' });
  await bellHere.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: '此设备上的通知' }).waitFor();
  await page.keyboard.press('Space');
  const reached = [];
  for (let n = 0; n < 9; n += 1) {
    reached.push(await page.evaluate(() => document.activeElement.id));
    await page.keyboard.press('Tab');
  }
  assert.deepEqual(reached, [
    'push-on', 'push-alarm', 'push-severity', 'push-direct', 'push-mention', 'push-message', 'push-all-rooms', 'push-quiet',
    'push-cancel',
  ]);
  await screenshot(page, 'desktop-chinese-push');
  await isAccessible(page, 'Chinese');
  await page.keyboard.press('Escape');
  assert.equal(await bellHere.evaluate((button) => button === document.activeElement), true);
});
