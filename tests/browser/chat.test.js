// People talk: own messages and others', text as text, JSON, files, keys.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import {
  field, log, messages, nick, openPage, post, say, sayAndSee, sendFromElsewhere, setUp, texts, until,
} from './support.js';

const fixture = await setUp({ args: ['--allow-host', 'parlor.test'] });
const open = (t, options) => openPage(t, fixture, options);

test('two pages chat in one order, and each tells its own messages apart', async (t) => {
  const [ana, ben] = await Promise.all([open(t, { room: 'hello' }), open(t, { room: 'hello' })]);
  await nick(ana, 'ana');
  await sayAndSee(ana, 'Hello from Ana', [ben]);
  await sayAndSee(ben, 'Hello from Ben', [ana]);
  await sayAndSee(ben, 'same words', [ana]);
  await sayAndSee(ana, 'same words again', [ben]);

  const everything = ['Hello from Ana', 'Hello from Ben', 'same words', 'same words again'];
  assert.deepEqual(await texts(ana), everything);
  assert.deepEqual(await texts(ben), everything);
  const own = (page) => log(page).locator('.message.own .text').allTextContents();
  assert.deepEqual(await own(ana), ['Hello from Ana', 'same words again']);
  assert.deepEqual(await own(ben), ['Hello from Ben', 'same words']);
  // Not by colour and side alone: screen readers hear whose it is.
  assert.equal(await messages(ana).first().locator('.bubble').textContent(), 'You: Hello from Ana');
  assert.equal(await messages(ben).first().locator('.bubble').textContent(), 'Hello from Ana');
  assert.equal(await messages(ben).first().locator('.who').textContent(), 'ana');
  assert.match(await messages(ben).first().locator('time').textContent(), /^\d\d:\d\d$/);
});

test('markup in a message is shown as typed and nothing of it runs', async (t) => {
  const [ana, ben] = await Promise.all([open(t, { room: 'markup' }), open(t, { room: 'markup' })]);
  const requests = [];
  ben.on('request', (request) => requests.push(request.url()));
  const typed = '<img src=x onerror="document.title=\'ran\'"><script>document.title="ran"</script> &amp; <b>bold</b>';
  await say(ana, typed);
  await sayAndSee(ana, 'after it', [ben]);
  for (const page of [ana, ben]) {
    assert.equal((await texts(page))[0], typed);
    assert.equal(await log(page).locator('img, script, b').count(), 0);
    assert.equal(await page.title(), 'markup · parlor');
  }
  // What the page itself fetches it may fetch late.
  assert.deepEqual(requests.filter((url) => new URL(url).pathname === '/x'), []);
});

test('web addresses become links that give nothing away, other schemes do not', async (t) => {
  const ana = await open(t, { room: 'links' });
  await sayAndSee(ana, 'See https://example.org/a_(b)?c=1&d, (http://example.org/x). javascript:alert(1) data:text/html,x');
  const links = await log(ana).locator('a').evaluateAll((all) =>
    all.map(({ href, textContent, rel, target }) => ({ href, textContent, rel, target })));
  const rel = 'noopener noreferrer nofollow';
  assert.deepEqual(links, [
    { href: 'https://example.org/a_(b)?c=1&d', textContent: 'https://example.org/a_(b)?c=1&d', rel, target: '_blank' },
    { href: 'http://example.org/x', textContent: 'http://example.org/x', rel, target: '_blank' },
  ]);
});

test('Shift+Enter starts a new line, and the field grows with it', async (t) => {
  const [ana, ben] = await Promise.all([open(t, { room: 'lines' }), open(t, { room: 'lines' })]);
  const height = async () => (await field(ana).boundingBox()).height;
  await field(ana).pressSequentially('one');
  const oneLine = await height();
  await field(ana).press('Shift+Enter');
  await field(ana).pressSequentially('  two');
  assert(await height() > oneLine);
  assert.equal(await messages(ana).count(), 0);
  await field(ana).press('Enter');
  await messages(ben).waitFor();
  assert.deepEqual(await texts(ben), ['one\n  two']);
  assert.equal(await field(ana).inputValue(), '');
  assert.equal(await height(), oneLine);
});

