// The past of the charts in view. On joining, and for another window, all keys share one answer: of very many, each has little.

/** So many keys share an answer without any being short of points. */
const KEYS_AT_ONCE = 8;

export class Past {
  #fetch;
  #asked = new Set();
  #isBusy = false;

  /** `fetch(keys)` promises that what the server knows of these keys has been taken. */
  constructor(fetch) {
    this.#fetch = fetch;
  }

  /** All keys have what one answer had for them. */
  begin() {
    this.#asked.clear();
  }

  /** Asks for the keys that `inView()` names, once for each; `count` is how many there are in all. */
  async fill(count, inView) {
    if (this.#isBusy || count <= KEYS_AT_ONCE) return;
    this.#isBusy = true;
    let keys = this.#new(inView());
    try {
      for (; keys.length > 0; keys = this.#new(inView())) {
        for (const key of keys) this.#asked.add(key);
        await Promise.all(shared(keys).map((some) => this.#fetch(some)));
      }
    } catch {
      // Then there is what has come so far, until they come into view again.
      for (const key of keys) this.#asked.delete(key);
    }
    this.#isBusy = false;
  }

  #new(keys) {
    return keys.filter((key) => !this.#asked.has(key));
  }
}

/** These keys, as many together as share an answer. */
function shared(keys) {
  const count = Math.ceil(keys.length / KEYS_AT_ONCE);
  return Array.from({ length: count }, (_, n) => keys.slice(n * KEYS_AT_ONCE, (n + 1) * KEYS_AT_ONCE));
}
