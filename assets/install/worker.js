// The service worker of the installed page. It keeps the page's own files, which the server lists in SHELL before this text,
// for when the server cannot be reached. Rooms, messages and files of people are never kept. What is pushed it shows as
// notifications, and a click on one opens the page where it was said.
//
// The server is asked first, always: after an upgrade nobody sees an old page. VERSION is a hash of the files, so that an
// upgrade makes this another script, which fills a cache of its own and removes the one before.

/* global SHELL, VERSION */

const { scope } = self.registration;
/** Another parlor of this origin, behind the same proxy, has caches of its own. */
const PREFIX = `parlor ${scope} `;
const CACHE = PREFIX + VERSION;
const ADDRESSES = SHELL.map((name) => new URL(name, scope).href);

/** In which a page answers that is looked at. */
const ANSWER_MS = 1000;

self.addEventListener('install', (event) => event.waitUntil(fill()));
self.addEventListener('activate', (event) => event.waitUntil(removeOthers()));
self.addEventListener('fetch', (event) => {
  const address = new URL(event.request.url);
  address.search = '';
  address.hash = '';
  if (event.request.method === 'GET' && ADDRESSES.includes(address.href)) event.respondWith(answer(event.request, address.href));
});

async function fill() {
  const cache = await caches.open(CACHE);
  // What the browser has is asked about, and not sent again.
  await cache.addAll(ADDRESSES.map((address) => new Request(address, { cache: 'no-cache' })));
  await self.skipWaiting();
}

async function removeOthers() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
}

/** The server's answer; where there is none, or a proxy's that has no server, the file that is kept. */
async function answer(request, address) {
  const kept = async () => (await caches.open(CACHE)).match(address);
  try {
    const response = await fetch(request);
    return response.status < 500 ? response : await kept() ?? response;
  } catch (error) {
    const file = await kept();
    if (!file) throw error;
    return file;
  }
}

self.addEventListener('push', (event) => event.waitUntil(pushed(event.data)));
self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data?.address ?? scope));
});
self.addEventListener('pushsubscriptionchange', (event) => event.waitUntil(renew(event)));

/**
 * Shows what the server pushes. Notifications of one tag replace each other: an alarm that is acknowledged or over replaces
 * the one that told of it, without a sound.
 */
async function pushed(data) {
  const { notification, parlor } = data.json();
  if (parlor.kind !== 'alarm' && await isLookedAt(parlor)) return;
  const { title, body, tag, silent } = notification;
  await self.registration.showNotification(title, {
    body,
    tag,
    silent,
    renotify: !silent,
    icon: new URL('install/icon-192.png', scope).href,
    data: { address: addressOf(parlor) },
  });
}

/** The page's address for where it was said. */
function addressOf({ room, offset, epoch, by }) {
  const address = new URL(scope);
  const fields = room === undefined ? { to: by } : { room, at: offset, epoch };
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) address.searchParams.set(name, value);
  return address.href;
}

/** The windows that show this page, the one that was used last first. */
async function windows() {
  const all = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  return all.filter(({ url, frameType }) => frameType !== 'nested' && new URL(url).pathname === new URL(scope).pathname);
}

/** Whether somebody looks at where it was said. */
async function isLookedAt({ room, by }) {
  const visible = (await windows()).filter(({ visibilityState }) => visibilityState === 'visible');
  const answers = await Promise.all(visible.map((window) => ask(window, { type: 'isLookedAt', room, by })));
  return answers.includes(true);
}

/** A page that is stopped does not answer, and nobody looks at it. */
function ask(window, question) {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => resolve(data);
    setTimeout(resolve, ANSWER_MS, false);
    window.postMessage(question, [port2]);
  });
}

/** Goes to an address in the window that was used last, or in one of its own. */
async function open(address) {
  const [window] = await windows();
  if (!window) return void await self.clients.openWindow(address);
  // A browser may refuse that.
  await window.focus().catch(() => {});
  window.postMessage({ type: 'open', address });
}

/** The browser has replaced the subscription. A page that is open tells the server, or the next one that is opened. */
async function renew({ newSubscription, oldSubscription }) {
  const key = oldSubscription?.options.applicationServerKey;
  if (!newSubscription && key) {
    await self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  }
  for (const window of await windows()) window.postMessage({ type: 'renew' });
}
