// What tells of news in a page that is not looked at: the title, and notifications for who wants them.

import { byId } from './dom.js';
import { storage } from './storage.js';
import { text } from './text.js';

const KEY = 'notify';
/** Nobody reads a larger number, and browsers draw each title. */
const MOST_COUNTED = 99;

export class Alerts {
  #button = byId('notify');
  #isPossible;

  /** `announce(text)` tells why the button does nothing, where that is so. */
  constructor(announce) {
    // Browsers give notifications to pages that came by https: and to those of their own machine.
    this.#isPossible = 'Notification' in globalThis && isSecureContext;
    this.#button.addEventListener('click', () => (this.#isPossible ? this.#toggle() : announce(text.notifyImpossible)));
    this.#button.classList.toggle('impossible', !this.#isPossible);
    this.#show();
  }

  get #isOn() {
    return storage.get(KEY, false) && Notification.permission === 'granted';
  }

  /** Shows the page's place, what is unread elsewhere, and how many alarms nobody has acknowledged. */
  showTitle(place, unread, alarms) {
    const many = unread > MOST_COUNTED ? `${MOST_COUNTED}+` : unread;
    const marks = [alarms > 0 ? `⚠ ${alarms}` : '', unread > 0 ? `(${many})` : ''].filter(Boolean);
    const title = [...marks, `${place} · parlor`].join(' ');
    if (document.title !== title) document.title = title;
  }

  /** Notifies, once in all tabs that say the same, with what a click does. */
  notify(title, body, tag, action) {
    if (!document.hidden || !this.#isPossible || !this.#isOn) return;
    try {
      const notification = new Notification(title, { body, tag, icon: 'favicon.svg' });
      notification.onclick = () => {
        focus();
        action();
        notification.close();
      };
    } catch { /* Phones do not let a page notify. */ }
  }

  async #toggle() {
    const wanted = !this.#isOn;
    const permitted = wanted && await Notification.requestPermission() === 'granted';
    storage.set(KEY, permitted);
    this.#show(wanted && !permitted);
  }

  #show(refused = false) {
    const isOn = this.#isPossible && this.#isOn;
    const label = !this.#isPossible ? text.notifyImpossible : refused ? text.notifyRefused : text.notify;
    this.#button.setAttribute('aria-pressed', isOn);
    this.#button.setAttribute('aria-label', label);
    this.#button.title = label;
  }
}
