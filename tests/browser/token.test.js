// Where a token is wanted: who is not let in and why, what a token allows, and what becomes of it.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { isAccessible } from './accessible.js';
import {
  DEVICES, LOOKS, field, isConnected, launch, log, messages, openPage, outbox, post, say, sayAndSee,
  screenshot, setVisible, startGuarded, texts, tokenOf,
} from './support.js';

const browser = await launch();
const server = await startGuarded();
after(async () => {
  await browser.close();
  await server.stop();
});

const fixture = { browser, server };
const address = (room, token) => `${server.url}?room=${encodeURIComponent(room)}${token ? `#token=${token}` : ''}`;
/** The page of who comes with a token. */
const enter = (t, room, token, options) => openPage(t, fixture, { url: address(room, token), ...options });
/** The page of who is not let in. */
const stranger = (t, room, token, options) => enter(t, room, token, { connected: false, ...options });
/** The seconds after which a token ends that is to end: there must be time to come in with it before. */
const SOON = 6;
const gate = (page) => page.getByRole('main').filter({ has: page.getByRole('heading', { level: 1 }) });
const heading = (level) => (page, name) => page.getByRole('heading', { level, name, exact: true }).waitFor();
/** What the page says in place of all else, and what it says in place of a conversation. */
const [told, toldInside] = [heading(1), heading(2)];
const show = async (page, token) => {
  await page.getByRole('textbox', { name: 'Token' }).fill(token);
  await page.keyboard.press('Enter');
};
const name = (page) => page.locator('#you .name').textContent();
const kept = (page) => page.evaluate(() => sessionStorage.getItem('parlor.token'));

test('who has no token is asked for one, is told why one does not do, and is let in with a good one', async (t) => {
  const page = await stranger(t, 'tea');
  await told(page, 'A token, please');
  // What is behind the gate is not seen or reached.
  assert.equal(await page.locator('#message').isVisible(), false);
  assert.equal(await page.locator('#sidebar').isVisible(), false);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'token');
  await page.getByRole('button', { name: 'Come in' }).click();
  await page.getByText('Paste a token first').waitFor();

  await show(page, 'rubbish');
  await told(page, 'That token is not taken');
  await gate(page).getByText('The server says: this is not a JSON Web Token').waitFor();
  await show(page, tokenOf('ana', { secret: 'of another parlor, and long enough for it' }));
  await gate(page).getByText('signature is not valid').waitFor();
  await show(page, tokenOf('ana', { seconds: -1 }));
  await told(page, 'Your token has expired');
  // As it is copied from a terminal that has broken its line.
  await show(page, ` ${tokenOf('Ana Lovelace').replace('.', '. ')} `);
  await isConnected(page);
  assert.equal(await page.locator('#gate').isVisible(), false);
  assert.equal(await name(page), 'Ana Lovelace');
  await page.getByText('Everyone who opens this address with a token for it').waitFor();
  // At one of the machine's addresses that others can use.
  await page.getByText(/^websocat "ws:\/\/[^"/]+\/ws\/tea\?token=\$TOKEN"$/).first().waitFor();
  await sayAndSee(page, 'Good afternoon');
});

test('after too many bad tokens it is said that one has to wait', async (t) => {
  // The server looks at all tokens of this machine, so that it is one between that says so.
  const refuse = (page) => page.routeWebSocket('**/ws', (socket) => {
    const behind = socket.connectToServer();
    socket.onMessage((message) => {
      const { type, id } = JSON.parse(message);
      const refusal = { type: 'error', id, code: 'rate_limited', message: 'too many' };
      if (type === 'login') socket.send(JSON.stringify(refusal));
      else behind.send(message);
    });
  });
  const page = await stranger(t, 'tea', tokenOf('ana'), { prepare: refuse });
  await page.getByText('Too many bad tokens came from your address. Trying again in').waitFor();
});

test('an expired token in the address is told of', async (t) => {
  const page = await stranger(t, 'tea', tokenOf('ana', { seconds: -1 }));
  await told(page, 'Your token has expired');
});

