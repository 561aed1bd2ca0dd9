// Measures what a room that is never silent costs the page in each engine: memory, and the work of a frame.
// `npm run load`, or `npm run load -- Firefox`. The figures go to where they are wanted; no test depends on them.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { ENGINES } from './engines.js';
import { startServer } from './support.js';

const MESSAGES = 10_000;
const PER_SECOND = 500;
/** For how long an engine may tidy up. */
const REST_MS = 15_000;
const FRAMES_PER_SECOND = 50;
const FRAMES_FOR_S = 6;

const wanted = process.argv.slice(2);
for (const name of Object.keys(ENGINES).filter((engine) => wanted.length === 0 || wanted.includes(engine))) {
  const server = await startServer({ args: ['--rate', '0'] });
  const tab = await ENGINES[name].open();
  try {
    await measure(name, tab, server);
  } finally {
    await tab.end();
    await server.stop();
  }
}

async function measure(name, tab, server) {
  await tab.goto(`${server.url}?room=busy`);
  await tab.until(() => document.querySelector('#status[data-phase=open]') && document.querySelector('#people-count').textContent);
  const saw = (text) => tab.until((last) => [...document.querySelectorAll('.log .text')].at(-1)?.textContent.startsWith(last), text);
  const seeFrames = async (what) => {
    const frames = workOfFrames(tab);
    await talk(server, FRAMES_PER_SECOND * FRAMES_FOR_S, FRAMES_PER_SECOND, (n) => `${what} ${n}`);
    const { count, median, worst } = await frames;
    console.log(`${name}, ${what}: ${count} frames in ${FRAMES_FOR_S} s, ${median.toFixed(1)} ms of work in the median, ${worst.toFixed(1)} in the worst of 100`);
  };
  await seeFrames('an empty list');
  const began = memory();
  await talk(server, MESSAGES, PER_SECOND, (n) => `message ${n}, of some length: ${'abcdefghi '.repeat(8)}`);
  await saw(`message ${MESSAGES - 1},`);
  const atOnce = memory();
  await sleep(REST_MS);
  const rested = memory();
  const elements = await tab.run(() => document.querySelectorAll('.log *').length);
  console.log(`${name}: ${total(began)} MB, ${total(atOnce, began)} more after ${MESSAGES} messages, ${total(rested, began)} more after a rest; ${elements} elements`);
  for (const [program, now] of rested) {
    const growth = now - (began.get(program) ?? 0);
    if (Math.abs(growth) >= 3) console.log(`  ${program}: ${growth.toFixed(1)}`);
  }
  await seeFrames('a full list');
}

/** Says so many messages in the room, at so many a second; waits until all have come back. */
function talk(server, count, perSecond, each) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}ws/busy`, { perMessageDeflate: false });
    let [said, heard, timer] = [0, 0, 0];
    socket.on('open', () => {
      const began = Date.now();
      timer = setInterval(() => {
        for (const due = (Date.now() - began) / 1000 * perSecond; said < Math.min(count, due); said += 1) socket.send(each(said));
      }, 5);
    });
    socket.on('message', () => {
      heard += 1;
      if (heard === count) socket.close();
    });
    socket.on('close', () => {
      clearInterval(timer);
      if (heard === count) resolve();
      else reject(new Error(`closed after ${heard} of ${count}`));
    });
    socket.on('error', reject);
  });
}

/** From the beginning of each frame until the page is at something else: scripts, styles, layout. */
function workOfFrames(tab) {
  return tab.run((ms) => new Promise((resolve) => {
    const work = [];
    const end = performance.now() + ms;
    const { port1, port2 } = new MessageChannel();
    let began = 0;
    port1.onmessage = () => { work.push(performance.now() - began); };
    const frame = () => {
      began = performance.now();
      port2.postMessage(null);
      if (began < end) return requestAnimationFrame(frame);
      work.sort((a, b) => a - b);
      return resolve({ count: work.length, median: work[work.length >> 1], worst: work[Math.floor(work.length * 0.99)] });
    };
    requestAnimationFrame(frame);
  }), FRAMES_FOR_S * 1000);
}

/** What the browsers that this process has started hold of their own, in MB by process: not their programs, which they share. */
function memory() {
  const megabytes = new Map();
  for (const pid of descendants()) {
    try {
      const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
      if (/^(parlor|Xvfb|setpriv)/.test(name)) continue;
      const [, kind = ''] = /--type=(\S+)/.exec(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')) ?? [];
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
      const kilobytes = (part) => Number(new RegExp(`^${part}:\\s+(\\d+)`, 'm').exec(rollup)[1]);
      megabytes.set(`${name} ${kind} ${pid}`, (kilobytes('Pss_Anon') + kilobytes('Pss_Shmem')) / 1000);
    } catch { /* It has ended. */ }
  }
  return megabytes;
}

function total(megabytes, before = new Map()) {
  const sum = (map) => [...map.values()].reduce((all, each) => all + each, 0);
  return (sum(megabytes) - sum(before)).toFixed(1);
}

/** The processes that this one has started, and those that they have. */
function descendants() {
  const children = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]);
      children.set(parent, [...children.get(parent) ?? [], Number(pid)]);
    } catch { /* It has ended. */ }
  }
  const found = [];
  for (const pending = [process.pid]; pending.length > 0;) {
    const below = children.get(pending.pop()) ?? [];
    found.push(...below);
    pending.push(...below);
  }
  return found;
}
