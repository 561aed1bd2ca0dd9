// One live WebSocket, or the time at which the next one is tried.

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 30_000;
const BUSY_RETRY_MS = 5_000;
const CONNECT_TIMEOUT_MS = 10_000;
const ECHO_TIMEOUT_MS = 15_000;
const STABLE_MS = 5_000;

const TRY_AGAIN_LATER = 1013;
const ABNORMAL = 1006;

/**
 * Keeps a WebSocket open: reconnects after a loss with jittered exponential back-off, and at once when the browser
 * comes online or the page into view.
 *
 * The handlers: `onState({phase, code, reason, opened, retryAt})` with phase `connecting`, `open` or `waiting` (the
 * others belong to `waiting`; `opened` tells a lost connection from one that never was), `onMessage(data)` with text or
 * a Blob, and `isAnswerDue()`, true while an echo is outstanding.
 */
export class Connection {
  #url;
  #handlers;
  #socket = null;
  #timer = 0;
  #failures = 0;
  #openedAt = null;

  constructor(url, handlers) {
    this.#url = url;
    this.#handlers = handlers;
    addEventListener('online', () => this.retryNow());
    addEventListener('pageshow', () => this.retryNow());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.retryNow();
    });
    this.#connect();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Hands a text to the socket. Only while `isOpen`. */
  send(data) {
    this.#socket.send(data);
    if (!this.#timer) this.#awaitAnswer();
  }

  /** Does not wait for the next try; nothing happens if there is a connection or one under way. */
  retryNow() {
    if (!this.#socket) this.#connect();
  }

  #connect() {
    const socket = new WebSocket(this.#url);
    socket.binaryType = 'blob';
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
    this.#socket = socket;
    this.#setTimer(() => this.#abandon(), CONNECT_TIMEOUT_MS);
    this.#handlers.onState({ phase: 'connecting' });
  }

  #opened() {
    this.#setTimer(null);
    this.#openedAt = performance.now();
    this.#handlers.onState({ phase: 'open' });
  }

  #received(data) {
    this.#handlers.onMessage(data);
    if (this.#handlers.isAnswerDue()) this.#awaitAnswer();
    else this.#setTimer(null);
  }

  /**
   * Scripts cannot see pings, so an overdue echo, with nothing else arriving, is how a dead peer shows. A long message
   * on a slow line is not overdue while it still goes out.
   */
  #awaitAnswer() {
    const unsent = this.#socket.bufferedAmount;
    this.#setTimer(() => {
      if (this.#socket.bufferedAmount < unsent) this.#awaitAnswer();
      else this.#abandon();
    }, ECHO_TIMEOUT_MS);
  }

  /** A peer gone without a word will not answer a close frame either: do not wait for it. */
  #abandon() {
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#closed(ABNORMAL, '');
  }

  #closed(code, reason) {
    const opened = this.#openedAt !== null;
    // A server that accepts and closes at once must not be asked twice a second for ever.
    if (opened && performance.now() - this.#openedAt > STABLE_MS) this.#failures = 0;
    this.#socket = null;
    this.#openedAt = null;
    const delay = this.#nextDelay(code);
    this.#setTimer(() => this.#connect(), delay);
    this.#handlers.onState({ phase: 'waiting', code, reason, opened, retryAt: Date.now() + delay });
  }

  /** Half of the delay is fixed and half is random, so that a room does not come back in one stampede. */
  #nextDelay(code) {
    const first = code === TRY_AGAIN_LATER ? BUSY_RETRY_MS : FIRST_RETRY_MS;
    const ceiling = Math.min(LONGEST_RETRY_MS, first * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    return ceiling * (0.5 + Math.random() / 2);
  }

  #setTimer(action, delay) {
    clearTimeout(this.#timer);
    this.#timer = action ? setTimeout(() => {
      this.#timer = 0;
      action();
    }, delay) : 0;
  }
}
