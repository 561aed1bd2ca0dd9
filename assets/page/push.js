// What this device is told of while nobody looks at the page: by the page as long as it is open, and by the server, through the
// push service of the browser, also when it is closed (Push API, RFC 8030).

import { pageAddress } from './room.js';
import { storage } from './storage.js';

/** Whether notifications are wanted on this device. */
export const NOTIFY = 'notify';
/** Of what: `{kinds, severity, rooms, quiet}`. No `rooms`: those that one is in. */
const SETTINGS = 'push';
/** The address that the server was told last. */
const ENDPOINT = 'push.endpoint';
const DEFAULTS = { kinds: ['alarm', 'direct', 'mention'], severity: 'warning', rooms: null, quiet: null };
export const KINDS = ['alarm', 'direct', 'mention', 'message'];
const SEVERITIES = ['info', 'warning', 'critical'];
/** So many rooms a server takes. */
const MOST_ROOMS = 100;
/** Who opens many rooms at once tells the server once. */
const SETTLED_MS = 1000;
/** In which a service worker is there, and the server has heard of the end. */
const PATIENCE_MS = 10_000;
const GOODBYE_MS = 2000;

/** Why this device is not told: `blocked`, `no_worker`, `no_server` or `no_service`. */
export class PushError extends Error {
  constructor(code) {
    super(code);
    this.name = 'PushError';
    this.code = code;
  }
}

export class Push {
  /** The server can push. */
  isOffered = false;
  /** What went wrong when the server was told last. */
  failure = null;
  #parlor;
  #rooms;
  #timer = 0;
  /** The rooms that the server was told last. */
  #told = '';
  /** One thing after the other. */
  #work = Promise.resolve();

  /** `rooms()` gives the names of those that one is in. */
  constructor(parlor, rooms) {
    this.#parlor = parlor;
    this.#rooms = rooms;
  }

  /** Says whether the server can push; then what this device wants is renewed, as it is at each visit. */
  offer(isOffered) {
    this.isOffered = isOffered;
    this.renew();
  }

  /** What can be had here: `insecure`, `homeScreen`, `unsupported`, `blocked`, `pageOnly`, `on` or `off`. */
  get state() {
    if (!isSecureContext) return 'insecure';
    if (!canPush() && isApple()) return 'homeScreen';
    if (!('Notification' in globalThis)) return 'unsupported';
    if (Notification.permission === 'denied') return 'blocked';
    if (!canPush()) return 'pageOnly';
    return this.isOn ? 'on' : 'off';
  }

  /** Whether this device is to be told of something. */
  get isOn() {
    return storage.get(NOTIFY, false) && storage.get(SETTINGS) !== null && Notification.permission === 'granted';
  }

  get settings() {
    return { ...DEFAULTS, ...storage.get(SETTINGS) };
  }

  /** From now on this device is told of this; asks the reader for leave. Rejects with why it is not. */
  async begin(settings) {
    if (await Notification.requestPermission() !== 'granted') throw new PushError('blocked');
    const before = [SETTINGS, NOTIFY].map((key) => [key, storage.get(key)]);
    storage.set(SETTINGS, settings);
    storage.set(NOTIFY, true);
    try {
      await this.#next(() => this.#tell());
    } catch (error) {
      for (const [key, value] of before) storage.set(key, value);
      throw error;
    }
  }

  /** This device is not told of anything any more. */
  async end() {
    storage.set(NOTIFY, false);
    await this.#forget();
  }

  /** Tells the server again what this device wants. */
  async renew() {
    if (!this.isOffered || !canPush() || !this.isOn) return;
    await this.#next(() => this.#tell()).catch(() => {});
  }

