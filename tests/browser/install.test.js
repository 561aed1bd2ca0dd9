// The page as an app: its manifest and icons, and the service worker that keeps the page's files and nothing else.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as ask } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { CONNECTION_ERRORS, field, openPage, post, sayAndSee, setUp, until } from './support.js';

const fixture = await setUp();

test('the manifest and its icons are what a browser wants to install a page', async () => {
  const { url } = fixture.server;
  const response = await fetch(`${url}manifest.webmanifest`);
  assert.equal(response.headers.get('content-type'), 'application/manifest+json');
  const manifest = await response.json();
  assert.deepEqual([manifest.start_url, manifest.scope, manifest.display], ['./', './', 'standalone']);
  for (const { src, type, sizes } of manifest.icons) {
    const icon = await fetch(new URL(src, url));
    assert.deepEqual([icon.status, icon.headers.get('content-type')], [200, type], src);
    if (type !== 'image/png') continue;
    const header = Buffer.from(await icon.arrayBuffer());
    assert.equal(`${header.readUInt32BE(16)}x${header.readUInt32BE(20)}`, sizes, src);
  }
  const has = (size, purpose) => manifest.icons.some((icon) => icon.sizes === size && (icon.purpose ?? 'any') === purpose);
  for (const size of ['192x192', '512x512']) assert(has(size, 'any') && has(size, 'maskable'), size);
});

test('every file of the page is listed for the service worker, and no data', async () => {
  const { url } = fixture.server;
  const response = await fetch(`${url}sw.js`);
  assert.equal(response.headers.get('content-type'), 'text/javascript; charset=utf-8');
  assert.match(response.headers.get('content-security-policy'), /worker-src 'self'.*manifest-src 'self'.*frame-ancestors 'none'/);
  const shell = JSON.parse(/SHELL = (\[.*\]);/.exec(await response.text())[1]);
  const page = await (await fetch(url)).text();
  const linked = [...page.matchAll(/(?:href|src)="([^"#]+)"/g)].map(([, name]) => `./${name}`).filter((name) => name !== './guide');
  for (const name of ['./', ...linked]) assert(shell.includes(name), name);
  for (const name of shell) assert.equal((await fetch(new URL(name, url))).status, 200, name);
  assert(!shell.some((name) => /rooms|ws|events|files\/|guide/.test(name)), shell.join());
});

/** The server behind a proxy, under a path, which may be gone or have another version of the page. */
async function proxied(t) {
  const state = { isGone: false, version: 'one', url: '' };
  const target = new URL(fixture.server.url);
  const sockets = new Set();
  const proxy = createServer((request, response) => {
    if (state.isGone) return void request.socket.destroy();
    const path = request.url.replace(/^\/chat/, '');
    ask({ host: target.hostname, port: target.port, path, method: request.method, headers: { ...request.headers, 'accept-encoding': 'identity' } }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => {
        const changes = path === '/sw.js' || path === '/page/strings.js';
        const { 'content-length': _, etag, ...headers } = answer.headers;
        const body = changes ? `const PAGE = "${state.version}";\n${Buffer.concat(parts)}` : Buffer.concat(parts);
        const text = path === '/sw.js' ? body.replace(/VERSION = "/, `VERSION = "${state.version} `) : body;
        response.writeHead(answer.statusCode, changes ? headers : { ...headers, ...etag && { etag } });
        response.end(answer.statusCode === 304 ? undefined : text);
      });
    }).end();
  });
  proxy.on('upgrade', (request, socket) => {
    sockets.add(socket);
    if (state.isGone) return socket.destroy();
    const upstream = connect(target.port, target.hostname, () => {
      const lines = [`GET ${request.url.replace(/^\/chat/, '')} HTTP/1.1`];
      for (let n = 0; n < request.rawHeaders.length; n += 2) lines.push(`${request.rawHeaders[n]}: ${request.rawHeaders[n + 1]}`);
      upstream.write(`${lines.join('\r\n')}\r\n\r\n`);
      upstream.pipe(socket).pipe(upstream);
    });
    for (const one of [socket, upstream]) one.on('error', () => {});
    return socket.on('close', () => upstream.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    proxy.closeAllConnections();
    proxy.close();
  });
  state.url = `http://127.0.0.1:${proxy.address().port}/chat/`;
  state.leave = () => {
    state.isGone = true;
    for (const socket of sockets) socket.destroy();
    proxy.closeAllConnections();
  };
  return state;
}

const isActive = (page) => page.evaluate(async () => { await navigator.serviceWorker.ready; });
/** The caches there are, each with the paths of what it keeps. */
const kept = (page) => page.evaluate(async () => Promise.all((await caches.keys()).map(async (name) => {
  const requests = await (await caches.open(name)).keys();
  return [name, requests.map(({ url }) => new URL(url).pathname)];
})));

test('without a server the page opens, under any path, and keeps nothing that was said', async (t) => {
  const proxy = await proxied(t);
  const page = await openPage(t, fixture, {
    url: `${proxy.url}?room=kept`, expected: new RegExp(`${CONNECTION_ERRORS.source}|ERR_|Failed to (fetch|load)|An unknown error occurred when fetching`),
  });
  await isActive(page);
  await page.reload();
  await sayAndSee(page, 'a secret');
  await post(fixture.server, 'kept', 5, { key: 'level' });
  const [[name, paths], ...others] = await kept(page);
  assert.equal(others.length, 0);
  assert(name.startsWith(`parlor ${proxy.url} `), name);
  assert(paths.includes('/chat/') && paths.includes('/chat/page/app.js') && paths.includes('/chat/manifest.webmanifest'), paths.join());
  const isData = (path) => !/^\/chat\/($|(board|client|install|page)\/[a-z0-9-]+\.(js|css|png|svg)$|favicon\.svg$|manifest\.webmanifest$)/.test(path);
  assert.deepEqual(paths.filter(isData), []);
  proxy.leave();
  await page.reload();
  await field(page).waitFor();
  await page.getByRole('button', { name: 'Try now' }).waitFor();
  assert.equal(await page.getByText('a secret').count(), 0);
});

test('after an upgrade nobody sees an old page, and the old files are gone', async (t) => {
  const proxy = await proxied(t);
  const page = await openPage(t, fixture, { url: `${proxy.url}?room=upgraded` });
  await isActive(page);
  await page.reload();
  await page.evaluate(() => new Promise((resolve) => {
    if (navigator.serviceWorker.controller) resolve();
    else navigator.serviceWorker.addEventListener('controllerchange', resolve);
  }));
  const [[before]] = await kept(page);
  proxy.version = 'two';
  await page.reload();
  // At once, with the worker of the old page still there.
  assert.match(await page.evaluate(async () => (await fetch('page/strings.js')).text()), /^const PAGE = "two"/);
  await until(page, async (old) => {
    const names = await caches.keys();
    return names.length === 1 && names[0] !== old;
  }, before);
});
