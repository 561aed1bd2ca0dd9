// What the page is for, in all three engines. ENGINE=WebKit picks one.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ENGINES } from './engines.js';
import { png } from './png.js';
import { post, startServer } from './support.js';

const LOADS = 10;

/** The tests, each with a tab, the server and a room of its own. */
const TESTS = {
  'it is in its room after every load, and a message goes round': async ({ tab, server, open, room }) => {
    for (let load = 0; load < LOADS; load += 1) {
      await open();
      await post(server, room, `load ${load}`);
      await sees(tab, `load ${load}`);
    }
    await tab.fill('#message', 'from the keyboard');
    await tab.press('Enter');
    await sees(tab, 'from the keyboard');
    assert.equal(await tab.run(() => document.querySelectorAll('.outbox .message').length), 0);
  },

  'a client that is told to reconnect at once opens one connection': async ({ tab, open }) => {
    await open();
    assert.deepEqual(await tab.run(async () => {
      let opened = 0;
      const Counted = class extends WebSocket {
        constructor(...args) { super(...args); opened += 1; }
      };
      const { Parlor } = await import('./parlor.js');
      const parlor = new Parlor({ WebSocket: Counted });
      parlor.reconnect();
      const { offset } = await parlor.join('reconnecting');
      await parlor.publish('reconnecting', 'said');
      parlor.close();
      return { opened, offset };
    }), { opened: 1, offset: 0 });
  },

  'it comes back after the server was gone, and delivers what was written meanwhile': async ({ tab, server, open, restart }) => {
    await open();
    await server.stop();
    await tab.until(() => !document.getElementById('banner').hidden);
    await tab.fill('#message', 'written meanwhile');
    await tab.press('Enter');
    await tab.until(() => document.querySelector('.outbox .state')?.textContent.includes('Will be sent'));
    await restart();
    await tab.click('#retry');
    await sees(tab, 'written meanwhile');
    await tab.until(() => document.querySelectorAll('.outbox .message').length === 0);
  },

  'the board draws values, and an alarm is raised, acknowledged, cleared and removed': async ({ tab, server, open, room }) => {
    await open('&view=board');
    await post(server, room, 81.25, { key: 'boiler.temp' });
    await tab.until(() => document.querySelector('.chart-latest')?.textContent === '81.25');
    const says = (key, data) => post(server, room, data, { key: `alarm.${key}` });
    const isShown = (state) => tab.until((wanted) => document.querySelector(`.alarm.${wanted}`)?.innerText, state);
    await says('boiler', { alarm: 'raised', text: 'Boiler too hot', severity: 'critical' });
    assert.match(await isShown('raised'), /Critical\s+Boiler too hot/);
    await tab.click('.alarm .main-button');
    assert.match(await isShown('acknowledged'), /Acknowledged by guest-/);
    await says('boiler', { alarm: 'cleared' });
    assert.match(await isShown('cleared'), /Critical\s+Boiler too hot/);
    await tab.click('.alarm .text-button');
    await tab.until(() => document.querySelectorAll('.alarm').length === 0);
  },

  'it is ready to write in after every load, and Enter joins the room that is named': async ({ tab, open, room }) => {
    for (let load = 0; load < 2; load += 1) {
      await open();
      await tab.until(() => document.activeElement.id === 'message');
    }
    // The field suggests rooms that there are, and takes one that there is not.
    await tab.fill('#room', `${room}-b`);
    await tab.press('Enter');
    await tab.until((name) => document.getElementById('title').textContent === `# ${name}`, `${room}-b`);
    assert.equal(await tab.run(() => document.getElementById('room').value), '');
  },

  'the arrow keys choose a command': async ({ tab, open }) => {
    await open();
    const chosen = (command) => tab.until((wanted) =>
      document.querySelector('#command-help [aria-selected=true] code')?.textContent === wanted, command);
    await tab.fill('#message', '/');
    await tab.press('ArrowUp');
    await chosen('/help');
    await tab.press('ArrowUp');
    await chosen('/leave');
    await tab.press('Enter');
    await tab.until(() => document.getElementById('message').value === '/leave' && document.getElementById('command-help').hidden);
    await tab.fill('#message', '');
  },

  'what is read stays where it is while pictures load above it': async ({ tab, server, open, room }) => {
    for (let n = 0; n < 40; n += 1) {
      await post(server, room, n % 2 ? png(200 + n, 900) : `line ${n}`, { type: n % 2 ? 'application/octet-stream' : 'text/plain' });
    }
    await open();
    await sees(tab, 'line 38');
    const moved = await tab.run(async () => {
      const scroller = document.querySelector('.scroller:not([hidden])');
      scroller.scrollTop = scroller.scrollHeight / 2;
      const before = scroller.getBoundingClientRect();
      const read = document.elementFromPoint(before.x + before.width / 2, before.y + before.height / 2).closest('.message');
      const place = () => read.getBoundingClientRect().top;
      const pictures = [...document.querySelectorAll('.picture')];
      const was = place();
      // They load again.
      for (const picture of pictures) picture.src = picture.src;
      await Promise.all(pictures.map((picture) => picture.decode().catch(() => {})));
      await new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); });
      return { count: pictures.length, px: Math.abs(place() - was) };
    });
    assert.equal(moved.count, 20);
    assert(moved.px <= 1, `${moved.px} px`);
  },

  'Latin quotation marks are as narrow as Latin letters': async ({ tab, server, open, room }) => {
    await open();
    await post(server, room, 'It’s “the best”…');
    await sees(tab, 'It’s “the best”…');
    const widths = await tab.run(() => {
      const [text] = document.querySelector('.log .text').childNodes;
      const size = parseFloat(getComputedStyle(text.parentElement).fontSize);
      return [...text.data].map((character, n) => {
        const range = document.createRange();
        range.setStart(text, n);
        range.setEnd(text, n + 1);
        return /[’“”]/.test(character) ? range.getBoundingClientRect().width / size : 0;
      });
    });
    assert(Math.max(...widths) > 0 && Math.max(...widths) < 0.7, `${widths}`);
  },
};

const sees = (tab, text) => tab.until((wanted) =>
  [...document.querySelectorAll('.log .text')].some(({ textContent }) => textContent === wanted), text);

for (const [name, Engine] of Object.entries(ENGINES).filter(([engine]) => (process.env.ENGINE ?? engine) === engine)) {
  describe(name, () => {
    const fixture = {};
    before(async () => {
      fixture.server = await startServer();
      fixture.tab = await Engine.open();
    });
    after(async () => {
      await fixture.tab?.end();
      await fixture.server.stop();
    });

    for (const [n, [does, check]] of Object.entries(TESTS).entries()) {
      test(does, async () => {
        const { tab } = fixture;
        const room = `core-${n}`;
        const open = async (more = '') => {
          await tab.goto(`${fixture.server.url}?room=${room}${more}`);
          await tab.until(() => document.querySelector('#status[data-phase=open]') && document.querySelector('#people-count').textContent);
        };
        const restart = async () => { fixture.server = await startServer({ port: fixture.server.port }); };
        await check({ tab, server: fixture.server, room, open, restart });
        assert.deepEqual(await tab.errors, []);
      });
    }
  });
}
