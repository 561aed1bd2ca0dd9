// How a room's board is looked at: how much of the past, which keys, and which of them share a chart. The address says it,
// and the browser keeps it.

import { Grouping } from './grouping.js';
import { DEFAULT_WINDOW, WINDOWS, pastOf } from './window.js';
import { pageAddress } from '../page/room.js';
import { storage } from '../page/storage.js';
import { allows } from '../page/token.js';

export class BoardView {
  #room;
  #keys;
  #window;
  #asked;

  /** Of a room; `window` and `keys` are what the address asks for: `keys` are shown alone. */
  constructor(room, { window, keys = [] } = {}) {
    this.#room = room;
    this.#keys = keys;
    const kept = this.isAlone ? {} : storage.get(this.#place, {});
    this.#window = [window, kept.window].find((name) => WINDOWS.has(name)) ?? DEFAULT_WINDOW;
    this.#asked = { ...pastOf(this.#window, keys) };
    this.grouping = new Grouping(this.isAlone ? { groups: [keys] } : kept.grouping);
  }

  get #place() {
    return `board.${this.#room}`;
  }

  /** Nothing else of the page is shown. */
  get isAlone() {
    return this.#keys.length > 0;
  }

  get window() {
    return this.#window;
  }

  set window(name) {
    this.#window = name;
    Object.assign(this.#asked, pastOf(name, this.#keys));
    this.keep();
  }

  /** What is asked for of the past on joining, now and whenever the room is joined again. */
  get asked() {
    return this.#asked;
  }

  shows(key) {
    return !this.isAlone || allows(this.#keys, key);
  }

  /** What the page's address says of it. */
  get fields() {
    return { window: this.#window === DEFAULT_WINDOW ? undefined : this.#window, keys: this.#keys };
  }

  /** The address of a page that shows some keys alone, in one chart. */
  addressOf(keys) {
    return pageAddress({ name: this.#room, view: 'board', fields: { ...this.fields, keys } });
  }

  keep() {
    if (this.isAlone) return;
    const kept = { window: this.fields.window, grouping: this.grouping.kept };
    storage.set(this.#place, kept.window || kept.grouping ? kept : null);
  }
}
