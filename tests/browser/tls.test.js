// The page over https: and wss:, in a browser that trusts an authority made here, as a company's browsers do.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { launch, messages, openPage, sayAndSee, startServer } from './support.js';

const folder = mkdtempSync(join(tmpdir(), 'parlor-tls-'));
const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });

/** A new key and a certificate of that name in the folder, signed by the authority unless it is its own. */
function issue(name, authority) {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}-key.pem`];
  if (!authority) {
    openssl('req', '-x509', ...key, '-out', `${name}.pem`, '-subj', `/CN=${name}`, '-days', '2');
    return;
  }
  openssl('req', ...key, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
  writeFileSync(join(folder, 'names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  openssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${authority}.pem`, '-CAkey', `${authority}-key.pem`,
    '-CAcreateserial', '-extfile', 'names', '-days', '2', '-out', `${name}.pem`);
}

issue('authority');
issue('server', 'authority');
// The certificates that Chromium trusts on Linux are in a database of NSS below the home folder.
const database = join(folder, '.pki', 'nssdb');
mkdirSync(database, { recursive: true });
const certutil = (...args) => execFileSync('certutil', ['-d', `sql:${database}`, ...args]);
certutil('-N', '--empty-password');
certutil('-A', '-t', 'C,,', '-n', 'authority', '-i', join(folder, 'authority.pem'));

const args = ['--tls-cert', join(folder, 'server.pem'), '--tls-key', join(folder, 'server-key.pem')];
const fixture = { server: await startServer({ args }), browser: await launch({ HOME: folder }) };
after(async () => {
  await fixture.browser.close();
  await fixture.server.stop();
  rmSync(folder, { recursive: true });
});

test('two people chat over wss:', async (t) => {
  const sockets = [];
  const prepare = (page) => page.on('websocket', (socket) => sockets.push(socket.url()));
  const [ana, bob] = await Promise.all([openPage(t, fixture, { prepare }), openPage(t, fixture)]);
  assert(ana.url().startsWith('https://'), ana.url());
  assert(await ana.evaluate(() => isSecureContext));
  await sayAndSee(ana, 'hello within TLS', [bob]);
  await sayAndSee(bob, 'to the letter '.repeat(50).trim(), [ana]);
  assert.equal(await messages(ana).count(), 2);
  assert(sockets.length > 0 && sockets.every((url) => url.startsWith('wss://')), String(sockets));
});

test('a browser that does not know the authority is shown no page', async (t) => {
  const stranger = await launch();
  t.after(() => stranger.close());
  const page = await stranger.newPage();
  await assert.rejects(page.goto(fixture.server.url), /ERR_CERT_AUTHORITY_INVALID/);
});