test('a token is kept for this tab, and for no other', async (t) => {
  const token = tokenOf('ana');
  const page = await stranger(t, 'tab');
  await told(page, 'A token, please');
  await show(page, token);
  await isConnected(page);
  await page.reload();
  await isConnected(page);
  assert.equal(await name(page), 'ana');
  assert.equal(await kept(page), token);
  assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage }) + document.cookie).then((all) =>
    all.includes(token) || all.includes('resume')), false);

  const other = await page.context().newPage();
  await other.goto(address('tab'));
  await told(other, 'A token, please');
  // Each tab is who its own token says.
  await show(other, tokenOf('ben'));
  await isConnected(other);
  await sayAndSee(other, 'from ben', [page]);
  assert.deepEqual([await name(page), await name(other)], ['ana', 'ben']);
});

test('a token in the address is taken, and taken out of it', async (t) => {
  const token = tokenOf('ana');
  const page = await openPage(t, fixture, { url: address('茶室', token), prepare: watchRequests });
  assert.equal(await page.evaluate(() => location.href), `${server.url}?room=${encodeURIComponent('茶室')}`);
  assert.equal(await name(page), 'ana');
  assert.deepEqual(page.requested.filter((url) => url.includes(token)), []);
  await page.goBack();
  await page.goForward();
  await isConnected(page);
  assert.equal(await name(page), 'ana');

  const query = await openPage(t, fixture, { url: `${server.url}?token=${token}&room=tea&view=board` });
  assert.equal(await query.evaluate(() => location.href), `${server.url}?room=tea&view=board`);
  assert.equal(await name(query), 'ana');

  // Pasted into the address of a page that is there already.
  const asked = await stranger(t, 'tea');
  await told(asked, 'A token, please');
  await asked.evaluate((hash) => { location.hash = hash; }, `token=${token}`);
  await isConnected(asked);
  assert.equal(await asked.evaluate(() => location.href), `${server.url}?room=tea`);
  // Another person's, where one is in already.
  await asked.evaluate((hash) => { location.hash = hash; }, `token=${tokenOf('ben')}`);
  await asked.locator('#you .name').getByText('ben').waitFor();
  assert.equal(await asked.evaluate(() => location.href), `${server.url}?room=tea`);
});

function watchRequests(page) {
  page.requested = [];
  page.on('request', (request) => page.requested.push(request.url()));
  page.on('websocket', (socket) => page.requested.push(socket.url()));
}

test('a room that the token does not allow says so, and the others are open', async (t) => {
  const page = await enter(t, 'secret', tokenOf('ana', { subscribe: ['tea-*', 'lobby'] }));
  await toldInside(page, 'secret is not for you');
  await page.getByText('It allows tea-*, lobby.').waitFor();
  await page.getByRole('button', { name: 'Open the lobby' }).click();
  await told(page, '# lobby');
  await page.goBack();
  await toldInside(page, 'secret is not for you');
  assert.equal(await field(page).isVisible(), false);
  assert.equal(await page.getByRole('button', { name: 'Enter again' }).isVisible(), false);
  assert.equal(await page.getByRole('button', { name: 'Board' }).isVisible(), false);
  await page.getByRole('combobox', { name: 'Join a room' }).fill('tea-1');
  await page.keyboard.press('Enter');
  await told(page, '# tea-1');
  await sayAndSee(page, 'allowed');
  await page.goBack();
  await toldInside(page, 'secret is not for you');
  assert.equal(await page.getByText('allowed', { exact: true }).isVisible(), false);

  const other = await enter(t, 'secret', tokenOf('ana', { subscribe: ['tea-*', 'coffee'] }));
  await other.getByRole('button', { name: 'Open coffee' }).click();
  await told(other, '# coffee');
  const nowhere = await enter(t, 'secret', tokenOf('ana', { subscribe: ['tea-*'] }));
  await toldInside(nowhere, 'secret is not for you');
  assert.equal(await nowhere.getByRole('button', { name: /^Open/ }).isVisible(), false);
});

