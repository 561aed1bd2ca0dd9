// Starts the parlor binary for the tests that are written in JavaScript.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Starts parlor and waits for the line that says where it listens. */
export async function startServer({ port = 0, args = [] } = {}) {
  const binary = process.env.TESTED_PARLOR ?? fileURLToPath(new URL('../target/release/parlor', import.meta.url));
  const child = spawn(binary, ['--port', String(port), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  let isStopped = false;
  const line = await Promise.race([
    once(createInterface(child.stdout), 'line').then(([first]) => first),
    exited.then(([code]) => { throw new Error(`${binary} ended with ${code} before it listened`); }),
  ]);
  const listening = /^parlor listening on (https?):\/\/\S*:(\d+)( |$)/.exec(line);
  assert(listening, `first line of output: ${line}`);
  return {
    pid: child.pid,
    port: Number(listening[2]),
    url: `${listening[1]}://127.0.0.1:${listening[2]}/`,
    exited,
    signal: (name) => child.kill(name),
    /** Whether a test has ended it: what its pages say of the lost connection is no fault then. */
    isStopped: () => isStopped,
    async stop(name = 'SIGKILL') {
      isStopped = true;
      child.kill(name);
      await exited;
    },
  };
}

const SECRET = 'a secret for tests, which is long enough';

/** Starts a parlor that wants a token. */
export async function startGuarded({ args = [], ...options } = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'parlor-'));
  const file = join(directory, 'secret');
  await writeFile(file, SECRET, { mode: 0o600 });
  try {
    return await startServer({ ...options, args: ['--secret-file', file, ...args] });
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** A token, good for everything and for an hour unless it is said otherwise. */
export function tokenOf(sub, { seconds = 3600, secret = SECRET, ...more } = {}) {
  const base64 = (what) => Buffer.from(JSON.stringify(what)).toString('base64url');
  const claims = { sub, subscribe: ['*'], publish: ['*'], exp: Date.now() / 1000 + seconds, ...more };
  const signed = `${base64({ alg: 'HS256', typ: 'JWT' })}.${base64(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
