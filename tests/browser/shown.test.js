// What a message may do to the page: its height, what it is drawn over, how its links read, what its pictures take.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { png } from './png.js';
import { log, messages, openPage, post, sendFromElsewhere, setUp } from './support.js';

const fixture = await setUp();
const open = (t, room, options) => openPage(t, fixture, { room, ...options });
const height = async (locator) => (await locator.boundingBox()).height;

for (const [what, text] of [
  ['newlines', '\n'.repeat(3900) + 'end'],
  ['JSON in many lines', Array.from({ length: 500 }, (_, n) => n)],
  ['a long text', 'word '.repeat(13_000)],
  ['vertical tabs', `${'\v'.repeat(3900)}end`],
  ['digits', '9'.repeat(3990)],
  ['wide spaces', `${'\u2003'.repeat(1300)}end`],
  ['wide letters', '茶'.repeat(1300)],
]) {
  test(`a message is no higher than a screen until it is unfolded: ${what}`, async (t) => {
    const room = `high-${what.replaceAll(' ', '-')}`;
    const page = await open(t, room);
    await post(fixture.server, room, text);
    await messages(page).waitFor();
    assert(await height(messages(page)) < 800, `${await height(messages(page))} px`);
    await page.getByRole('button', { name: /^Show all/ }).click();
    assert(await height(messages(page)) > 800);
  });
}

test('a letter with 144 combining marks is drawn over nobody else’s message', async (t) => {
  const page = await open(t, 'marks');
  await post(fixture.server, 'marks', 'before');
  await messages(page).filter({ hasText: 'before' }).waitFor();
  // How many pixels are dark: where it is drawn, fractions of one move them about.
  const darkPixels = async () => {
    const picture = (await messages(page).first().screenshot()).toString('base64');
    return page.evaluate(async (base64) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes]));
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
      context.drawImage(bitmap, 0, 0);
      const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
      let count = 0;
      for (let n = 0; n < data.length; n += 4) if (data[n] + data[n + 1] + data[n + 2] < 300) count += 1;
      return count;
    }, picture);
  };
  const before = await darkPixels();
  await post(fixture.server, 'marks', `${`e${'\u0301'.repeat(144)}`.repeat(8)} and ${`e${'\u0323'.repeat(144)}`.repeat(8)}`);
  await messages(page).nth(1).waitFor();
  await page.mouse.move(0, 0);
  const after = await darkPixels();
  assert(before > 50 && Math.abs(after - before) < 20, `${before} dark pixels before, ${after} after`);
});

test('links read as what they lead to, and end where GitHub ends them', async (t) => {
  const page = await open(t, 'addresses');
  const cases = {
    'https://legit.example/files\u202E4pm.exe': 'https://legit.example/files%E2%80%AE4pm.exe',
    'https://legit.example/a\u200Bb\u2066c': 'https://legit.example/a%E2%80%8Bb%E2%81%A6c',
    'https://en.wikipedia.org/wiki/Rust_(language)': 'https://en.wikipedia.org/wiki/Rust_(language)',
    '(see https://en.wikipedia.org/wiki/Rust_(language))': 'https://en.wikipedia.org/wiki/Rust_(language)',
    '[https://a.example/list[1]]': 'https://a.example/list[1]',
    'https://a.example/100%25/50%?q=%': 'https://a.example/100%25/50%?q=%',
    'Is it https://a.example/?': 'https://a.example/',
    '**https://a.example/b**, _https://c.example/_': ['https://a.example/b', 'https://c.example/'],
    "https://a.example/it's": "https://a.example/it's",
    'https://茶.example/路。': 'https://茶.example/路',
    'https:// and http://%zz and ftp://a.example': [],
    'https://legit.example@evil.example/x and https://a:b@evil.example': [],
    'https://legit.example/a\u2800b': 'https://legit.example/a%E2%A0%80b',
    'https://аpple.example/ in Cyrillic': 'https://xn--pple-43d.example/',
    'https://пример.example/путь': 'https://пример.example/путь',
    'So it is at https://a.example/x… ‘https://b.example/’': ['https://a.example/x', 'https://b.example/'],
  };
  for (const said of Object.keys(cases)) await post(fixture.server, 'addresses', said);
  await messages(page).nth(Object.keys(cases).length - 1).waitFor();
  const shown = await messages(page).evaluateAll((all) => all.map((each) => [...each.querySelectorAll('a')].map((link) => link.textContent)));
  assert.deepEqual(shown, Object.values(cases).map((links) => [links].flat()));
  const directions = await log(page).locator('a').evaluateAll((all) => all.map((link) => getComputedStyle(link).unicodeBidi));
  assert(directions.every((direction) => direction.includes('isolate')), directions.join());
});

test('a picture of 21,000 by 21,000 pixels is offered as a file', async (t) => {
  const page = await open(t, 'pictures');
  const large = png(21_000, 21_000);
  assert(large.length < 60_000, `${large.length} bytes`);
  await sendFromElsewhere(page, fixture.server, 'pictures', [[...large], [...png(300, 200)]]);
  await page.getByText('picture of 21,000 × 21,000 pixels, too large to be shown here').waitFor();
  await page.waitForFunction(() => document.querySelector('.picture')?.complete);
  assert.equal(await page.locator('.picture').count(), 1);
  assert.deepEqual(await page.locator('.picture').boundingBox().then(({ width, height: high }) => [width, high]), [300, 200]);
  const [download] = await Promise.all([page.waitForEvent('download'), messages(page).first().getByRole('link', { name: 'Download' }).click()]);
  assert.match(download.suggestedFilename(), /\.png$/);
});

test('a picture takes its room before it is there, and what is none after all is shown as bytes', async (t) => {
  const page = await open(t, 'rooms-for-pictures');
  await sendFromElsewhere(page, fixture.server, 'rooms-for-pictures', [[...Buffer.from('ffd8ffc000110801e0028003000000', 'hex')]]);
  await messages(page).locator('.hex').waitFor();
  assert.equal(await page.locator('.picture').count(), 0);
});
