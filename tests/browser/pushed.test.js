// A push from the server to a browser whose page is closed, through a push service of the test, which checks who sends it
// (RFC 8292) and decrypts it as a browser does (RFC 8291).

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createDecipheriv, createECDH, createPublicKey, hkdfSync, randomBytes, verify } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { anotherTab, isConnected, launch, openPage, screenshot, startServer } from './support.js';

const folder = mkdtempSync(join(tmpdir(), 'parlor-push-'));
execFileSync('openssl', [
  'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key.pem', '-out', 'cert.pem',
  '-subj', '/CN=push', '-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=critical,CA:FALSE', '-days', '2',
], { cwd: folder, stdio: 'ignore' });

/** So many alarms are timed. */
const RAISED = 20;
const device = createECDH('prime256v1');
const keys = { p256dh: device.generateKeys('base64url'), auth: randomBytes(16).toString('base64url') };

/** What was sent to a device: one record of `aes128gcm` (RFC 8188, section 2), with the key of RFC 8291, section 3.4. */
function decrypted(body) {
  const salt = body.subarray(0, 16);
  const sender = body.subarray(21, 21 + body[20]);
  const record = body.subarray(21 + body[20]);
  const info = Buffer.concat([Buffer.from('WebPush: info\0'), device.getPublicKey(), sender]);
  const secret = Buffer.from(hkdfSync('sha256', device.computeSecret(sender), Buffer.from(keys.auth, 'base64url'), info, 32));
  const key = Buffer.from(hkdfSync('sha256', secret, salt, 'Content-Encoding: aes128gcm\0', 16));
  const nonce = Buffer.from(hkdfSync('sha256', secret, salt, 'Content-Encoding: nonce\0', 12));
  const cipher = createDecipheriv('aes-128-gcm', key, nonce);
  cipher.setAuthTag(record.subarray(-16));
  const padded = Buffer.concat([cipher.update(record.subarray(0, -16)), cipher.final()]);
  // The last record ends with a 2 and zeros.
  return JSON.parse(padded.subarray(0, padded.lastIndexOf(2)));
}

/** Checks the token of a request, signed by the key that the page was told (RFC 8292, section 2). */
function checkSender({ authorization }, origin, publicKey) {
  const [, token, key] = /^vapid t=(\S+), ?k=(\S+)$/.exec(authorization);
  assert.equal(key, publicKey);
  const [x, y] = [1, 33].map((begin) => Buffer.from(key, 'base64url').subarray(begin, begin + 32).toString('base64url'));
  const [head, claims, signature] = token.split('.');
  const signer = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
  const isRight = verify('sha256', Buffer.from(`${head}.${claims}`), { key: signer, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
  assert(isRight, 'the signature');
  const { aud, sub, exp } = JSON.parse(Buffer.from(claims, 'base64url'));
  assert.deepEqual([aud, sub], [origin, 'mailto:ops@example.org']);
  assert(exp * 1000 > Date.now() && exp * 1000 <= Date.now() + 24 * 3_600_000, 'the expiry');
}

const requests = [];
let heard = () => {};
const service = createServer({ key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(join(folder, 'cert.pem')) }, (request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    requests.push({ headers: request.headers, body: Buffer.concat(parts), at: performance.now() });
    response.writeHead(201).end();
    heard();
  });
});
service.listen(0, '127.0.0.1');
await once(service, 'listening');
const origin = `https://127.0.0.1:${service.address().port}`;
const server = await startServer({ args: [
  '--data', join(folder, 'data'), '--push-contact', 'mailto:ops@example.org',
  '--webhook-allow', '127.0.0.1', '--webhook-ca', join(folder, 'cert.pem'),
] });
const browser = await launch();
after(async () => {
  await browser.close();
  await server.stop();
  service.closeAllConnections();
  service.close();
  rmSync(folder, { recursive: true });
});

/** The request that makes it so many. */
async function nth(count) {
  while (requests.length < count) await new Promise((resolve) => { heard = resolve; });
  return requests[count - 1];
}

