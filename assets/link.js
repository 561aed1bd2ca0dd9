// The connection of parlor's client, parlor.js, which is the one to import.

const SUBPROTOCOL = 'parlor.v1.json';
const FIRST_RETRY_MS = 500;
const BUSY_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 30_000;
const STABLE_MS = 5_000;
const ANSWER_MS = 10_000;

const ABNORMAL = 1006;
const TRY_AGAIN_LATER = 1013;

/**
 * One live WebSocket, or the time at which the next one is tried: with jittered exponential back-off, or when the server
 * said. Gives up a server from which nothing comes.
 */
export class Link {
  /** For how long the server may be silent before it is asked whether it is there. */
  patience = ANSWER_MS;
  /** Counts the connections, so that what waited for one finds out that it is another. */
  connection = 0;

  #url;
  #WebSocket;
  #handlers;
  #socket = null;
  #timer = 0;
  #failures = 0;
  #openedAt = null;
  #heardAt = 0;
  /** Nothing was heard since the server was asked. */
  #isSilent = false;
  #retryMs = null;
  #closed = false;

  constructor(url, WebSocket, handlers) {
    this.#url = url;
    this.#WebSocket = WebSocket;
    this.#handlers = handlers;
    // Who made this may add listeners first.
    queueMicrotask(() => this.#connect());
  }

  get isOpen() {
    return this.#openedAt !== null;
  }

  /** Hands a text to the socket. Only while `isOpen`. */
  send(text) {
    this.#socket.send(text);
  }

  /** When to come back, told by the server before it goes. */
  retryIn(ms) {
    this.#retryMs = ms;
  }

  retryNow() {
    if (!this.#socket) this.#connect();
    else if (this.isOpen) this.#probe();
  }

  close() {
    this.#closed = true;
    this.stop();
  }

  /** Ends the connection, and tries no other until it is told to. */
  stop() {
    this.connection += 1;
    clearTimeout(this.#timer);
    this.#openedAt = null;
    this.#retryMs = null;
    this.#release()?.close(1000);
  }

  #connect() {
    if (this.#closed) return;
    this.connection += 1;
    const socket = new this.#WebSocket(this.#url, SUBPROTOCOL);
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onclose = ({ code, reason }) => this.#ended(code, reason);
    socket.onerror = () => {};
    this.#socket = socket;
    this.#setTimer(() => this.abandon(), ANSWER_MS);
    this.#handlers.onConnecting();
  }

  #opened() {
    this.#openedAt = Date.now();
    this.#heardAt = this.#openedAt;
    this.patience = ANSWER_MS;
    this.#watch(this.patience);
  }

  #received(text) {
    this.#heardAt = Date.now();
    this.#isSilent = false;
    this.#handlers.onMessage(JSON.parse(text));
  }

  /** One timer, however much arrives: it looks at how long the server has been silent. */
  #watch(ms) {
    this.#setTimer(() => {
      const left = this.#heardAt + this.patience - Date.now();
      if (left > 0) this.#watch(left);
      else this.#probe();
    }, ms);
  }

  /** Scripts cannot see a WebSocket's pings. A long message on a slow line delays the answer while it goes out. */
  #probe() {
    const unsent = this.#socket.bufferedAmount;
    this.#isSilent = true;
    this.send('{"type":"ping"}');
    this.#setTimer(() => {
      if (!this.#isSilent) this.#watch(this.patience);
      else if (this.#socket.bufferedAmount < unsent) this.#probe();
      else this.abandon();
    }, ANSWER_MS);
  }

  /** A peer gone without a word will not answer a close frame either: do not wait for it. */
  abandon(code = ABNORMAL, reason = '') {
    this.#release()?.close();
    this.#ended(code, reason);
  }

  #release() {
    const socket = this.#socket;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    this.#socket = null;
    return socket;
  }

  #ended(code, reason) {
    const opened = this.isOpen;
    this.connection += 1;
    // A server that accepts and closes at once must not be asked twice a second for ever.
    if (opened && Date.now() - this.#openedAt > STABLE_MS) this.#failures = 0;
    this.#socket = null;
    this.#openedAt = null;
    const delay = this.#nextDelay(code);
    this.#setTimer(() => this.#connect(), delay);
    this.#handlers.onLost({ phase: 'waiting', code, reason, opened, retryAt: Date.now() + delay });
  }

  /** Half of the delay is fixed and half is random, so that a room does not come back in one stampede. */
  #nextDelay(code) {
    const told = this.#retryMs;
    this.#retryMs = null;
    if (told !== null) return told;
    const first = code === TRY_AGAIN_LATER ? BUSY_RETRY_MS : FIRST_RETRY_MS;
    const ceiling = Math.min(LONGEST_RETRY_MS, first * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    return ceiling * (0.5 + Math.random() / 2);
  }

  #setTimer(action, ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, ms);
  }
}
