// The numbers of a room: of each key the last values, in a ring that grows to its limit and then forgets the oldest.

const FIRST_CAPACITY = 64;
/** Values of one key, and of all keys of a room: 16 bytes each. */
const LONGEST = 8192;
const MOST_IN_ALL = 2 ** 21;
const FEWEST = 128;
/** Of each step of the window so many values are kept: the first, the least, the greatest, the last. */
const VALUES_A_STEP = 4;
/** So many of the last intervals say how often values come. */
const INTERVALS = 16;
/** Values are never missed sooner, nor after fewer of their usual intervals. */
const SHORTEST_GAP_MS = 2000;
const USUAL_INTERVALS = 3;
/** After a value that was alone so far. */
const ALONE_MS = 10_000;

/** How many values of a key are kept: `most`, and of each `stepMs` at most `VALUES_A_STEP`. */
const EVERY_VALUE = { most: LONGEST, stepMs: 0 };

export class Series {
  length = 0;
  /** Seconds within which the next value has to come; null where none has to. */
  expect = null;
  #pace;
  #times = new Float64Array(FIRST_CAPACITY);
  #values = new Float64Array(FIRST_CAPACITY);
  #first = 0;
  /** The last intervals between values, those that are not kept included. */
  #intervals = [];
  /** Up to when the values were thinned before they came here, and the usual interval of those. */
  #told = { until: -Infinity, pause: 0 };
  /** So far apart may values be that were thinned here. */
  #apartMs = 0;

  constructor(pace = EVERY_VALUE) {
    this.#pace = pace;
  }

  /** Adds a value; time never goes back. */
  add(at, value) {
    const time = this.length > 0 ? Math.max(at, this.lastTime) : at;
    if (this.length > 0) {
      this.#intervals.push(time - this.lastTime);
      if (this.#intervals.length > INTERVALS) this.#intervals.shift();
    }
    if (this.#isStepFull(time)) this.#thin();
    if (this.length === this.#times.length && this.length < this.#pace.most) this.#grow();
    const index = this.#index(this.length);
    this.#times[index] = time;
    this.#values[index] = value;
    if (this.length < this.#times.length) this.length += 1;
    else this.#first = this.#index(1);
  }

  /** Adds values of the past, which the server may have thinned: how far apart they are says nothing of what follows. */
  tell(points) {
    for (const [at, value] of points) this.add(at, value);
    if (points.length < 2) return;
    const intervals = points.slice(1).map(([at], n) => at - points[n][0]);
    this.#told = { until: this.lastTime, pause: USUAL_INTERVALS * median(intervals) };
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
    if (this.#intervals.length === 0) return ALONE_MS;
    return Math.max(SHORTEST_GAP_MS, USUAL_INTERVALS * median(this.#intervals));
  }

  /** Whether nobody knows what was before a value, as those before it are too far away; `pause` is the longest. */
  isAfterGap(n, pause) {
    const between = this.time(n) - this.time(n - 1);
    const told = this.time(n) <= this.#told.until ? this.#told.pause : 0;
    return between > Math.max(pause, told, this.#apartMs);
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

  #isStepFull(at) {
    const { stepMs } = this.#pace;
    if (stepMs === 0 || this.length < VALUES_A_STEP) return false;
    return Math.floor(this.time(this.length - VALUES_A_STEP) / stepMs) === Math.floor(at / stepMs);
  }

  /** Of the last three values the middle one goes: the extremes of a step stay. */
  #thin() {
    const places = [3, 2, 1].map((back) => this.#index(this.length - back));
    const middle = [...places].sort((a, b) => this.#values[a] - this.#values[b])[1];
    for (let n = places.indexOf(middle); n < 2; n += 1) {
      this.#times[places[n]] = this.#times[places[n + 1]];
      this.#values[places[n]] = this.#values[places[n + 1]];
    }
    this.length -= 1;
    this.#apartMs = Math.max(this.#apartMs, 2 * this.#pace.stepMs);
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

const median = (intervals) => [...intervals].sort((a, b) => a - b)[intervals.length >> 1];

/** What the keys of a room were lately, whether or not its board is shown. */
export class Values {
  #series = new Map();
  #windowMs = 0;
  #pace = { ...EVERY_VALUE };

  clear() {
    this.#series.clear();
  }

  get(key) {
    return this.#series.get(key);
  }

  keys() {
    return this.#series.keys();
  }

  get size() {
    return this.#series.size;
  }

  /** From now on the values of so long a time are kept. */
  set windowMs(ms) {
    this.#windowMs = ms;
    this.#share();
  }

  /** Begins anew with the series that the server tells, and the latest messages of keys. */
  begin(series, state) {
    this.clear();
    const latest = new Map(state.map(({ key, at }) => [key, at]));
    for (const { key, points } of series) {
      // What is later than the latest was measured by a clock that was set back since.
      this.#tell(key, points.filter(([at]) => at <= (latest.get(key) ?? Infinity)));
    }
    for (const message of state) this.take(message, false);
  }

  /** Takes the series of another window; what came after they were told stays. */
  fill(series) {
    for (const { key, points } of series) {
      const before = this.#series.get(key);
      // It was removed meanwhile.
      if (!before || points.length === 0) continue;
      this.#series.delete(key);
      this.#tell(key, points);
      const now = this.#of(key);
      now.expect = before.expect;
      for (let n = before.before(now.lastTime + 1); n < before.length; n += 1) now.add(before.time(n), before.value(n));
    }
  }

  /** Takes a message; one that is not of this moment may be known already, by the series that it is in. */
  take({ key, at, data, expect }, isLive) {
    const known = this.#series.get(key);
    if (known && expect !== undefined) known.expect = expect || null;
    if (!isLive && known && at <= known.lastTime) return;
    const value = numberIn(data);
    if (data === null) this.#series.delete(key);
    else if (value !== null) this.#of(key, expect).add(at, value);
  }

  #tell(key, points) {
    if (points.length > 0) this.#of(key).tell(points);
  }

  #of(key, expect) {
    if (!this.#series.has(key)) {
      const series = new Series(this.#pace);
      series.expect = expect || null;
      this.#series.set(key, series);
      this.#share();
    }
    return this.#series.get(key);
  }

  /** The more keys there are, the fewer values are kept of each. */
  #share() {
    const share = 2 ** Math.floor(Math.log2(MOST_IN_ALL / Math.max(1, this.#series.size)));
    this.#pace.most = Math.min(LONGEST, Math.max(FEWEST, share));
    this.#pace.stepMs = this.#windowMs * VALUES_A_STEP / this.#pace.most;
  }
}

/** The number that a message carries: as JSON, or as text, which is what plain senders have. */
function numberIn(data) {
  const value = typeof data === 'string' && data.trim() !== '' ? Number(data) : data;
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
