// parlor.js from TypeScript: its declarations are served, are strict, and are what the code is.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

import WS from 'ws';

import { startGuarded, tokenOf } from '../parlor.mjs';
import { serve } from './support.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const OPTIONS = [
  '--strict', '--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes', '--noEmit', '--allowJs', '--maxNodeModuleJsDepth', '0',
  '--target', 'es2022', '--module', 'esnext', '--moduleResolution', 'bundler', '--lib', 'es2022,dom', '--types', '',
];

/** Checks one of the files in `types`, or `code`, beside what a server serves; gives what tsc has to say. */
async function check(t, file, { code: written, change = (text) => text } = {}) {
  const server = await serve(t);
  const folder = await mkdtemp(join(tmpdir(), 'parlor-types-'));
  t.after(() => rm(folder, { recursive: true }));
  const fetched = async (name) => (await fetch(`${server.url}${name}`)).text();
  const [code, types] = [await fetched('parlor.js'), await fetched('parlor.d.ts')];
  await writeFile(join(folder, 'parlor.d.ts'), change(types));
  // Beside declarations TypeScript does not look at the code: under another name it does.
  await writeFile(join(folder, 'written.js'), code);
  await (written ? writeFile(join(folder, file), written) : cp(here(`types/${file}`), join(folder, file)));
  const { stdout, stderr, error } = spawnSync(here('node_modules/.bin/tsc'), [...OPTIONS, file], { cwd: folder, encoding: 'utf8' });
  assert.ifError(error);
  return stdout + stderr;
}

test('right uses are right, and wrong ones are found', async (t) => {
  assert.equal(await check(t, 'use.ts'), '');
});

test('the declarations are those of the code', async (t) => {
  assert.equal(await check(t, 'same.ts'), '');
});

test('declarations that differ from the code are noticed', async (t) => {
  const change = (types) => types.replace('leave(room: string): Promise<void>', 'leave(room: string): Promise<number>')
    .replace('reconnect(): void;', 'pause(): void;');
  const found = await check(t, 'same.ts', { change });
  // What a command promises, what is not declared, and what is not there.
  for (const line of [6, 9, 10]) assert.match(found, new RegExp(`^same\\.ts\\(${line},\\d+\\): error TS2322`, 'm'));
});

/** What a server says, as an event of the client's, until `done` says that it is enough. */
async function heard(t, Parlor, server, act) {
  const events = [];
  const parlor = new Parlor({ url: server.url, WebSocket: WS });
  t.after(() => parlor.close());
  for (const type of ['state', 'welcome', 'joined', 'message', 'left', 'presence', 'direct', 'bye']) {
    parlor.addEventListener(type, ({ detail }) => events.push([type, detail]));
  }
  await act(parlor);
  return events;
}

test('what a server says is what the declarations say', async (t) => {
  const { Parlor } = await import('../../assets/client/parlor.js');
  const open = await serve(t, '--ping-interval', '0', '--rate', '0');
  const events = await heard(t, Parlor, open, async (parlor) => {
    await parlor.login({ name: 'ana' });
    await parlor.join('tea');
    await parlor.publish('tea', { a: [1, null] }, { key: 'k', retain: true });
    await parlor.publish('tea', 'typing', { ephemeral: true });
    await parlor.direct('ana', 'hello');
    const presence = once(parlor, 'presence');
    const other = new Parlor({ url: open.url, WebSocket: WS });
    await other.join('tea');
    await presence;
    const gone = once(parlor, 'presence');
    other.close();
    await gone;
    const lost = once(parlor, 'bye');
    await open.stop('SIGTERM');
    await lost;
  });
  const guarded = await startGuarded();
  t.after(() => guarded.stop());
  events.push(...await heard(t, Parlor, guarded, async (parlor) => {
    await parlor.login({ token: tokenOf('ana', { admin: true }) });
    await parlor.join('tea');
    const left = once(parlor, 'left');
    await parlor.emptyRoom('tea');
    await left;
  }));
  const kinds = ['bye', 'direct', 'joined', 'left', 'message', 'presence', 'state', 'welcome'];
  assert.deepEqual([...new Set(events.map(([type]) => type))].sort(), kinds);
  // A literal may have no field that is not declared.
  const lines = events.map(([type, detail], n) => `export const event${n}: ParlorEvents['${type}'] = ${JSON.stringify(detail)};`);
  const code = ["import type { ParlorEvents } from './parlor.js';", ...lines].join('\n');
  assert.equal(await check(t, 'events.ts', { code }), '');
});

test('the declarations come as text that no browser runs', async (t) => {
  const server = await serve(t);
  const response = await fetch(`${server.url}parlor.d.ts`);
  assert.equal(response.headers.get('content-type'), 'application/typescript; charset=utf-8');
  assert.equal(response.headers.get('access-control-allow-origin'), '*');
});
