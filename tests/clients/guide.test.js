// The guide's examples in JavaScript, as they are there: in Node, with the two differences that the guide names. In a page
// tests/browser runs them.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import { examples } from '../examples.mjs';
import { startGuarded, tokenOf } from '../parlor.mjs';
import { serve } from './support.js';

const { plain, guarded, bare, node } = examples();

/** A folder with the client in it, as `curl -O` leaves it. */
async function folderWithClient(t, server) {
  const folder = await mkdtemp(join(tmpdir(), 'parlor-guide-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(join(folder, 'parlor.js'), await (await fetch(`${server.url}parlor.js`)).text());
  return folder;
}

/** Runs a program until it has printed these lines, in this order among others. */
async function prints(t, folder, code, expected) {
  await writeFile(join(folder, 'example.js'), code);
  const child = spawn(process.execPath, ['--experimental-websocket', 'example.js'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill());
  let errors = '';
  child.stderr.on('data', (text) => { errors += text; });
  const due = [...expected];
  for await (const line of createInterface(child.stdout)) {
    if (line === due[0]) due.shift();
    if (due.length === 0) return;
  }
  assert.fail(`${code}\nended without ${due[0]}:\n${errors}`);
}

/** As the guide has it for Node. */
const [fromFile, withUrl] = [/import .*\n/.exec(node)[0], /url: "[^"]*"/.exec(node)[0]];
const forNode = (code) => code.replace(/import .*\n/, fromFile).replace('new Parlor({', `new Parlor({ ${withUrl},`);
const at = (server, code) => code.replaceAll('localhost:8080', `127.0.0.1:${server.port}`);

test('the first talks', async (t) => {
  const server = await serve(t);
  const folder = await folderWithClient(t, server);
  await prints(t, folder, `${at(server, forNode(plain))}console.log('all said');`, ['ana The kettle is on.', 'all said']);
  const messages = await (await fetch(`${server.url}rooms/plant/messages`)).json();
  assert.deepEqual(messages.messages.map(({ key, data }) => [key, data]), [['boiler.temp', 81.2]]);
});

test('the second comes in with a token, and is told when it is refused', async (t) => {
  const server = await startGuarded();
  t.after(() => server.stop());
  const folder = await folderWithClient(t, server);
  const given = (token) => `globalThis.fetch = async () => new Response(${JSON.stringify(token)});\n`;
  const run = (token, more, expected) => prints(t, folder, at(server, forNode(guarded)).replace('\n\n', `\n\n${given(token)}`) + more, expected);
  await run(tokenOf('ana'), 'await parlor.join("tea"); console.log(parlor.you.name, parlor.rights.admin);', ['ana false']);
  await run(tokenOf('ana', { seconds: -100 }), '', ['token_expired']);
});

test('the third talks without the client', async (t) => {
  const server = await serve(t);
  const folder = await folderWithClient(t, server);
  await prints(t, folder, at(server, bare), ['hello, room']);
});

test('that for Node is enough, and lets a program end', async (t) => {
  const server = await serve(t);
  const folder = await folderWithClient(t, server);
  await prints(t, folder, `${at(server, node)}
    console.log((await parlor.join("tea")).room);
    parlor.close();
    process.on("exit", () => console.log("ended"));`, ['tea', 'ended']);
});
