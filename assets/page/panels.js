// The panels at the sides: beside the conversation where there is room, else over it while they are asked for.

import { byId } from './dom.js';
import { storage } from './storage.js';

const backdrop = byId('backdrop');
const stage = byId('stage');

/** A panel with the button that shows it. */
export class Panel {
  #panel;
  #toggle;
  #beside;
  #key;
  /** There is something to show. */
  #isOffered = true;

  /** `beside` is the media query under which it has room of its own; there, `key` remembers whether it is wanted. */
  constructor(panel, toggle, beside, key) {
    this.#panel = byId(panel);
    this.#toggle = byId(toggle);
    this.#beside = matchMedia(beside);
    this.#key = key;
    this.#toggle.setAttribute('aria-controls', panel);
    this.#toggle.addEventListener('click', () => this.#set(this.#panel.hidden, true));
    this.#beside.addEventListener('change', () => this.#reset());
    backdrop.addEventListener('click', () => this.close());
    this.#panel.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.close();
    });
    this.#reset();
  }

  /** Says whether there is something to show. What is empty stands beside the conversation only if it is asked for. */
  offer(isOffered) {
    if (isOffered === this.#isOffered) return;
    this.#isOffered = isOffered;
    if (this.#beside.matches) this.#reset();
  }

  /** Closes what is over the conversation; what is beside it stays. */
  close() {
    if (this.#beside.matches || this.#panel.hidden) return;
    this.#set(false);
    this.#toggle.focus();
  }

  #reset() {
    this.#set(this.#beside.matches && this.#isOffered && storage.get(this.#key, true));
  }

  #set(isShown, byHand = false) {
    const isOver = isShown && !this.#beside.matches;
    this.#panel.hidden = !isShown;
    this.#toggle.setAttribute('aria-expanded', isShown);
    backdrop.hidden = !isOver;
    stage.inert = isOver;
    if (isOver) this.#panel.querySelector('a, button, input')?.focus();
    if (byHand && this.#isOffered && this.#beside.matches) storage.set(this.#key, isShown);
  }
}
