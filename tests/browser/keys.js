// Measures what many keys in one room cost the server and the board: values at 1 Hz each, with boards that watch.
// `npm run keys`, or `npm run keys -- KEYS`. The figures go to where they are wanted; no test depends on them.

import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { WebSocket } from 'ws';

/** How often a part of the keys gets its values in a second. */
const PARTS = 10;
const BOARDS = [0, 1, 10];
/** Until rooms remember as much as they may, and for how long is measured. */
const WARM_UP_MS = 15_000;
const MEASURE_MS = 15_000;
/** What the board asks for of its window of a minute. */
const SERIES = { seconds: 65, points: 1000 };
/** A tick of the clock of /proc: CLK_TCK is 100 on Linux. */
const TICK_MS = 10;

if (isMainThread) await main(Number(process.argv[2] ?? 10_000));
else feed(workerData);

async function main(keys) {
  const [{ launch }, { startServer }] = await Promise.all([import('./support.js'), import('../parlor.mjs')]);
  const args = ['--max-keys', String(2 * keys), '--history-bytes', String(64 << 20), '--rate', '0'];
  const server = await startServer({ args });
  const feeding = new Worker(new URL(import.meta.url), { workerData: { port: server.port, keys } });
  const answered = new Int32Array(new SharedArrayBuffer(4));
  feeding.postMessage(answered);
  await sleep(WARM_UP_MS);
  const boards = [];
  for (const count of BOARDS) {
    while (boards.length < count) boards.push(await watch(server));
    await sleep(2000);
    const before = { cpu: cpuMs(server.pid), at: Date.now(), answered: answered[0], bytes: boards.map((it) => it.bytes) };
    await sleep(MEASURE_MS);
    const seconds = (Date.now() - before.at) / 1000;
    const cpu = (cpuMs(server.pid) - before.cpu) / seconds / 10;
    const rate = (answered[0] - before.answered) / seconds;
    const each = boards.map((it, n) => (it.bytes - before.bytes[n]) / seconds / 1e6);
    console.log(`${keys} keys, ${count} boards: ${Math.round(rate)} values/s, server ${cpu.toFixed(1)} % of a core, `
      + `${(residentKb(server.pid) / 1000).toFixed(0)} MB; ${(each[0] ?? 0).toFixed(2)} MB/s to each board`);
  }
  console.log(`joined: ${(boards[0].joinedBytes / 1e6).toFixed(2)} MB in ${boards[0].joinedMs} ms`);
  for (const board of boards) board.socket.close();
  await paint(await launch(), server);
  await feeding.terminate();
  await server.stop();
}

/** Comes into the room as the board does, and counts what it gets. */
function watch(server) {
  return new Promise((resolve, reject) => {
    const began = Date.now();
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}ws`, 'parlor.v1.json', { perMessageDeflate: false });
    const board = { socket, bytes: 0, joinedBytes: 0, joinedMs: 0 };
    socket.on('open', () => {
      socket.send(JSON.stringify({ type: 'login' }));
      socket.send(JSON.stringify({ type: 'join', room: 'plant', last: 50, series: SERIES }));
    });
    socket.on('message', (data) => {
      board.bytes += data.length;
      if (board.joinedMs > 0) return;
      if (data.subarray(0, 15).toString() === '{"type":"error"') reject(new Error(data));
      if (data.subarray(0, 16).toString() !== '{"type":"joined"') return;
      Object.assign(board, { joinedBytes: data.length, joinedMs: Date.now() - began });
      resolve(board);
    });
    socket.on('error', reject);
  });
}

/** Opens the board in a browser: what it loads, and how long until there is a chart with a value. */
async function paint(browser, server) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  let [loaded, received] = [0, 0];
  session.on('Network.dataReceived', ({ encodedDataLength }) => { loaded += encodedDataLength; });
  session.on('Network.webSocketFrameReceived', ({ response }) => { received += response.payloadData.length; });
  const [began, cpu] = [Date.now(), cpuMs(server.pid)];
  await page.goto(`${server.url}?room=plant&view=board`);
  await page.waitForFunction(() => document.querySelector('.chart-latest')?.textContent, null, { timeout: 120_000 });
  const shownMs = Date.now() - began;
  console.log(`the board shows a value after ${shownMs} ms: ${(loaded / 1e3).toFixed(0)} kB of page, `
    + `${(received / 1e6).toFixed(2)} MB of messages (before compression), ${cpuMs(server.pid) - cpu} ms of the server`);
  const charts = await page.locator('.chart-latest').count();
  const longest = await page.evaluate((ms) => new Promise((resolve) => {
    const end = performance.now() + ms;
    let [last, worst] = [performance.now(), 0];
    const frame = (now) => {
      worst = Math.max(worst, now - last);
      last = now;
      if (now < end) return requestAnimationFrame(frame);
      return resolve(worst);
    };
    requestAnimationFrame(frame);
  }), 5000);
  console.log(`${charts} charts; the longest of its frames in 5 s took ${Math.round(longest)} ms`);
  await browser.close();
}

/** Sends a value of each key in a second, by requests that do not wait for each other's answers. */
function feed({ port, keys }) {
  parentPort.once('message', (answered) => {
    const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
    socket.on('data', (data) => {
      let at = -1;
      while ((at = data.indexOf('HTTP/1.1 200', at + 1)) >= 0) Atomics.add(answered, 0, 1);
    });
    let part = 0;
    setInterval(() => {
      const texts = [];
      for (let key = part; key < keys; key += PARTS) {
        const value = (80 + 10 * Math.sin(Date.now() / 5000 + key)).toFixed(2);
        texts.push(`POST /rooms/plant?key=unit-${key % 100}.sensor-${key}&retain HTTP/1.1\r\nHost: localhost\r\n`
          + `Content-Type: application/json\r\nContent-Length: ${value.length}\r\n\r\n${value}`);
      }
      socket.write(texts.join(''));
      part = (part + 1) % PARTS;
    }, 1000 / PARTS);
  });
}

function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return TICK_MS * (Number(fields[11]) + Number(fields[12]));
}

function residentKb(pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}
