// Rooms and people: several rooms, names, who is here, direct messages, commands, tabs, drafts, news.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CONNECTION_ERRORS, anotherTab, field, isConnected, keepNotifications, log, messages, nick, notified, openPage, outbox,
  post, say, sayAndSee, setUp, setVisible, startServer, texts, until,
} from './support.js';

const fixture = await setUp();
const open = (t, room, options) => openPage(t, fixture, { room, ...options });
const place = (page, name) => page.getByRole('navigation').getByRole('link', { name: new RegExp(`^${name}`) });
const here = (page) => page.getByRole('complementary').locator('.name');
const isHere = (page, name) => here(page).getByText(name, { exact: true }).waitFor();
const heading = (page, name) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor();

test('several rooms are open at once, and count what is not read', async (t) => {
  const [ana, ben] = await Promise.all([open(t, 'tea-1'), open(t, 'coffee-1')]);
  await say(ana, '/join coffee-1');
  await heading(ana, '# coffee-1');
  assert.equal(new URL(ana.url()).search, '?room=coffee-1');
  await sayAndSee(ana, 'in the coffee room', [ben]);
  await place(ana, 'tea-1').click();
  await heading(ana, '# tea-1');
  assert.deepEqual(await texts(ana), []);
  await sayAndSee(ben, 'one');
  await sayAndSee(ben, 'two');
  await place(ana, 'coffee-1 2 unread').waitFor();
  assert.equal(await ana.title(), '(2) tea-1 · parlor');
  await place(ana, 'coffee-1').click();
  await messages(ana).getByText('two').waitFor();
  assert.deepEqual(await texts(ana), ['in the coffee room', 'one', 'two']);
  assert.equal(await place(ana, 'coffee-1').locator('.badge').count(), 0);
  assert.equal(await ana.title(), 'coffee-1 · parlor');
  await ana.goBack();
  await heading(ana, '# tea-1');
});

test('the rooms that were open are open again, with what was missed as unread', async (t) => {
  const [ana, ben] = await Promise.all([open(t, 'tea-2'), open(t, 'coffee-2')]);
  await sayAndSee(ben, 'known');
  await say(ana, '/join coffee-2');
  await messages(ana).getByText('known').waitFor();
  await place(ana, 'tea-2').click();
  await ana.goto('about:blank');
  await sayAndSee(ben, 'missed');
  await ana.goto(`${fixture.server.url}?room=tea-2`);
  await place(ana, 'coffee-2 1 unread').waitFor();
  await place(ana, 'coffee-2').click();
  await messages(ana).getByText('missed').waitFor();
  assert.deepEqual(await texts(ana), ['known', 'missed']);
});

test('a room can be left, by command or by its button', async (t) => {
  const ana = await open(t, 'tea-3');
  await say(ana, '/join coffee-3');
  await heading(ana, '# coffee-3');
  await say(ana, '/leave');
  await heading(ana, '# tea-3');
  // Nor is the command that led away from it left in its field.
  assert.equal(await field(ana).inputValue(), '');
  assert.equal(await place(ana, 'coffee-3').count(), 0);
  await place(ana, 'tea-3').hover();
  await ana.getByRole('button', { name: 'Leave tea-3' }).click();
  await ana.getByRole('heading', { name: 'No room is open' }).waitFor();
  const watcher = await open(t, 'tea-3');
  await isHere(watcher, await watcher.locator('#you .name').textContent());
  assert.equal(await here(watcher).count(), 1);
});

test('names are chosen, kept, unique, and their colours are the same for everyone', async (t) => {
  const [ana, ben] = await Promise.all([open(t, 'names'), open(t, 'names')]);
  const guest = await ana.locator('#you .name').textContent();
  assert.match(guest, /^guest-/);
  await isHere(ben, guest);
  await ana.getByRole('button', { name: 'Choose a name' }).click();
  await ana.getByRole('textbox', { name: 'Name', exact: true }).fill('Ana Lovelace');
  await ana.getByRole('button', { name: 'Use this name' }).click();
  await isHere(ben, 'Ana Lovelace');
  await log(ben).getByText(`${guest} is now Ana Lovelace`).waitFor();
  await say(ben, '/nick ana LOVELACE');
  await ben.getByText('Somebody else is ana LOVELACE already').waitFor();
  await say(ben, '/nick guest-1');
  await ben.getByText('A name has 1 to 32 characters').waitFor();
  await nick(ben, 'ben');
  await sayAndSee(ana, 'hello', [ben]);
  const colour = (locator) => locator.evaluate((e) => getComputedStyle(e).color);
  const who = messages(ben).filter({ hasText: 'hello' }).locator('.who');
  assert.equal(await who.textContent(), 'Ana Lovelace');
  assert.equal(await colour(who), await colour(ana.locator('#you .name')));
  assert.notEqual(await colour(who), await colour(ben.locator('#you .name')));

  await ana.reload();
  await isConnected(ana);
  await ana.locator('#you').getByText('Ana Lovelace').waitFor();
});

