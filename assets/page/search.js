// Finds messages of a room by their words, and shows one among its neighbours.

import { avatar, byId, element, paint } from './dom.js';
import { Entries } from './entries.js';
import { formatFull, formatWhen } from './locale.js';
import { summary } from './message.js';
import { cut, wellFormed } from './strings.js';
import { text } from './text.js';

/** Who types goes on typing: the server is asked when they pause. */
const PAUSE_MS = 250;
const RESULTS = 30;
/** Messages before and behind the one that is shown in its place. */
const AROUND = 20;
/** Characters of a message that are looked through: the server indexes as many bytes. */
const MOST_INDEXED = 16_384;
/** Characters of a result, and of those before the first word that was found. */
const EXCERPT = 220;
const BEFORE = 60;

export class Search {
  #parlor;
  #entry;
  #room = null;
  #timer = 0;
  /** Answers to anything but the last question are not shown. */
  #asked = 0;
  /** There are results behind those in the list. */
  #hasMore = false;
  #dialog = byId('search-dialog');
  #field = byId('search-field');
  #status = byId('search-status');
  #results = byId('search-results');
  #more = byId('search-more');
  #back = byId('search-back');
  #context = byId('search-context');
  #neighbours = null;

  /** `entry(message)` makes of a message what conversations hold; `room()` is the current one, or `null`. */
  constructor(parlor, entry, room) {
    this.#parlor = parlor;
    this.#entry = entry;
    const open = byId('search-open');
    open.addEventListener('click', () => this.#open(room()));
    document.addEventListener('keydown', (event) => {
      const isTyping = event.target.closest?.('input, textarea, dialog, [contenteditable]');
      const isOffered = !open.hidden && !document.querySelector('.gated');
      if (event.key !== '/' || isTyping || !isOffered || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.#open(room());
    });
    byId('search-form').addEventListener('submit', (event) => { event.preventDefault(); this.#ask(); });
    byId('search-close').addEventListener('click', () => this.#dialog.close());
    this.#field.addEventListener('input', (event) => { if (!event.isComposing) this.#askSoon(); });
    this.#field.addEventListener('compositionend', () => this.#askSoon());
    this.#field.addEventListener('keydown', (event) => {
      this.#step(event, 1);
      // Some browsers would only empty the field.
      if (event.key !== 'Escape' || isComposing(event)) return;
      event.preventDefault();
      this.#dialog.close();
    });
    this.#results.addEventListener('keydown', (event) => {
      this.#step(event, 1);
      this.#step(event, -1);
    });
    this.#more.addEventListener('click', () => this.#ask(this.#more.dataset.before));
    this.#back.addEventListener('click', () => this.#showResults(this.#back.dataset.offset));
    this.#dialog.addEventListener('close', () => this.#forget());
  }

  #open(room) {
    if (!room) return;
    this.#begin(room, text.searchIn(room), true);
    this.#field.value = '';
    this.#say(text.searchHint);
    this.#field.focus();
  }

  /** Shows a message of a room among those before and behind it, without a search. Promises whether it is there. */
  async showAt(room, offset) {
    const messages = await this.#around(room, offset);
    if (!messages.some((message) => message.offset === offset)) return false;
    this.#begin(room, `# ${room}`, false);
    this.#showNeighbours(messages, offset);
    this.#back.hidden = true;
    byId('search-close').focus();
    return true;
  }

  #begin(room, title, isSearch) {
    this.#room = room;
    this.#forget();
    byId('search-title').textContent = title;
    byId('search-form').hidden = !isSearch;
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  /** What it holds is freed. */
  #forget() {
    clearTimeout(this.#timer);
    this.#asked += 1;
    this.#results.replaceChildren();
    this.#hasMore = false;
    this.#showResults();
  }

