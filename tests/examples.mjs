// The README's examples in JavaScript.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

/** Their code: with the client, with a token, without the client, and what is different in Node. */
export function examples() {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const blocks = [...readme.matchAll(/^```js([^\n]*)\n(.*?)^```$/gms)].map(([, info, code]) => ({ info: info.trim(), code }));
  const everywhere = blocks.filter(({ info }) => info === '').map(({ code }) => code);
  const [node, ...others] = blocks.filter(({ info }) => info === 'node').map(({ code }) => code);
  assert.equal(everywhere.length, 3, 'the README has three examples that run everywhere');
  assert.equal(others.length, 0, 'and one for Node');
  const [plain, guarded, bare] = everywhere;
  return { plain, guarded, bare, node };
}