test('who is here is shown as they come and go', async (t) => {
  const ana = await open(t, 'here');
  await nick(ana, 'anna');
  const ben = await open(t, 'here');
  await nick(ben, 'benno');
  await Promise.all([isHere(ana, 'benno'), isHere(ben, 'anna')]);
  assert.deepEqual(await here(ana).allTextContents(), ['anna', 'benno']);
  await ana.getByRole('heading', { name: 'Here now · 2' }).waitFor();
  await say(ana, '/who');
  await log(ana).getByText(/^Here now: .*benno/).waitFor();
  await ben.close();
  await ana.getByRole('heading', { name: 'Here now · 1' }).waitFor();
  assert.deepEqual(await here(ana).allTextContents(), ['anna']);
});

test('who is here is right again after a crowd, of which only the number is told', async (t) => {
  const ana = await open(t, 'crowd');
  await nick(ana, 'ana-crowd');
  const ben = await open(t, 'crowd');
  await nick(ben, 'ben-crowd');
  await isHere(ana, 'ben-crowd');
  await ben.evaluate((address) => {
    globalThis.crowd = Array.from({ length: 120 }, () => new WebSocket(address));
  }, `${fixture.server.url.replace('http', 'ws')}ws/crowd`);
  await ana.getByRole('heading', { name: 'Here now · 122' }).waitFor();
  // They go while nobody is named.
  await ben.close();
  await ana.getByRole('heading', { name: 'Here now · 1', exact: true }).waitFor();
  await until(ana, () => [...document.querySelectorAll('#people-list .name')].map((e) => e.textContent).join() === 'ana-crowd');
});

test('of a crowd that came while the page was open some are named, oneself first', async (t) => {
  const ana = await open(t, 'throng');
  await nick(ana, 'ana-throng');
  const ben = await open(t, 'throng');
  await ben.evaluate((address) => {
    globalThis.crowd = Array.from({ length: 130 }, () => new WebSocket(address));
  }, `${fixture.server.url.replace('http', 'ws')}ws/throng`);
  await ana.getByRole('heading', { name: 'Here now · 132' }).waitFor();
  await until(ana, () => document.querySelectorAll('#people-list .person').length >= 100);
  assert.equal(await here(ana).first().textContent(), 'ana-throng');
  // More of them may be named as time passes.
  await until(ana, () => {
    const named = document.querySelectorAll('#people-list .person').length;
    return document.getElementById('people-more').textContent === `and ${132 - named} more`;
  });
});

test('who is here takes no room where there is nothing to tell', async (t) => {
  const ana = await open(t, 'alone-here');
  const panel = ana.getByRole('complementary');
  await panel.getByText('Nobody else yet').waitFor();
  await say(ana, '/msg nobody');
  await heading(ana, '@nobody');
  assert.equal(await panel.isVisible(), false);
  await ana.goBack();
  await panel.waitFor();
  await ana.getByRole('button', { name: 'Board' }).click();
  assert.equal(await panel.isVisible(), false);
  // Beside a board it is shown to who asks for it.
  await ana.locator('#people-toggle').click();
  await panel.waitFor();
  await ana.getByRole('button', { name: 'Chat' }).click();
  await panel.waitFor();
  // Nor is there anyone to list where only a conversation with one person is left.
  await say(ana, '/leave');
  await heading(ana, '@nobody');
  assert.equal(await panel.isVisible(), false);
});

test('direct messages reach one person only, from the list or by command', async (t) => {
  const [ana, ben, cho] = await Promise.all([open(t, 'dm'), open(t, 'dm'), open(t, 'dm')]);
  await Promise.all([nick(ana, 'ana-dm'), nick(ben, 'ben dm'), nick(cho, 'cho-dm')]);
  await ana.getByRole('complementary').getByRole('button', { name: 'ben dm' }).click();
  await heading(ana, '@ben dm');
  await ana.getByRole('heading', { name: 'You and ben dm' }).waitFor();
  await sayAndSee(ana, 'psst');
  await place(ben, 'ana-dm 1 unread').click();
  await messages(ben).getByText('psst').waitFor();
  await sayAndSee(ben, 'yes?', [ana]);
  assert.deepEqual(await texts(ana), ['psst', 'yes?']);
  assert.equal(await messages(ana).first().getAttribute('class'), 'message own');
  await say(cho, '/msg "ben dm" me too');
  await place(ben, 'cho-dm 1 unread').waitFor();
  assert.deepEqual(await texts(ben), ['psst', 'yes?']);
  assert.equal(await place(cho, 'ana-dm').count(), 0);
  await say(cho, '/msg nobody hello');
  await outbox(cho).getByText('nobody of that name is here').waitFor();
  // The room heard nothing of it.
  await place(ben, 'dm').click();
  assert.deepEqual(await texts(ben), []);
});