async function raise(key, text) {
  const response = await fetch(`${server.url}rooms/plant?key=${key}&retain=1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ alarm: 'raised', text, severity: 'critical' }),
  });
  return response.json();
}

/** For `prepare`: the browser subscribes at the service of the test. */
async function subscribing(page) {
  await page.context().grantPermissions(['notifications'], { origin: new URL(server.url).origin });
  await page.addInitScript(([endpoint, ours]) => {
    const subscription = { options: {}, toJSON: () => ({ endpoint, keys: ours }), unsubscribe: async () => true };
    PushManager.prototype.getSubscription = async () => null;
    PushManager.prototype.subscribe = async () => subscription;
  }, [`${origin}/device`, keys]);
}

test('an alarm reaches a closed page, and whoever acknowledges it elsewhere withdraws it', async (t) => {
  const fixture = { server, browser };
  const page = await openPage(t, fixture, { room: 'plant', prepare: subscribing });
  await page.getByRole('button', { name: 'Notifications on this device' }).click();
  await page.getByRole('switch').check();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  const { key } = await (await fetch(`${server.url}push/key`)).json();
  await page.evaluate(async () => { await navigator.serviceWorker.ready; });
  const session = await page.context().newCDPSession(await page.context().newPage());
  const registered = new Promise((resolve) => {
    session.on('ServiceWorker.workerRegistrationUpdated', ({ registrations: [one] }) => { if (one) resolve(one.registrationId); });
  });
  await session.send('ServiceWorker.enable');
  const registrationId = await registered;
  const [worker] = page.context().serviceWorkers();
  await page.close();

  const deliver = async (request) => {
    checkSender(request.headers, origin, key);
    const data = JSON.stringify(decrypted(request.body));
    await session.send('ServiceWorker.deliverPushMessage', { origin: new URL(server.url).origin, registrationId, data });
  };
  const shows = (title) => worker.evaluate(async (wanted) => {
    for (;;) {
      const all = await registration.getNotifications();
      if (all.some((it) => it.title.includes(wanted))) return all.map((it) => [it.title, it.tag, it.silent, it.data.address]);
      await new Promise((resolve) => { setTimeout(resolve, 10); });
    }
  }, title);

  const { offset, epoch } = await raise('alarm.pump', 'Pump is too hot');
  await deliver(await nth(1));
  const address = `${server.url}?room=plant&at=${offset}&epoch=${epoch}`;
  const raised = await shows('Pump is too hot');
  t.diagnostic(`shown while the page is closed: ${JSON.stringify(raised)}`);
  assert.deepEqual(raised, [['critical: Pump is too hot', 'plant/alarm.pump', false, address]]);

  const ben = await openPage(t, fixture, { url: `${server.url}?room=plant&view=board` });
  await ben.getByRole('button', { name: 'Acknowledge: Pump is too hot' }).click();
  await deliver(await nth(2));
  const acknowledged = await shows('Acknowledged by');
  t.diagnostic(`shown after the acknowledgement: ${JSON.stringify(acknowledged)}`);
  const [[title, tag, isSilent], ...others] = acknowledged;
  assert.deepEqual([tag, isSilent, others], ['plant/alarm.pump', true, []], title);

  const took = [];
  for (let n = 0; n < RAISED; n += 1) {
    const begun = performance.now();
    await raise(`alarm.${n}`, `Alarm ${n}`);
    took.push((await nth(3 + n)).at - begun);
  }
  took.sort((a, b) => a - b);
  t.diagnostic(`from an alarm to the push service: ${took[RAISED / 2].toFixed(1)} ms in the median of ${RAISED}, ${took.at(-1).toFixed(1)} at most`);

  const opened = await anotherTab(page, address);
  await isConnected(opened);
  await opened.locator('.message.hit').getByText('Pump is too hot').waitFor();
  await screenshot(opened, 'pushed-opened');
});
