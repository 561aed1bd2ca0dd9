// The client, assets/client/parlor.js, on Node's own WebSocket at a server that keeps messages on disk.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { Parlor } from '../../assets/client/parlor.js';
import { serve } from './support.js';

/** A client at a server of the test's own. */
async function enter(t, ...args) {
  const server = await serve(t, ...args);
  const parlor = new Parlor({ url: `ws://127.0.0.1:${server.port}/ws` });
  t.after(() => parlor.close());
  return parlor;
}

const said = ({ messages }) => messages.map(({ offset, data }) => [offset, data]);

test('what was said is found by its words, page by page', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'parlor-search-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const parlor = await enter(t, '--data', join(folder, 'data'));
  const things = ['the old kettle', { text: 'a kettle in JSON' }, 'coffee', '我们明天去东京塔', 'Kettle again'];
  for (const data of things) await parlor.publish('tea', data);
  const newest = await parlor.search('tea', 'kettle', { limit: 2 });
  assert.deepEqual(said(newest), [[2, things[1]], [5, things[4]]]);
  assert.deepEqual([newest.room, newest.more], ['tea', true]);
  const older = await parlor.search('tea', 'kettle', { before: newest.messages[0].offset });
  assert.deepEqual([said(older), older.more], [[[1, things[0]]], false]);
  assert.deepEqual(said(await parlor.search('tea', '东京')), [[4, things[3]]]);
  assert.deepEqual(said(await parlor.search('milk', 'kettle')), []);
  await assert.rejects(parlor.search('tea', ' - '), { code: 'bad_command' });
  await assert.rejects(parlor.search('tea', 'a '.repeat(17)), { code: 'bad_command', message: /16 words/ });
});

test('a server without a disk finds nothing, and says why', async (t) => {
  const parlor = await enter(t);
  await assert.rejects(parlor.search('tea', 'kettle'), { code: 'not_kept', message: /--data/ });
});