test('who is typing is seen, until they say it', async (t) => {
  const [ana, ben] = await Promise.all([open(t, 'typing'), open(t, 'typing')]);
  await nick(ben, 'ben-typing');
  await isHere(ana, 'ben-typing');
  await until(ben, () => document.getElementById('people-count').textContent === '2');
  await field(ben).pressSequentially('h');
  await ana.getByRole('status').getByText('ben-typing is typing').waitFor();
  assert.equal(await ben.getByText('is typing').count(), 0);
  await field(ben).fill('');
  await ana.getByText('ben-typing is typing').waitFor({ state: 'hidden' });
  await field(ben).pressSequentially('hi');
  await ana.getByText('ben-typing is typing').waitFor();
  await field(ben).press('Enter');
  await messages(ana).getByText('hi').waitFor();
  assert.equal(await ana.getByText('ben-typing is typing').count(), 0);
  assert.equal(await messages(ana).count(), 1);
});

test('tabs of one browser are one person', async (t) => {
  const ana = await open(t, 'tabs');
  await nick(ana, 'ana-tabs');
  const tab = await anotherTab(ana);
  await tab.locator('#you').getByText('ana-tabs').waitFor();
  await isHere(tab, 'ana-tabs');
  assert.equal(await here(tab).count(), 1);
  await sayAndSee(ana, 'from one tab', [tab]);
  assert.equal(await messages(tab).first().getAttribute('class'), 'message own');
  await nick(tab, 'ana-renamed');
  await ana.locator('#you').getByText('ana-renamed').waitFor();
  await tab.close();
  await isHere(ana, 'ana-renamed');
  await sayAndSee(ana, 'still here');
  assert.deepEqual(await here(ana).allTextContents(), ['ana-renamed']);
});

test('tabs that come back after a restart are one person still', async (t) => {
  const own = { browser: fixture.browser, server: await startServer() };
  t.after(() => own.server.stop());
  const ana = await openPage(t, own, { room: 'tabs', expected: CONNECTION_ERRORS });
  await nick(ana, 'ana');
  const tab = await anotherTab(ana);
  await tab.locator('#you').getByText('ana').waitFor();
  await own.server.stop();
  for (const page of [ana, tab]) await page.locator('#status[data-phase=waiting]').waitFor();
  own.server = await startServer({ port: own.server.port });
  for (const page of [ana, tab]) {
    await isConnected(page);
    await page.locator('#you').getByText('ana', { exact: true }).waitFor();
    await isHere(page, 'ana');
  }
  await sayAndSee(tab, 'one person', [ana]);
  await ana.getByRole('heading', { name: 'Here now · 1' }).waitFor();
});

test('drafts stay with their room, and over a reload', async (t) => {
  const ana = await open(t, 'draft-1');
  await field(ana).fill('half a thought');
  await ana.getByRole('combobox', { name: 'Join a room' }).fill('draft-2');
  await ana.keyboard.press('Enter');
  await heading(ana, '# draft-2');
  assert.equal(await field(ana).inputValue(), '');
  await place(ana, 'draft-1').click();
  assert.equal(await field(ana).inputValue(), 'half a thought');
  await ana.reload();
  await isConnected(ana);
  assert.equal(await field(ana).inputValue(), 'half a thought');
  await field(ana).press('Enter');
  await messages(ana).getByText('half a thought').waitFor();
  await ana.reload();
  await messages(ana).getByText('half a thought').waitFor();
  assert.equal(await field(ana).inputValue(), '');
});

