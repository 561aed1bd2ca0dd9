// Starts the parlor binary for the tests that are written in JavaScript.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Starts parlor and waits for the line that says where it listens. */
export async function startServer({ port = 0, args = [] } = {}) {
  const binary = process.env.PARLOR_BIN ?? fileURLToPath(new URL('../target/release/parlor', import.meta.url));
  const child = spawn(binary, ['--port', String(port), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const line = await Promise.race([
    once(createInterface(child.stdout), 'line').then(([first]) => first),
    exited.then(([code]) => { throw new Error(`${binary} ended with ${code} before it listened`); }),
  ]);
  const listening = /^parlor listening on (https?):\/\/\S*:(\d+)( |$)/.exec(line);
  assert(listening, `first line of output: ${line}`);
  return {
    port: Number(listening[2]),
    url: `${listening[1]}://127.0.0.1:${listening[2]}/`,
    exited,
    signal: (name) => child.kill(name),
    async stop(name = 'SIGKILL') {
      child.kill(name);
      await exited;
    },
  };
}
