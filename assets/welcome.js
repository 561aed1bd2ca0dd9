// What stands where nothing is said yet: what this place is, and how to bring others.

import { byId, element } from './dom.js';
import { pageAddress, readable, socketAddress } from './room.js';
import { text } from './text.js';

export class Welcome {
  #root = byId('welcome');
  #place = null;
  #isGuarded = false;

  /** `enter(place)` enters a room again. */
  constructor(announce, enter) {
    byId('enter-again').addEventListener('click', () => enter(this.#place));
    setUpCopying(byId('copy-address'), () => pageAddress(this.#place), announce);
    setUpCopying(byId('copy-terminal'), () => this.#command, announce);
  }

  /** Shows it for a place while nothing is said there, or why one is not let in. */
  show(place, isGuarded) {
    this.#place = place;
    this.#isGuarded = isGuarded;
    byId('enter-again').hidden = !place.barred?.mayReturn;
    if (place.barred) {
      this.#root.hidden = false;
      return this.#say(place.barred.title, place.barred.body, false);
    }
    this.#root.hidden = !place.conversation.isEmpty || place.view === 'board';
    if (this.#root.hidden) return undefined;
    this.#say(place.isDirect ? text.quietDirect(place.name) : text.quiet,
      place.isDirect ? text.welcomeDirect : text.welcome(place.name, isGuarded), !place.isDirect);
    byId('address').textContent = readable(pageAddress(place));
    byId('terminal').textContent = readable(this.#command);
    byId('only-here').hidden = place.isDirect || !isThisMachine(location.hostname);
    return undefined;
  }

  /** How to come here from a terminal; the shell has the token, where one is wanted. */
  get #command() {
    const address = socketAddress(this.#place.name);
    return this.#isGuarded ? `websocat "${address}?token=$TOKEN"` : `websocat ${address}`;
  }

  /** Shows it in no place at all, and why. */
  showNowhere(title, body) {
    this.#root.hidden = false;
    byId('enter-again').hidden = true;
    this.#say(title, body, false);
  }

  #say(title, body, canShare) {
    byId('welcome-title').textContent = title;
    byId('welcome-body').textContent = body;
    byId('share').hidden = !canShare;
    if (!canShare) byId('only-here').hidden = true;
  }
}

/** True for names that every machine has for itself. */
const isThisMachine = (host) => /(^|\.)localhost$|^127\.|^\[::1\]$/.test(host);

/** Makes a button copy a value and say so for a while: in its words, or its tip if it has none. */
export function setUpCopying(button, value, announce) {
  const words = button.textContent.trim();
  const tip = button.title;
  let reset = 0;
  button.addEventListener('click', async () => {
    const outcome = await copy(value()) ? text.copied : text.copyFailed;
    show(outcome, true);
    announce(outcome);
    clearTimeout(reset);
    reset = setTimeout(() => show(words || tip, false), 2000);
  });
  function show(what, done) {
    if (words) button.textContent = what;
    else setTip(what);
    button.classList.toggle('done', done);
  }
  function setTip(what) {
    button.title = what;
    button.setAttribute('aria-label', what);
  }
}

/** Browsers give the clipboard to `https:` and localhost only; elsewhere the old way works. */
async function copy(value) {
  if (navigator.clipboard) return navigator.clipboard.writeText(value).then(() => true, () => false);
  const field = element('textarea', 'visually-hidden');
  field.value = value;
  document.body.append(field);
  field.select();
  const copied = document.execCommand('copy');
  field.remove();
  return copied;
}