test('a slash lists the commands, Tab completes, and mistakes are explained', async (t) => {
  const ana = await open(t, 'slash');
  await field(ana).pressSequentially('/');
  await ana.getByText('/msg name text').waitFor();
  await field(ana).pressSequentially('ni');
  assert.equal(await ana.locator('#command-help .command').count(), 1);
  await field(ana).press('Tab');
  assert.equal(await field(ana).inputValue(), '/nick ');
  assert.equal(await ana.locator('#command-help').isVisible(), false);
  await field(ana).press('Enter');
  await ana.getByText('Write it like this: /nick name').waitFor();
  assert.equal(await field(ana).inputValue(), '/nick ');
  await say(ana, '/dance');
  await ana.getByText('There is no command /dance').waitFor();
  await say(ana, '/w');
  assert.equal(await field(ana).inputValue(), '/who');
  await say(ana, '/join two words');
  await ana.getByText('A room name has').waitFor();
  await say(ana, '/help');
  await log(ana).getByText('/leave').waitFor();
  await say(ana, '//etc/hosts');
  await messages(ana).waitFor();
  assert.deepEqual(await texts(ana), ['/etc/hosts']);
});

test('the arrow keys choose a command, Enter takes it, Escape puts the list away', async (t) => {
  const ana = await open(t, 'arrows');
  const list = ana.getByRole('listbox', { name: 'Commands' });
  const chosen = () => list.getByRole('option', { selected: true }).locator('code').textContent();
  await field(ana).pressSequentially('/');
  await list.waitFor();
  assert.equal(await chosen(), '/join room');
  await field(ana).press('ArrowDown');
  assert.equal(await chosen(), '/nick name');
  assert.equal(await field(ana).getAttribute('aria-activedescendant'), await list.getByRole('option', { selected: true }).getAttribute('id'));
  await field(ana).press('ArrowUp');
  await field(ana).press('ArrowUp');
  assert.equal(await chosen(), '/help');
  await field(ana).press('Enter');
  assert.equal(await field(ana).inputValue(), '/help');
  assert.equal(await list.isVisible(), false);
  assert.equal(await field(ana).getAttribute('aria-activedescendant'), null);
  await field(ana).press('Enter');
  await log(ana).getByText('list who is here').waitFor();
  await field(ana).pressSequentially('/');
  await field(ana).press('Escape');
  assert.equal(await list.isVisible(), false);
  // Without a list the keys are the field's own again.
  await field(ana).fill('one\ntwo');
  await field(ana).press('ArrowUp');
  await field(ana).pressSequentially('!');
  assert.match(await field(ana).inputValue(), /!.*\n/);
});

test('a hidden page counts what it missed in its title, and notifies who asked for it', async (t) => {
  const ana = await open(t, 'title', { prepare: keepNotifications });
  const ben = await open(t, 'title');
  await nick(ben, 'ben-title');
  await setVisible(ana, false);
  await sayAndSee(ben, 'one', [ana]);
  assert.equal(await ana.title(), '(1) title · parlor');
  await setVisible(ana, true);
  assert.equal(await ana.title(), 'title · parlor');
  await ana.getByRole('button', { name: 'Notify me' }).click();
  await ana.getByRole('button', { name: 'Notify me', pressed: true }).waitFor();
  await setVisible(ana, false);
  await sayAndSee(ben, 'two', [ana]);
  await sayAndSee(ben, 'three', [ana]);
  await post(fixture.server, 'title', 81, { key: 'boiler.temp' });
  await messages(ana).getByText('81', { exact: true }).waitFor();
  assert.equal(await ana.title(), '(2) title · parlor');
  assert.deepEqual(await notified(ana), ['ben-title in title: two', 'ben-title in title: three']);
});

test('a room that cannot be entered says why in the reader’s words, and offers to try again', async (t) => {
  let refusals = 2;
  const page = await openPage(t, fixture, {
    room: 'elsewhere',
    prepare: (p) => p.routeWebSocket('**/ws', (socket) => {
      const server = socket.connectToServer();
      socket.onMessage((message) => {
        const { type, id, room } = JSON.parse(message);
        if (type !== 'join' || room !== 'full' || refusals === 0) return server.send(message);
        refusals -= 1;
        const code = refusals === 1 ? 'too_many_rooms' : 'news_to_this_page';
        return socket.send(JSON.stringify({ type: 'error', id, code, message: 'The object is in an invalid state.' }));
      });
    }),
  });
  await say(page, '/join full');
  await page.getByRole('heading', { name: 'full could not be entered' }).waitFor();
  await page.getByText('You are in as many rooms as this server lets one person be in').waitFor();
  await page.getByRole('button', { name: 'Enter again' }).click();
  await page.getByText('That did not work (news_to_this_page). Try again.').waitFor();
  assert.equal(await page.getByText('invalid state').count(), 0);
  await page.getByRole('button', { name: 'Enter again' }).click();
  await sayAndSee(page, 'in after all');
});
