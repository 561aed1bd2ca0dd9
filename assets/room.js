// The room that the page's address names, and the addresses of a room.

export const DEFAULT_ROOM = 'lobby';

/** True for what the server takes as a room name. */
export const isRoomName = (name) =>
  /^(?!\.{1,2}$)(?!\p{M})[\p{Alphabetic}\p{M}\p{N}\-_.:]{1,64}$/u.test(name);

/** The room of this page, valid or not: `/?room=tea`. */
export const roomOfPage = () => new URLSearchParams(location.search).get('room') || DEFAULT_ROOM;

/** The page's address for a room, without what else the current address carries. */
export function pageAddress(room) {
  const address = new URL('.', location.href);
  if (room !== DEFAULT_ROOM) address.search = `?room=${encoded(room)}`;
  return address.href;
}

/** The WebSocket address of a room, `wss:` when the page came by `https:`. */
export function socketAddress(room) {
  const address = new URL(`ws/${encoded(room)}`, pageAddress(DEFAULT_ROOM));
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
const encoded = (room) => encodeURIComponent(room).replaceAll('%3A', ':');
