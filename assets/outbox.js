// What was written here and is not yet seen to have reached the room.

const TOO_LONG = 1009;
const encoder = new TextEncoder();

/** The length that counts against the server's limit. */
export const byteLength = (text) => encoder.encode(text).length;

/**
 * Messages in the order they were given to the socket. Each is in one state: `queued` (no connection yet), `sent` (its
 * echo is due), `unconfirmed` (the connection ended before the echo) or `refused` (too long for the server).
 *
 * The room echoes a sender's messages in the order sent, so the first one sent is the only one an echo can belong to.
 */
export class Outbox {
  items = [];
  /** The shortest message this server was seen to refuse. */
  refusedBytes = Infinity;

  get isEchoDue() {
    return this.items.some((item) => item.state === 'sent');
  }

  add(text) {
    const item = { text, state: 'queued' };
    this.items.push(item);
    return item;
  }

  /** Puts an item last, to be sent anew. */
  requeue(item) {
    this.remove(item);
    item.state = 'queued';
    this.items.push(item);
  }

  remove(item) {
    this.items = this.items.filter((other) => other !== item);
  }

  /** Gives all that is queued to `send`. */
  flush(send) {
    for (const item of this.items) {
      if (item.state !== 'queued') continue;
      send(item.text);
      item.state = 'sent';
    }
  }

  /** Takes a message of the room: true, and the item is gone, if it is the echo that is due next. */
  settle(text) {
    const next = this.items.find((item) => item.state === 'sent');
    if (next?.text !== text) return false;
    this.remove(next);
    return true;
  }

  /** The connection ended: what was sent and not echoed may have arrived or not. */
  connectionLost(code) {
    const sent = this.items.filter((item) => item.state === 'sent');
    for (const item of sent) item.state = 'unconfirmed';
    if (code === TOO_LONG && sent.length > 0) this.#refuseLongest(sent);
  }

  /** One of them was over the limit, so the longest was, whichever the server stopped at. */
  #refuseLongest(sent) {
    const longest = sent.reduce((a, b) => (byteLength(b.text) > byteLength(a.text) ? b : a));
    longest.state = 'refused';
    this.refusedBytes = Math.min(this.refusedBytes, byteLength(longest.text));
  }
}
