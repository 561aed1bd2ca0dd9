// The guide's examples in JavaScript.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';

const GUIDE = new URL('../assets/guide/', import.meta.url);

/** Their code: with the client, with a token, without the client, and what is different in Node. */
export function examples() {
  const pages = readdirSync(GUIDE).filter((name) => name.endsWith('.md')).sort();
  const guide = pages.map((name) => readFileSync(new URL(name, GUIDE), 'utf8')).join('\n');
  const blocks = [...guide.matchAll(/^```js([^\n]*)\n(.*?)^```$/gms)].map(([, info, code]) => ({ info: info.trim(), code }));
  const everywhere = blocks.filter(({ info }) => info === '').map(({ code }) => code);
  const [node, ...others] = blocks.filter(({ info }) => info === 'node').map(({ code }) => code);
  assert.equal(everywhere.length, 3, 'the guide has three examples that run everywhere');
  assert.equal(others.length, 0, 'and one for Node');
  const [plain, guarded, bare] = everywhere;
  return { plain, guarded, bare, node };
}