test('where one may only read, that is said and nothing can be written', async (t) => {
  const page = await enter(t, 'notices', tokenOf('ana', { publish: ['tea-?'] }));
  await page.getByText('Your token does not allow you to write in notices').waitFor();
  assert.equal(await field(page).isDisabled(), true);
  assert.equal(await page.getByRole('button', { name: 'Send' }).isDisabled(), true);
  const token = tokenOf('ben');
  await post(server, 'notices', 'to be read', { token });
  await messages(page).getByText('to be read').waitFor();
  const alarm = { alarm: 'raised', text: 'Boiler is too hot', severity: 'critical' };
  await post(server, 'notices', alarm, { key: 'alarm.boiler', token });
  await page.getByRole('button', { name: 'Board' }).click();
  await page.locator('.alarm').getByText('Boiler is too hot').waitFor();
  assert.equal(await page.getByRole('button', { name: /Acknowledge/ }).count(), 0);

  await page.getByRole('combobox', { name: 'Join a room' }).fill('tea-1');
  await page.keyboard.press('Enter');
  await sayAndSee(page, 'here I may');
  await say(page, '/msg ben Are you there?');
  await outbox(page).getByText('nobody of that name').waitFor();
});

test('the name is that of the token, and the commands are those that one has', async (t) => {
  const page = await enter(t, 'name', tokenOf('ana', { subscribe: ['name', 'tea-*'], publish: ['name'] }));
  await say(page, '/help');
  await log(page).getByText('write to one person').waitFor();
  const commands = await log(page).locator('.command-list dt').allTextContents();
  assert.deepEqual(commands, ['/join room', '/msg name text', '/who', '/leave', '/help']);
  await say(page, '/nick ben');
  await page.getByText('There is no command /nick').waitFor();
  await page.getByRole('button', { name: 'Your token' }).click();
  const dialog = page.getByRole('dialog', { name: 'You are ana' });
  const [read, write] = await dialog.locator('dd').allTextContents();
  assert.deepEqual([read, write], ['name, tea-*', 'name']);
  await dialog.getByRole('button', { name: 'Close' }).click();
  assert.equal(await page.getByRole('dialog').count(), 0);

  const root = await enter(t, 'name', tokenOf('root', { admin: true }));
  await say(root, '/help');
  await log(root).getByText('put everyone out').waitFor();
});

test('a token can be forgotten', async (t) => {
  const page = await enter(t, 'tea', tokenOf('ana'));
  await page.getByRole('button', { name: 'Your token' }).click();
  await page.getByRole('button', { name: 'Forget the token' }).click();
  await told(page, 'A token, please');
  assert.equal(await kept(page), null);
  await page.reload();
  await told(page, 'A token, please');
});

test('who is put out of a room by an admin is told, and may enter again', async (t) => {
  const ana = await enter(t, 'noisy', tokenOf('ana'));
  const root = await enter(t, 'hall', tokenOf('root', { admin: true }));
  await sayAndSee(ana, 'noise');
  await say(root, '/empty noisy');
  await log(root).getByText('noisy is empty now').waitFor();
  await toldInside(ana, 'You are out of noisy');
  await ana.getByText('An admin has emptied this room').waitFor();
  assert.equal(await ana.getByText('noise', { exact: true }).count(), 0);
  await post(server, 'noisy', 'said without her', { token: tokenOf('ben') });
  await ana.getByRole('button', { name: 'Enter again' }).click();
  await messages(ana).getByText('said without her').waitFor();
  await sayAndSee(ana, 'quietly now');
  assert.deepEqual(await texts(ana), ['said without her', 'quietly now']);
});

test('who is closed by an admin decides whether to come back', async (t) => {
  const ana = await enter(t, 'manners', tokenOf('ana'), { prepare: watchRequests });
  const root = await enter(t, 'manners', tokenOf('root', { admin: true }));
  await say(root, '/close "nobody here"');
  await root.getByText('Nobody here is called').waitFor();
  await say(root, '/close ana');
  await log(root).getByText('The connections of ana are closed').waitFor();
  await told(ana, 'An admin has closed your connection');
  await sayAndSee(root, 'behind her back');
  const connections = () => ana.requested.filter((url) => url.startsWith('ws:')).length;
  await setVisible(ana, false);
  await setVisible(ana, true);
  await ana.evaluate(() => dispatchEvent(new Event('online')));
  assert.equal(connections(), 1);
  await ana.getByRole('button', { name: 'Come back' }).click();
  await log(ana).getByText('Nothing was missed').waitFor();
  await messages(ana).getByText('behind her back').waitFor();

  await say(root, '/close ana');
  await ana.getByRole('button', { name: 'Use another token' }).click();
  await told(ana, 'A token, please');
});