  /** A room was opened or left. */
  roomsChanged() {
    clearTimeout(this.#timer);
    if (!this.#told) return;
    this.#timer = setTimeout(() => {
      if (JSON.stringify(this.#wantedRooms) !== this.#told) this.renew();
    }, SETTLED_MS);
  }

  /** Shows a notification of what the server pushes to nobody who is connected, if it is wanted. */
  async show({ kind, place, offset, key, severity }, title, body) {
    // Alarms the server pushes to everybody.
    if (!this.#wants(kind, place.name, severity) || (kind === 'alarm' && storage.get(ENDPOINT))) return;
    const at = offset && { offset, epoch: place.epoch };
    await (await worker()).showNotification(title, {
      body,
      // As the server has them.
      tag: key ? `${place.name}/${key}` : place.title(),
      renotify: true,
      icon: 'install/icon-192.png',
      data: { address: pageAddress({ name: place.name, isDirect: place.isDirect, at }) },
    });
  }

  #wants(kind, room, severity) {
    if (!this.isOn) return true;
    const { kinds, rooms, quiet, severity: least } = this.settings;
    const isKind = kinds.includes(kind) || (kind === 'mention' && kinds.includes('message'));
    const isRoom = kind === 'direct' || !rooms || rooms.includes(room);
    const isSevere = kind !== 'alarm' || SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(least);
    return isKind && isRoom && isSevere && !isWithin(quiet, new Date());
  }

  get #wantedRooms() {
    return (this.settings.rooms ?? this.#rooms()).slice(0, MOST_ROOMS);
  }

  #next(work) {
    this.#work = this.#work.catch(() => {}).then(work);
    return this.#work;
  }

  /** Gives the server the browser's subscription, and what is wanted of it. */
  async #tell() {
    if (!canPush()) return;
    try {
      const { endpoint, keys } = (await this.#subscribe()).toJSON();
      const { kinds: all, severity, quiet } = this.settings;
      const rooms = this.#wantedRooms;
      const kinds = rooms.length > 0 ? all : all.filter((kind) => kind === 'direct');
      const offset = -new Date().getTimezoneOffset();
      // The next welcome renews it.
      if (this.#parlor.state.phase !== 'open') throw new PushError('no_server');
      await this.#parlor.push({
        endpoint, keys, rooms, kinds, severity, quiet: quiet ? { ...quiet, offset } : undefined, page: pageRoot(),
      });
      this.#told = JSON.stringify(rooms);
      this.#endOf(storage.get(ENDPOINT), endpoint);
      storage.set(ENDPOINT, endpoint);
      this.failure = null;
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  /** The browser's subscription, made with the key that the server has now. */
  async #subscribe() {
    const { pushManager } = await worker();
    const key = await serverKey();
    const known = await pushManager.getSubscription();
    if (known && isSame(known.options.applicationServerKey, key)) return known;
    await known?.unsubscribe();
    try {
      return await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    } catch (error) {
      throw new PushError(error.name === 'NotAllowedError' ? 'blocked' : 'no_service');
    }
  }

  async #forget() {
    this.failure = null;
    this.#told = '';
    const told = storage.get(ENDPOINT);
    storage.set(ENDPOINT, null);
    if (!canPush()) return;
    const registration = await navigator.serviceWorker.getRegistration();
    const subscription = await registration?.pushManager.getSubscription();
    const endpoint = subscription?.toJSON().endpoint ?? told;
    await subscription?.unsubscribe();
    // Else the server finds out when it pushes the next time.
    await Promise.race([this.#endOf(endpoint), pause(GOODBYE_MS)]);
  }

  /** Nothing is pushed to that address any more, if it is another. */
  async #endOf(before, now) {
    if (!before || before === now || this.#parlor.state.phase !== 'open') return;
    await this.#parlor.push({ endpoint: before, kinds: [] }).catch(() => {});
  }
}

/** Whether a text names somebody, as in `@ana`. */
export function mentions(data, name) {
  if (typeof data !== 'string' || !name) return false;
  const begins = `@${name}`.toLowerCase();
  const said = data.toLowerCase();
  for (let at = said.indexOf(begins); at >= 0; at = said.indexOf(begins, at + 1)) {
    const [before, behind] = [said.slice(0, at).slice(-1), said.slice(at + begins.length)];
    if (!/[\p{L}\p{N}]/u.test(before) && !/^[\p{L}\p{N}_-]/u.test(behind)) return true;
  }
  return false;
}

/** Whether a time of day is within `{from, to}`, which may go on over midnight. */
function isWithin(quiet, date) {
  if (!quiet) return false;
  const now = date.toTimeString().slice(0, 5);
  const { from, to } = quiet;
  return from < to ? from <= now && now < to : from <= now || now < to;
}

/** A chart in another page is told of nothing. */
function canPush() {
  return isSecureContext && 'serviceWorker' in navigator && 'PushManager' in globalThis && window === window.top;
}

/** Where every browser is Safari, and only pages on the home screen are told of anything. */
function isApple() {
  const isMobileMac = /Mac/.test(navigator.platform) && navigator.maxTouchPoints > 1;
  return /iPhone|iPad|iPod/.test(navigator.userAgent) || isMobileMac;
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function worker() {
  const registration = await Promise.race([navigator.serviceWorker?.ready, pause(PATIENCE_MS)]);
  if (!registration) throw new PushError('no_worker');
  return registration;
}

/** The server's public key, as bytes. */
async function serverKey() {
  try {
    const response = await fetch('push/key');
    const { key } = await response.json();
    const characters = atob(key.replaceAll('-', '+').replaceAll('_', '/'));
    return Uint8Array.from(characters, (character) => character.charCodeAt(0));
  } catch {
    throw new PushError('no_server');
  }
}

const isSame = (buffer, bytes) => buffer?.byteLength === bytes.length
  && new Uint8Array(buffer).every((byte, n) => byte === bytes[n]);

/** This page, without a room. */
const pageRoot = () => new URL('.', location.href).href;
