// The numbers of a room: of each key the last values, in a ring that grows to its limit and then forgets the oldest.

const FIRST_CAPACITY = 64;
const LONGEST = 8192;
/** So many of the last intervals say how often values come. */
const INTERVALS = 16;
/** Values are never missed sooner, nor after fewer of their usual intervals. */
const SHORTEST_GAP_MS = 2000;
const USUAL_INTERVALS = 3;
/** After a value that was alone so far. */
const ALONE_MS = 10_000;

export class Series {
  length = 0;
  #times = new Float64Array(FIRST_CAPACITY);
  #values = new Float64Array(FIRST_CAPACITY);
  #first = 0;

  /** Adds a value; time never goes back. */
  add(at, value) {
    if (this.length === this.#times.length && this.length < LONGEST) this.#grow();
    const index = this.#index(this.length);
    this.#times[index] = this.length > 0 ? Math.max(at, this.time(this.length - 1)) : at;
    this.#values[index] = value;
    if (this.length < this.#times.length) this.length += 1;
    else this.#first = this.#index(1);
  }

  time(n) {
    return this.#times[this.#index(n)];
  }

  value(n) {
    return this.#values[this.#index(n)];
  }

  get last() {
    return this.value(this.length - 1);
  }

  get lastTime() {
    return this.time(this.length - 1);
  }

  /** Silence that lasts longer is a gap: nobody knows the values between. By the median of the last intervals. */
  get longestPause() {
    const intervals = [];
    for (let n = Math.max(1, this.length - INTERVALS); n < this.length; n += 1) intervals.push(this.time(n) - this.time(n - 1));
    if (intervals.length === 0) return ALONE_MS;
    intervals.sort((a, b) => a - b);
    return Math.max(SHORTEST_GAP_MS, USUAL_INTERVALS * intervals[intervals.length >> 1]);
  }

  /** The number of values before a time. */
  before(at) {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time(middle) < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #index(n) {
    // The capacity is a power of two.
    return (this.#first + n) & (this.#times.length - 1);
  }

  /** Only while it was never full before, so that the oldest is at the front. */
  #grow() {
    [this.#times, this.#values] = [this.#times, this.#values].map((old) => {
      const wider = new Float64Array(old.length * 2);
      wider.set(old);
      return wider;
    });
  }
}

/** What the keys of a room were lately, whether or not its board is shown. */
export class Values {
  #series = new Map();

  clear() {
    this.#series.clear();
  }

  get(key) {
    return this.#series.get(key);
  }

  keys() {
    return this.#series.keys();
  }

  /** Begins anew with the series that the server tells, and the latest messages of keys. */
  begin(series, state) {
    this.clear();
    const latest = new Map(state.map(({ key, at }) => [key, at]));
    for (const { key, points } of series) {
      for (const [at, value] of points) {
        // What is later than the latest was measured by a clock that was set back since.
        if (at <= (latest.get(key) ?? Infinity)) this.#of(key).add(at, value);
      }
    }
    for (const message of state) this.take(message, false);
  }

  /** Takes a message; one that is not of this moment may be known already, by the series that it is in. */
  take({ key, at, data }, isLive) {
    const known = this.#series.get(key);
    if (!isLive && known && at <= known.lastTime) return;
    const value = numberIn(data);
    if (data === null) this.#series.delete(key);
    else if (value !== null) this.#of(key).add(at, value);
  }

  #of(key) {
    if (!this.#series.has(key)) this.#series.set(key, new Series());
    return this.#series.get(key);
  }
}

/** The number that a message carries: as JSON, or as text, which is what plain senders have. */
function numberIn(data) {
  const value = typeof data === 'string' && data.trim() !== '' ? Number(data) : data;
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