test('Enter in an input method chooses a word and sends nothing', async (t) => {
  const ana = await open(t, { room: 'ime' });
  const devtools = await ana.context().newCDPSession(ana);
  await field(ana).focus();
  await devtools.send('Input.imeSetComposition', { text: '你好', selectionStart: 2, selectionEnd: 2 });
  // A key without text, as an input method that takes it for itself leaves it.
  const enter = { key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13 };
  await devtools.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', ...enter });
  await devtools.send('Input.dispatchKeyEvent', { type: 'keyUp', ...enter });
  assert.equal(await field(ana).inputValue(), '你好');
  await devtools.send('Input.insertText', { text: '你好' });
  await field(ana).press('Enter');
  await messages(ana).waitFor();
  assert.deepEqual(await texts(ana), ['你好']);
});

test('an empty message is refused with a hint, white space around a message is kept', async (t) => {
  const ana = await open(t, { room: 'empty' });
  await say(ana, ' \n ');
  await ana.getByText('Write something first').waitFor();
  await say(ana, '  indented');
  await messages(ana).waitFor();
  assert.deepEqual(await texts(ana), ['  indented']);
  assert.equal(await ana.getByText('Write something first').count(), 0);
});

test('the room in the address separates', async (t) => {
  const [tea, tea2, lobby, chinese] = await Promise.all([
    open(t, { room: 'tea' }), open(t, { room: 'tea' }), open(t), open(t, { room: '茶-室' }),
  ]);
  await sayAndSee(lobby, 'only for the lobby');
  await sayAndSee(chinese, '只在茶室');
  await sayAndSee(tea2, 'only for tea', [tea]);
  assert.deepEqual(await texts(tea), ['only for tea']);
  assert.deepEqual(await texts(lobby), ['only for the lobby']);
  assert.deepEqual(await texts(chinese), ['只在茶室']);
});

test('the form at the side opens rooms and explains a bad name', async (t) => {
  const ana = await open(t, { room: 'first' });
  const room = ana.getByRole('combobox', { name: 'Join a room' });
  await room.fill('no spaces');
  await room.press('Enter');
  await ana.getByRole('alert').getByText('A room name has').waitFor();
  await room.fill('second');
  await ana.getByRole('button', { name: 'Enter this room' }).click();
  await ana.waitForURL(`${fixture.server.url}?room=second`);
  await sayAndSee(ana, 'in the second');
  await ana.goBack();
  await ana.getByRole('heading', { name: '# first' }).waitFor();
  assert.deepEqual(await texts(ana), []);
});

test('an address with a bad room name says so, and other rooms can be joined', async (t) => {
  const ana = await open(t, { room: 'a b' });
  await ana.getByRole('heading', { name: 'That is not a room name' }).waitFor();
  assert.equal(await field(ana).count(), 0);
  await ana.getByRole('combobox', { name: 'Join a room' }).fill('tea');
  await ana.keyboard.press('Enter');
  await sayAndSee(ana, 'here I am');
  // On a phone nothing is beside the page.
  const ben = await open(t, { room: 'a b', viewport: { width: 390, height: 844 } });
  await ben.getByRole('button', { name: 'Open the lobby' }).click();
  await ben.getByRole('heading', { level: 1, name: '# lobby' }).waitFor();
});

test('a binary message is shown by its size and first bytes, and can be kept', async (t) => {
  const ana = await open(t, { room: 'binary' });
  await sendFromElsewhere(ana, fixture.server, 'binary', [[0, 255, 10], 'text after\n', '']);
  await ana.getByText('text after').waitFor();
  assert.deepEqual(await texts(ana), ['binary message, 3 bytes Download', 'text after', 'empty message']);
  assert.equal(await log(ana).locator('.hex').textContent(), '00 ff 0a');
  const [download] = await Promise.all([ana.waitForEvent('download'), ana.getByText('Download').click()]);
  assert.match(download.suggestedFilename(), /^parlor-.*\.bin$/);
  assert.deepEqual([...await readFile(await download.path())], [0, 255, 10]);
});

