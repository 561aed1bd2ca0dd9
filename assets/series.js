// The last values of one key: a ring that grows to its limit and then forgets the oldest.

const FIRST_CAPACITY = 256;
const LONGEST = 8192;

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
