// The page in browsers that are not of this year: Baseline 2022, with all taken away that came later, and in systems that
// name their language in their own way.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nick, openPage, post, sayAndSee, setUp } from './support.js';

const fixture = await setUp();

/** What Chrome 108, Firefox 108 and Safari 16 do not have. */
const removeNewer = (page) => page.addInitScript(() => {
  const newer = [
    [URL, 'canParse', 'parse'], [String.prototype, 'toWellFormed', 'isWellFormed'],
    [Array.prototype, 'toSorted', 'toReversed', 'toSpliced', 'with'], [Array, 'fromAsync'], [Object, 'groupBy'], [Map, 'groupBy'],
    [Map.prototype, 'getOrInsert', 'getOrInsertComputed'],
    [Promise, 'withResolvers', 'try'], [AbortSignal, 'any'], [RegExp, 'escape'], [Math, 'f16round', 'sumPrecise'],
    [Set.prototype, 'union', 'intersection', 'difference', 'symmetricDifference', 'isSubsetOf', 'isSupersetOf', 'isDisjointFrom'],
    [globalThis, 'Iterator', 'Float16Array', 'scheduler', 'navigation', 'cookieStore', 'requestIdleCallback', 'CloseWatcher'],
    [Object.getPrototypeOf(Object.getPrototypeOf([].values())), 'map', 'filter', 'take', 'drop', 'flatMap', 'reduce', 'toArray', 'forEach', 'some', 'every', 'find'],
    [Intl, 'Segmenter', 'DurationFormat'], [URLSearchParams.prototype, 'size'], [Uint8Array, 'fromBase64', 'fromHex'],
    [Uint8Array.prototype, 'toBase64', 'toHex'], [ArrayBuffer.prototype, 'transfer', 'transferToFixedLength'],
    [Element.prototype, 'checkVisibility', 'setHTMLUnsafe', 'getHTML'], [HTMLElement.prototype, 'inert', 'showPopover', 'popover'],
    [Document, 'parseHTMLUnsafe'], [Document.prototype, 'startViewTransition'], [HTMLDialogElement.prototype, 'requestClose'],
    [HTMLSelectElement.prototype, 'showPicker'], [Response, 'json'], [CSSStyleSheet.prototype, 'replaceSync'],
  ];
  for (const [owner, ...names] of newer) for (const name of names) delete owner[name];
  // Nor does any selector or colour of later years do anything.
  globalThis.missed = [URL.canParse, ''.toWellFormed, globalThis.Iterator].filter(Boolean);
});

test('everything works in a browser of 2022', async (t) => {
  const page = await openPage(t, fixture, { room: 'old', prepare: removeNewer });
  assert.deepEqual(await page.evaluate(() => globalThis.missed), []);
  await nick(page, 'ana-old');
  await sayAndSee(page, 'See https://example.org/a');
  await page.getByRole('link', { name: 'https://example.org/a' }).waitFor();
  await sayAndSee(page, `half \ud83d a pair`.replace('\ud83d', '\ufffd'));
  await post(fixture.server, 'old', { nested: [1, { deep: 'x'.repeat(100) }] });
  await page.getByText('"nested"').waitFor();
  await page.getByRole('button', { name: 'Board' }).click();
  await post(fixture.server, 'old', 81.2, { key: 'boiler.temp' });
  await page.locator('.chart-latest').getByText('81.2').waitFor();
  await post(fixture.server, 'old', { alarm: 'raised', text: 'Too hot' }, { key: 'alarm.boiler' });
  await page.getByRole('button', { name: 'Acknowledge: Too hot' }).click();
  await page.getByText(/^Acknowledged by ana-old/).waitFor();
});

test('no style sheet needs what came after 2022, without another way', async () => {
  for (const name of ['page/style.css', 'page/sides.css', 'board/board.css', 'page/gate.css']) {
    const css = await (await fetch(new URL(name, fixture.server.url))).text();
    assert.doesNotMatch(css, /:has\(|@container|@layer|@scope|color-mix\(|light-dark\(|@starting-style|anchor\(|\{\s*&/, name);
    assert(!css.includes('oklch(') || css.includes('@supports not (color: oklch') || name !== 'page/style.css', name);
  }
});

for (const languages of [['en-US@posix'], ['C'], ['de_DE.UTF-8', 'en-US'], ['zh_CN.UTF-8'], ['x'], ['']]) {
  test(`it begins where the browser's languages are ${JSON.stringify(languages)}`, async (t) => {
    const page = await openPage(t, fixture, {
      room: 'languages',
      prepare: (p) => p.addInitScript((list) => {
        Object.defineProperty(Navigator.prototype, 'languages', { get: () => list });
      }, languages),
    });
    await sayAndSee(page, `in ${languages}`);
    assert.equal(await page.evaluate(() => document.documentElement.lang), languages[0].startsWith('zh') ? 'zh-Hans' : 'en');
  });
}
