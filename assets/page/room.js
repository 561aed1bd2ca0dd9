// What the page's address names, and the addresses of a room.

import { wellFormed } from './strings.js';

export const DEFAULT_ROOM = 'lobby';

/** True for what the server takes as a room name. */
export const isRoomName = (name) =>
  /^(?!\.{1,2}$)(?!\p{M})[\p{Alphabetic}\p{M}\p{N}\-_.:]{1,64}$/u.test(name);

/** What this page's address asks for: `/?room=tea`, `/?room=plant&view=board`, `/?to=ben`. */
export function addressed() {
  const fields = new URLSearchParams(location.search);
  if (fields.get('to')) return { isDirect: true, name: fields.get('to'), view: 'chat' };
  const view = fields.get('view') === 'board' ? 'board' : 'chat';
  return { isDirect: false, name: fields.get('room') || DEFAULT_ROOM, view };
}

/** The page's address for a room or a person, without what else the current address carries. */
export function pageAddress({ name, isDirect = false, view = 'chat' }) {
  const address = new URL('.', location.href);
  const board = view === 'board' ? '&view=board' : '';
  if (isDirect) address.search = `?to=${encoded(name)}`;
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