test('a token that ends while one writes can be followed by another, and nothing is lost', async (t) => {
  const other = await enter(t, 'tea-time', tokenOf('ben'));
  const page = await stranger(t, 'tea-time');
  await show(page, tokenOf('ana', { seconds: SOON }));
  await isConnected(page);
  await field(page).fill('not sent ye');
  await sayAndSee(other, 'heard');
  await told(page, 'Your token has expired');
  await sayAndSee(other, 'missed');
  await show(page, tokenOf('ana'));
  await isConnected(page);
  await messages(page).getByText('missed').waitFor();
  await log(page).getByText('Nothing was missed').waitFor();
  assert.deepEqual(await texts(page), ['heard', 'missed']);
  assert.equal(await field(page).inputValue(), 'not sent ye');
  await field(page).pressSequentially('t');
  await field(page).press('Enter');
  await messages(other).getByText('not sent yet').waitFor();

  // By a token that allows less, one is not let in again, and one that allows more opens the room.
  const less = await stranger(t, 'tea-time');
  await show(less, tokenOf('cem', { seconds: SOON }));
  await messages(less).getByText('missed').waitFor({ state: 'attached' });
  await told(less, 'Your token has expired');
  await show(less, tokenOf('cem', { subscribe: ['lobby'], seconds: SOON }));
  await toldInside(less, 'tea-time is not for you');
  assert.equal(await messages(less).count(), 0);
  await told(less, 'Your token has expired');
  await show(less, tokenOf('cem', { publish: [] }));
  await messages(less).getByText('missed').waitFor();
  await less.getByText('Your token does not allow you to write in tea-time').waitFor();
});

for (const { name: look, ...options } of LOOKS) {
  test(`the gate on ${look}`, async (t) => {
    const root = await enter(t, 'looks', tokenOf('root', { admin: true }));
    const page = await stranger(t, 'looks', null, options);
    const see = async (state) => {
      await screenshot(page, `${look}-${state}`);
      await isAccessible(page, `${look}, ${state}`);
    };
    await told(page, 'A token, please');
    await see('gate');
    await show(page, 'rubbish');
    await told(page, 'That token is not taken');
    await see('gate-refused');
    await show(page, tokenOf('ana', { publish: ['tea-*'] }));
    await isConnected(page);
    await post(server, 'looks', 'The kettle is on.', { token: tokenOf('ben') });
    await messages(page).getByText('The kettle is on.').last().waitFor();
    await see('read-only');
    if (options.isMobile) await page.getByRole('button', { name: 'Rooms and your name' }).click();
    await page.getByRole('button', { name: 'Your token' }).click();
    await see('token');
    await page.getByRole('button', { name: 'Close' }).click();
    await page.keyboard.press('Escape');
    await say(root, '/close ana');
    await told(page, 'An admin has closed your connection');
    await see('gate-removed');
    await page.getByRole('button', { name: 'Come back' }).click();
    await isConnected(page);
    await say(root, '/empty looks');
    await toldInside(page, 'You are out of looks');
    await see('put-out');
  });
}

test('the gate in Chinese, on a narrow phone', async (t) => {
  const options = { locale: 'zh-CN', ...DEVICES.phone, viewport: { width: 320, height: 568 } };
  const page = await stranger(t, '茶室', null, options);
  await told(page, '请出示令牌');
  await screenshot(page, 'phone-chinese-gate');
  await isAccessible(page, 'Chinese gate');
  await page.getByRole('textbox', { name: '令牌' }).fill(tokenOf('ana', { subscribe: ['tea-*', 'lobby'] }));
  await page.getByRole('button', { name: '进入' }).click();
  await toldInside(page, '你不能进入 茶室');
  await screenshot(page, 'phone-chinese-not-allowed');
  await isAccessible(page, 'Chinese, not allowed');
});