  #say(what) {
    this.#status.textContent = what;
  }

  #askSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), PAUSE_MS);
  }

  /** Asks for what is in the field, or for what was said before an offset besides. */
  async #ask(before) {
    clearTimeout(this.#timer);
    this.#asked += 1;
    const asked = this.#asked;
    const words = this.#field.value.trim();
    if (!before) {
      this.#results.replaceChildren();
      this.#hasMore = false;
    }
    this.#showResults();
    this.#more.hidden = true;
    if (!/[\p{L}\p{N}]/u.test(words)) return this.#say(text.searchHint);
    this.#say(text.searching);
    try {
      const options = { limit: RESULTS, before: before ? Number(before) : undefined };
      const { messages, more } = await this.#parlor.search(this.#room, words, options);
      if (asked === this.#asked) this.#show(messages, more, words);
    } catch (error) {
      if (asked !== this.#asked) return;
      this.#say(text.searchFailure(error.code) ?? text.failure(error.code));
      this.#more.hidden = !this.#hasMore;
    }
  }

  /** The newest first: what is looked for was mostly said lately. */
  #show(messages, more, words) {
    const shown = this.#results.childElementCount;
    this.#results.append(...messages.map((message) => this.#result(message, words)).reverse());
    const count = this.#results.childElementCount;
    this.#hasMore = more && messages.length > 0;
    this.#say(count > 0 ? text.found(count, this.#hasMore) : text.nothingFound);
    this.#more.hidden = !this.#hasMore;
    this.#more.dataset.before = messages[0]?.offset ?? '';
    // Who asked for more goes on there: the button is further down, or gone.
    if (shown > 0) this.#results.children[shown]?.querySelector('button').focus();
  }

  #result(message, words) {
    const at = new Date(message.at);
    const time = element('time', 'time', formatWhen(at));
    time.dateTime = at.toISOString();
    time.title = formatFull(at);
    const who = paint(element('span', 'who', message.from.name), message.from.name);
    const line = element('span', 'search-line', ...marked(summaryOf(message), words));
    line.dir = 'auto';
    const head = element('span', 'search-head', who, time);
    const button = element('button', 'search-result', avatar(message.from.name), element('span', 'search-said', head, line));
    button.type = 'button';
    button.dataset.offset = message.offset;
    button.addEventListener('click', () => this.#showInPlace(message.offset));
    return element('li', '', button);
  }

  /** Shows a message among those before and behind it. */
  async #showInPlace(offset) {
    this.#asked += 1;
    const asked = this.#asked;
    this.#say(text.loading);
    try {
      const messages = await this.#around(this.#room, offset);
      if (asked === this.#asked) this.#showNeighbours(messages, offset);
    } catch (error) {
      if (asked === this.#asked) this.#say(text.failure(error.code));
    }
  }

  async #around(room, offset) {
    const { messages } = await this.#parlor.history(room, { before: offset + AROUND + 1, limit: 2 * AROUND + 1 });
    return messages;
  }

  #showNeighbours(messages, offset) {
    const neighbours = new Entries();
    neighbours.prepend(messages.map((message) => this.#entry(message)));
    neighbours.drawAll();
    this.#say('');
    this.#neighbours = neighbours;
    this.#context.replaceChildren(neighbours.root);
    this.#context.hidden = false;
    this.#back.hidden = false;
    this.#back.dataset.offset = offset;
    byId('search-list').hidden = true;
    neighbours.mark(offset)?.node.scrollIntoView({ block: 'center' });
    this.#back.focus();
  }

  /** Back to the list, at the result that was looked at. */
  #showResults(offset) {
    this.#neighbours?.clear();
    this.#neighbours = null;
    this.#context.replaceChildren();
    this.#context.hidden = true;
    this.#back.hidden = true;
    byId('search-list').hidden = false;
    this.#more.hidden = !this.#hasMore;
    const count = this.#results.childElementCount;
    if (!offset) return;
    this.#say(text.found(count, this.#hasMore));
    this.#results.querySelector(`[data-offset="${offset}"]`)?.focus();
  }

  /** The arrows lead from the field through the results and back. */
  #step(event, by) {
    if (event.key !== (by > 0 ? 'ArrowDown' : 'ArrowUp') || isComposing(event)) return;
    event.preventDefault();
    const stops = [this.#field, ...this.#results.querySelectorAll('button')];
    stops[stops.indexOf(document.activeElement) + by]?.focus();
  }
}

/** The key is for the input method: an arrow chooses among its characters. */
const isComposing = (event) => event.isComposing || event.keyCode === 229;

/** What of a message words are found in. */
function summaryOf(message) {
  const { data } = message;
  return typeof data === 'string' ? cut(data, MOST_INDEXED).replaceAll(/\s+/g, ' ') : summary(message, MOST_INDEXED);
}

/** Scripts that do not separate words, and Korean: the server finds any of their characters that are neighbours. */
const RUN = '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}\\p{Script=Bopomofo}ー';
const BEGINS_RUN = new RegExp(`^[${RUN}]`, 'u');
const PARTS = new RegExp(`[${RUN}]+|(?:(?![${RUN}])[\\p{L}\\p{N}\\p{M}])+`, 'gu');

/** A text as the server compares it: without case and accents. */
const plain = (said) => said.normalize('NFKD').replaceAll(/[\u0300-\u036f]/g, '').normalize('NFKC').toLowerCase();

/** An excerpt of a text around the first word that was found, as nodes, with the words marked. */
function marked(said, words) {
  const places = placesOf(said, words);
  const begin = places.length > 0 && places[0][0] > BEFORE ? places[0][0] - BEFORE : 0;
  const end = begin + EXCERPT;
  const nodes = [begin > 0 ? '… ' : ''];
  let done = begin;
  for (const [first, behind] of places) {
    if (behind > end) break;
    if (behind <= done) continue;
    nodes.push(wellFormed(said.slice(done, Math.max(first, done))));
    nodes.push(element('mark', '', said.slice(Math.max(first, done), behind)));
    done = behind;
  }
  nodes.push(wellFormed(said.slice(done, end)), end < said.length ? '…' : '');
  return nodes;
}

/** Where in a text the words are, in order, each as `[begin, end]`. The last word may be the beginning of one. */
function placesOf(said, words) {
  const wanted = plain(words).match(PARTS) ?? [];
  const { compared, origins } = compare(said);
  const places = [];
  const add = (begin, length) => places.push([origins[begin], origins[begin + length]]);
  for (const { 0: part, index } of compared.matchAll(PARTS)) {
    if (BEGINS_RUN.test(part)) {
      for (const word of wanted) {
        for (let at = part.indexOf(word); at >= 0; at = part.indexOf(word, at + 1)) add(index + at, word.length);
      }
    } else if (wanted.includes(part)) add(index, part.length);
    else if (wanted.length > 0 && part.startsWith(wanted[wanted.length - 1])) add(index, wanted[wanted.length - 1].length);
  }
  return places.sort(([a], [b]) => a - b);
}

/** A text as it is compared, and where in the text each of its characters comes from. */
function compare(said) {
  let compared = '';
  const origins = [];
  let place = 0;
  for (const character of said) {
    const same = plain(character);
    for (let n = 0; n < same.length; n += 1) origins.push(place);
    compared += same;
    place += character.length;
  }
  origins.push(place);
  return { compared, origins };
}
