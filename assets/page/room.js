// What the page's address names, and the addresses of a room.

import { wellFormed } from './strings.js';

export const DEFAULT_ROOM = 'lobby';

/** True for what the server takes as a room name. */
export const isRoomName = (name) =>
  /^(?!\.{1,2}$)(?!\p{M})[\p{Alphabetic}\p{M}\p{N}\-_.:]{1,64}$/u.test(name);

/**
 * What this page's address asks for: `/?room=tea`, `/?to=ben`, `/?room=plant&view=board`; of a board also how much of the past,
 * `&window=1h`, and with `&key=boiler.temp` only that chart, for another page or a wall; of a room one message, `&at=41`, and
 * `&epoch=` to say of which epoch that offset is.
 */
export function addressed() {
  const fields = new URLSearchParams(location.search);
  if (fields.get('to')) return { isDirect: true, name: fields.get('to'), view: 'chat', board: {} };
  const isBoard = fields.get('view') === 'board';
  const board = isBoard ? { window: fields.get('window') ?? undefined, keys: fields.getAll('key').filter(Boolean) } : {};
  const isMessage = !isBoard && /^\d{1,15}$/.test(fields.get('at'));
  const at = isMessage ? { offset: Number(fields.get('at')), epoch: fields.get('epoch') } : null;
  return { isDirect: false, name: fields.get('room') || DEFAULT_ROOM, view: isBoard ? 'board' : 'chat', board, at };
}

/** The page's address for a room or a person, without what else the current address carries; and for a message, `at`. */
export function pageAddress({ name, isDirect = false, view = 'chat', fields: { window, keys = [] } = {}, at }) {
  const address = new URL('.', location.href);
  const more = [window && `&window=${window}`, ...keys.map((key) => `&key=${encoded(key)}`)].filter(Boolean).join('');
  const board = view === 'board' ? `&view=board${more}` : '';
  const message = at ? `&at=${at.offset}&epoch=${encoded(at.epoch)}` : '';
  if (isDirect) address.search = `?to=${encoded(name)}`;
  else if (message) address.search = `?room=${encoded(name)}${message}`;
  else if (name !== DEFAULT_ROOM || board) address.search = `?room=${encoded(name)}${board}`;
  return address.href;
}

/** The WebSocket address of a room, `wss:` when the page came by `https:`. */
export function socketAddress(name) {
  const address = new URL(`ws/${encoded(name)}`, pageAddress({ name: DEFAULT_ROOM }));
  address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return address.href;
}

/** An address as people read it: what is copied from the page stays encoded. */
export function readable(address) {
  try {
    return decodeURI(address);
  } catch {
    return address;
  }
}

/** A colon is as good as any character in a path or query, and reads better. */
const encoded = (name) => encodeURIComponent(wellFormed(name)).replaceAll('%3A', ':');
