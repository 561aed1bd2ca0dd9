// Which keys share a chart: those that somebody has put together, and on request those of one prefix.

export class Grouping {
  #groups;
  #byPrefix;

  /** As it was kept by `kept`. */
  constructor({ groups = [], byPrefix = false } = {}) {
    this.#groups = groups.filter((keys) => Array.isArray(keys) && keys.length > 1);
    this.#byPrefix = byPrefix === true;
  }

  /** What to keep of it; undefined for nothing. */
  get kept() {
    if (this.#groups.length === 0 && !this.#byPrefix) return undefined;
    return { groups: this.#groups, byPrefix: this.#byPrefix };
  }

  get byPrefix() {
    return this.#byPrefix;
  }

  /** The chart that a key is in, by a name that people read. */
  chartOf(key) {
    const group = this.#groups.find((keys) => keys.includes(key));
    if (group) return group.join(' + ');
    const end = this.#byPrefix ? key.lastIndexOf('.') : 0;
    return end > 0 ? `${key.slice(0, end)}.*` : key;
  }

  togglePrefix() {
    this.#byPrefix = !this.#byPrefix;
  }

  /** These are in one chart and in no other. Of one alone, it is its own. */
  put(keys) {
    const rest = this.#groups.map((group) => group.filter((key) => !keys.includes(key)));
    this.#groups = [...rest, keys].filter((group) => group.length > 1);
  }

  /** These are not together any more, where somebody has put them together. */
  part(keys) {
    this.#groups = this.#groups.map((group) => group.filter((key) => !keys.includes(key))).filter((group) => group.length > 1);
  }
}