test('a picture is shown, JSON is shown as JSON, and a key is told', async (t) => {
  const ana = await open(t, { room: 'data' });
  const picture = await ana.screenshot({ clip: { x: 0, y: 0, width: 40, height: 30 } });
  await sendFromElsewhere(ana, fixture.server, 'data', [[...picture]]);
  await post(fixture.server, 'data', { temp: [1, 2.5], ok: true });
  await post(fixture.server, 'data', { html: '<b>'.repeat(30), list: [1] });
  await post(fixture.server, 'data', 81.2, { key: 'boiler.temp' });
  await post(fixture.server, 'data', 'as text', { type: 'text/plain' });
  await messages(ana).nth(4).waitFor();
  await until(ana, () => document.querySelector('.picture')?.naturalWidth === 40);
  const pretty = JSON.stringify({ html: '<b>'.repeat(30), list: [1] }, null, 2);
  assert.deepEqual((await texts(ana)).slice(1), ['{"temp":[1,2.5],"ok":true}', pretty, '81.2', 'as text']);
  assert.equal(await messages(ana).nth(3).locator('.key').textContent(), 'boiler.temp');
});

test('an empty room tells how to bring others, and its commands can be copied', async (t) => {
  const ana = await open(t, { room: 'tea:2', permissions: ['clipboard-read', 'clipboard-write'] });
  const isCopied = (text) => until(ana, async (expected) => await navigator.clipboard.readText() === expected, text);
  // What others can use, where this machine has a network.
  const { addresses } = await (await fetch(`${fixture.server.url}addresses`)).json();
  const server = addresses.length > 0 ? `${addresses[0]}/` : fixture.server.url;
  const address = `${server}?room=tea:2`;
  await ana.getByRole('heading', { name: 'It is quiet in here' }).waitFor();
  await ana.locator('#address').getByText(address, { exact: true }).waitFor();
  await ana.getByRole('button', { name: 'Copy the link' }).click();
  await ana.getByRole('button', { name: 'Copied' }).waitFor();
  await isCopied(address);
  await ana.getByRole('button', { name: 'Copy the link' }).waitFor();
  const [copyAddress, copyCommand] = await ana.getByRole('button', { name: 'Copy', exact: true }).all();
  await copyCommand.click();
  await isCopied(`websocat ${server.replace('http', 'ws')}ws/tea:2`);
  await copyAddress.click();
  await isCopied(address);
  await sayAndSee(ana, 'not quiet any more');
  assert.equal(await ana.getByRole('heading', { name: 'It is quiet in here' }).count(), 0);
});

test('the link can be copied where browsers give no clipboard', async (t) => {
  const url = fixture.server.url.replace('127.0.0.1', 'parlor.test');
  const ana = await open(t, { url });
  assert.equal(await ana.evaluate(() => isSecureContext), false);
  await ana.getByRole('button', { name: 'Copy the link' }).click();
  await ana.getByRole('button', { name: 'Copied' }).first().waitFor();
  await field(ana).press('ControlOrMeta+V');
  assert.equal(await field(ana).inputValue(), url);
});

test('Chinese browsers get Chinese, others English', async (t) => {
  const [chinese, french] = await Promise.all([
    open(t, { room: '茶', locale: 'zh-CN' }), open(t, { room: '茶', locale: 'fr-FR' }),
  ]);
  const language = (page) => page.locator('html').getAttribute('lang');
  assert.equal(await language(chinese), 'zh-Hans');
  assert.equal(await language(french), 'en');
  await chinese.getByRole('heading', { name: '这里还很安静' }).waitFor();
  await chinese.getByRole('status').getByText('已连接').waitFor();
  await chinese.getByRole('heading', { name: '房间' }).waitFor();
  await french.getByRole('heading', { name: 'It is quiet in here' }).waitFor();
  assert.equal(await field(chinese).getAttribute('placeholder'), '发送到 茶');
  await sayAndSee(chinese, '你好', [french]);
  assert.match(await log(chinese).locator('.day').textContent(), /星期/);
});
