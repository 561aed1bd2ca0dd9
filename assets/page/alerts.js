// What tells of news in a page that is not looked at: the title, and notifications for who wants them.

import { byId } from './dom.js';
import { NOTIFY } from './push.js';
import { storage } from './storage.js';
import { text } from './text.js';

/** Nobody reads a larger number, and browsers draw each title. */
const MOST_COUNTED = 99;

export class Alerts {
  #button = byId('notify');
  #isPossible;
  #push;

  /** `explain(text)` tells why the button does nothing, where that is so; `openDialog()` is for servers that push. */
  constructor(push, { explain, openDialog }) {
    this.#push = push;
    // Browsers give notifications to pages that came by https: and to those of their own machine.
    this.#isPossible = 'Notification' in globalThis && isSecureContext;
    this.#button.addEventListener('click', () => {
      if (push.isOffered) openDialog();
      else if (this.#isPossible) this.#toggle();
      else explain(text.notifyImpossible);
    });
    this.show();
  }

  get #isOn() {
    return storage.get(NOTIFY, false) && Notification.permission === 'granted';
  }

  /** Shows the page's place, what is unread elsewhere, and how many alarms nobody has acknowledged. */
  showTitle(place, unread, alarms) {
    const many = unread > MOST_COUNTED ? `${MOST_COUNTED}+` : unread;
    const marks = [alarms > 0 ? `⚠ ${alarms}` : '', unread > 0 ? `(${many})` : ''].filter(Boolean);
    const title = [...marks, `${place} · parlor`].join(' ');
    if (document.title !== title) document.title = title;
  }

  /** Notifies of `{kind, place, tag, offset?, key?, severity?}`, once in all tabs that say the same, with what a click does. */
  notify(news, title, body, action) {
    if (!document.hidden || !this.#isPossible || !this.#isOn) return;
    if (this.#push.isOffered) return void this.#push.show(news, title, body).catch(() => {});
    try {
      const notification = new Notification(title, { body, tag: news.tag, icon: 'favicon.svg' });
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
    storage.set(NOTIFY, permitted);
    this.show(wanted && !permitted);
  }

  /** Shows whether it is on. */
  show(refused = false) {
    const isOn = this.#isPossible && this.#isOn;
    const label = this.#push.isOffered ? text.pushTitle : !this.#isPossible ? text.notifyImpossible
      : refused ? text.notifyRefused : text.notify;
    this.#button.classList.toggle('impossible', !this.#isPossible);
    if (this.#push.isOffered) this.#button.setAttribute('aria-haspopup', 'dialog');
    else this.#button.removeAttribute('aria-haspopup');
    this.#button.setAttribute('aria-pressed', isOn);
    this.#button.setAttribute('aria-label', label);
    this.#button.title = label;
  }
}
