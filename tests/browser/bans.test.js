// Bans: what an admin types, and what the one who is banned is shown.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { isConnected, launch, log, openPage, say, sayAndSee, startGuarded, tokenOf } from './support.js';

const browser = await launch();
const server = await startGuarded();
after(async () => {
  await browser.close();
  await server.stop();
});

const enter = (t, room, token, options) =>
  openPage(t, { browser, server }, { url: `${server.url}?room=${room}#token=${token}`, ...options });
const told = (page, name, level) => page.getByRole('heading', { level, name, exact: true }).waitFor();
const ask = (method, path, body) => fetch(new URL(path, server.url), {
  method, body: body && JSON.stringify(body), headers: { Authorization: `Bearer ${tokenOf('root', { admin: true })}` },
});

test('who is banned from a room is told why and until when, and enters again once that is lifted', async (t) => {
  const ana = await enter(t, 'tea', tokenOf('Ana Lovelace'));
  const root = await enter(t, 'tea', tokenOf('root', { admin: true }));
  await sayAndSee(ana, 'buy now', [root]);
  await say(root, '/ban');
  await root.getByText('Write it like this: /ban name 10m reason').waitFor();
  await say(root, '/ban "Ana Lovelace" 10m spam and more');
  await log(root).getByText('Ana Lovelace is banned from tea.').waitFor();
  await told(ana, 'You are banned from tea', 2);
  await ana.getByText(/^An admin has said so, until .*The reason: spam and more$/).waitFor();
  const [ban] = (await (await ask('GET', '/bans')).json()).bans;
  assert.deepEqual([ban.name, ban.room, ban.until - ban.at], ['Ana Lovelace', 'tea', 600_000]);
  await ana.getByRole('button', { name: 'Enter again' }).click();
  await told(ana, 'You are banned from tea', 2);

  await say(root, '/unban nobody');
  await root.getByText('nobody is not banned from this room').waitFor();
  await say(root, '/unban "Ana Lovelace"');
  await log(root).getByText('Ana Lovelace may come into tea again.').waitFor();
  await ana.getByRole('button', { name: 'Enter again' }).click();
  await sayAndSee(ana, 'sorry', [root]);
});

test('who is banned from the server sees nothing else, and comes back once that is lifted', async (t) => {
  const ben = await enter(t, 'tea', tokenOf('ben'));
  assert.equal((await ask('PUT', '/bans', { name: 'ben', reason: 'noise' })).status, 200);
  await told(ben, 'You are banned here', 1);
  await ben.getByText('An admin has said so. The reason: noise').waitFor();
  assert.equal(await ben.locator('#message').isVisible(), false);
  await ben.reload();
  await told(ben, 'You are banned here', 1);
  await ben.getByText('An admin has said so. The reason: noise').waitFor();
  assert.equal((await ask('DELETE', '/bans?name=ben')).status, 204);
  await ben.getByRole('button', { name: 'Come back' }).click();
  await isConnected(ben);
  await sayAndSee(ben, 'quietly');
});

test('who is not an admin has no such commands', async (t) => {
  const ana = await enter(t, 'tea', tokenOf('ana'));
  await say(ana, '/ban ben');
  await ana.getByText('There is no command /ban').waitFor();
});

test('it is said in Chinese, too', async (t) => {
  const chen = await enter(t, 'tea', tokenOf('chen'), { locale: 'zh-CN' });
  assert.equal((await ask('PUT', '/bans', { name: 'chen', room: 'tea', reason: '广告' })).status, 200);
  await told(chen, '你已被禁止进入 tea', 2);
  await chen.getByText('这是管理员的决定。原因：广告').waitFor();
});
