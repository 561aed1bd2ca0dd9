// What stands where nothing is said yet: what this place is, and how to bring others.

import { byId, element } from './dom.js';
import { addressesForOthers, forOthers, isOnlyHere, onAddresses } from './others.js';
import { DEFAULT_ROOM, pageAddress, readable, socketAddress } from './room.js';
import { text } from './text.js';

export class Welcome {
  #root = byId('welcome');
  #place = null;
  #isGuarded = false;
  /** The room that is offered in place of this one. */
  #other;

  /** `enter(place)` enters a room again, `open(room)` another one. */
  constructor(announce, { enter, open }) {
    byId('enter-again').addEventListener('click', () => enter(this.#place));
    byId('open-other').addEventListener('click', () => open(this.#other));
    setUpCopying(byId('copy-address'), () => shareAddress(this.#place), announce);
    setUpCopying(byId('copy-terminal'), () => this.#command, announce);
    onAddresses(() => this.#showAddresses());
  }

  /** Shows it for a place while nothing is said there, or is known of it, or why one is not let in. */
  show(place, isGuarded, phase) {
    this.#place = place;
    this.#isGuarded = isGuarded;
    byId('enter-again').hidden = !place.barred?.mayReturn;
    this.#offer(place.barred?.other);
    this.#root.classList.remove('entering');
    if (place.barred) {
      this.#root.hidden = false;
      return this.#say(place.barred.title, place.barred.body, false);
    }
    this.#root.hidden = !place.conversation.isEmpty || place.view === 'board';
    if (this.#root.hidden) return undefined;
    if (!place.isEntered && !place.isDirect) {
      this.#root.classList.add('entering');
      return phase === 'waiting' ? this.#say(text.notConnected, text.notConnectedBody, false)
        : this.#say(text.entering(place.name), '', false);
    }
    this.#say(place.isDirect ? text.quietDirect(place.name) : text.quiet,
      place.isDirect ? text.welcomeDirect : text.welcome(place.name, isGuarded), !place.isDirect);
    this.#showAddresses();
    return undefined;
  }

  #showAddresses() {
    const place = this.#place;
    if (!place || this.#root.hidden || byId('share').hidden) return;
    byId('address').textContent = readable(shareAddress(place));
    byId('terminal').textContent = readable(this.#command);
    const note = noteOnAddresses();
    byId('only-here').textContent = note;
    byId('only-here').hidden = note === '';
  }

  /** How to come here from a terminal; the shell has the token, where one is wanted. */
  get #command() {
    const address = forOthers(socketAddress(this.#place.name));
    return this.#isGuarded ? `websocat "${address}?token=$TOKEN"` : `websocat ${address}`;
  }

  /** Shows it in no place at all, and why. */
  showNowhere(title, body) {
    this.#root.hidden = false;
    this.#root.classList.remove('entering');
    byId('enter-again').hidden = true;
    this.#offer(DEFAULT_ROOM);
    this.#say(title, body, false);
  }

  #offer(room) {
    this.#other = room;
    byId('open-other').hidden = !room;
    if (room) byId('open-other').textContent = room === DEFAULT_ROOM ? text.openLobby : text.openRoom(room);
  }

  #say(title, body, canShare) {
    byId('welcome-title').textContent = title;
    byId('welcome-body').textContent = body;
    byId('share').hidden = !canShare;
    if (!canShare) byId('only-here').hidden = true;
  }
}

/** The address of a place that is handed on. */
export const shareAddress = (place) => forOthers(pageAddress(place));

/** What there is to know of the address that is shared, if anything. */
function noteOnAddresses() {
  const known = addressesForOthers();
  if (!isOnlyHere || known === undefined) return '';
  if (known === null) return text.onlyHere;
  const [best, ...others] = known;
  if (!best) return text.servedHereOnly;
  return others.length > 0 ? text.otherAddresses(others.map(readable)) : '';
}

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
