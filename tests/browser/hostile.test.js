// Nothing that a message holds stops the page: anything in any field of any event, and then it goes on as before.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hostile, toText } from './hostile.js';
import { messages, openPage, setUp, until } from './support.js';

const SEEDS = [1, 2, 3, 4];
const EVENTS = 250;

const fixture = await setUp();

/** A page whose server says hostile things: at once, if they are in what it says of the room. */
async function besieged(t, { seed, view, inRoom = 0 }) {
  const room = `hostile-${seed}-${view}`;
  const hostile = new Hostile(seed, room, 1000);
  let toPage;
  const page = await openPage(t, fixture, {
    url: `${fixture.server.url}?room=${room}&view=${view}`,
    prepare: (p) => p.routeWebSocket('**/ws', (socket) => {
      toPage = (text) => socket.send(text);
      socket.connectToServer().onMessage((text) => {
        const event = JSON.parse(text);
        if (event.type !== 'joined') return socket.send(text);
        event.messages = Array.from({ length: inRoom }, () => hostile.message());
        event.retained = Array.from({ length: inRoom }, () => hostile.message());
        return socket.send(toText(event));
      });
    }),
  });
  await until(page, () => document.getElementById('people-count').textContent !== '');
  return { page, hostile, say: (text) => toPage(text) };
}

/** After all, what comes is shown: in the conversation, or as a value and an alarm. */
async function goesOn(page, view, { say, hostile }) {
  say(hostile.good({ data: 'after all that' }));
  say(hostile.good({ key: 'good.value', data: 42.5 }));
  say(hostile.good({ key: 'alarm.good', data: { alarm: 'raised', text: 'A good alarm' } }));
  if (view === 'chat') return void await messages(page).filter({ hasText: 'after all that' }).waitFor();
  await page.getByRole('listitem').filter({ hasText: 'A good alarm' }).waitFor();
  const chart = page.getByRole('article').filter({ has: page.getByRole('heading', { name: 'good.value', exact: true }) });
  await chart.scrollIntoViewIfNeeded();
  await chart.locator('.chart-latest').getByText('42.5', { exact: true }).waitFor();
}

for (const view of ['chat', 'board']) {
  for (const seed of SEEDS) {
    test(`${view}, seed ${seed}: hostile events, one after another`, async (t) => {
      const all = await besieged(t, { seed, view });
      for (let n = 0; n < EVENTS; n += 1) all.say(all.hostile.event());
      await goesOn(all.page, view, all);
    });
  }

  test(`${view}: a room full of hostile messages is entered`, async (t) => {
    const all = await besieged(t, { seed: 100, view, inRoom: 60 });
    await goesOn(all.page, view, all);
  });
}

for (const [unit, raised_at] of Object.entries({ nanoseconds: 1795788363344000000, seconds: 1795788363, 'seconds since a start': 0.5 })) {
  test(`an alarm raised in ${unit} is shown with the time that it came`, async (t) => {
    const all = await besieged(t, { seed: raised_at, view: 'board' });
    all.say(all.hostile.good({ key: 'alarm.a', data: { alarm: 'raised', text: 'First', raised_at } }));
    await all.page.getByRole('listitem').filter({ hasText: 'First' }).getByText(/^Raised \d\d:\d\d:\d\d$/).waitFor();
    await goesOn(all.page, 'board', all);
    assert.equal(await all.page.getByRole('listitem').filter({ hasText: 'First' }).count(), 1);
  });
}
