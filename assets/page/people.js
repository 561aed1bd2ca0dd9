// Who is in a room: its members, who of them is writing, and the panel that shows them.

import { avatar, byId, element, paint, showRows } from './dom.js';
import { text } from './text.js';

const TYPING_MS = 6000;
/** So many the server names one by one. */
const MOST_NAMED = 100;
/** Where only the number is told of who comes and goes, it is asked who is here: soon while few are known, seldom after that. */
const FEW_KNOWN_MS = 3_000;
const MANY_KNOWN_MS = 60_000;

/** The members of one room. Above a hundred the server tells their number, and some of them. */
export class Members {
  count = 0;
  #byId = new Map();
  /** Some came or went of whom only the number was told. */
  #isVague = false;
  #askedAt = -Infinity;
  #typing = new Map();

  /** Takes all there are. */
  set({ members, count }) {
    this.#byId = new Map(members.map(({ id, name }) => [id, name]));
    this.count = count;
    this.#isVague = members.length < count;
    this.isAsked();
  }

  /** It is being asked who is here. */
  isAsked() {
    this.#askedAt = Date.now();
  }

  /** The milliseconds after which it is time to ask who is here, or null if that is known. */
  get dueInMs() {
    if (!this.#isVague) return null;
    // By now the server would name them all.
    if (this.count <= MOST_NAMED) return 0;
    const pause = this.#byId.size < MOST_NAMED ? FEW_KNOWN_MS : MANY_KNOWN_MS;
    return Math.max(0, this.#askedAt + pause - Date.now());
  }

  /** Takes what changed; gives those who have another name now, as `{before, name}`. */
  change({ joined, left = [], count }) {
    if (!joined) this.#isVague = true;
    const known = joined ?? [];
    const renamed = known
      .map(({ id, name }) => ({ before: this.#byId.get(id), name }))
      .filter(({ before, name }) => before !== undefined && before !== name);
    for (const { id } of left) this.#byId.delete(id);
    for (const { id, name } of known) this.#byId.set(id, name);
    this.count = count;
    return renamed;
  }

  /** Takes who speaks; gives the name that they had until now, if it was another. */
  meet({ id, name }) {
    const before = this.#byId.get(id);
    if (before === undefined || before === name) return null;
    this.#byId.set(id, name);
    return before;
  }

  get list() {
    return Array.from(this.#byId, ([id, name]) => ({ id, name }));
  }

  /** Somebody writes, or does not any more. */
  setTyping({ id, name }, isTyping) {
    if (isTyping) this.#typing.set(id, { name, until: Date.now() + TYPING_MS });
    else this.#typing.delete(id);
  }

  /** The names of those who write, as of the last seconds. */
  get typing() {
    const now = Date.now();
    for (const [id, { until }] of this.#typing) if (until <= now) this.#typing.delete(id);
    return Array.from(this.#typing.values(), ({ name }) => name);
  }
}

/** Shows the members of a room; `write(name)` begins a conversation with one of them. */
export class PeopleView {
  #list = byId('people-list');
  #title = byId('people-title');
  #badge = byId('people-count');
  #toggle = byId('people-toggle');
  #more = byId('people-more');
  #write;

  constructor(write) {
    this.#write = write;
  }

  /** Shows a room's members, or nobody where there is no room. */
  show(members, you) {
    const isRoom = members.count > 0;
    const people = members.list.filter(({ id }) => id !== you?.id).sort((a, b) => a.name.localeCompare(b.name));
    // Of many, some are named, and oneself may not be among them.
    if (isRoom && you) people.unshift(you);
    this.#title.textContent = isRoom ? text.hereNow(members.count) : text.people;
    this.#badge.textContent = isRoom ? String(members.count) : '';
    this.#toggle.title = text.people;
    this.#toggle.setAttribute('aria-label', isRoom ? `${text.people}: ${members.count}` : text.people);
    showRows(this.#list, people.map((person) => this.#row(person, person.id === you?.id)));
    const others = members.count - people.length;
    const isAlone = isRoom && members.count === 1;
    this.#more.hidden = others <= 0 && !isAlone;
    this.#more.textContent = isAlone ? text.nobodyElse : text.andMore(others);
  }

  #row(person, isYou) {
    const name = paint(element('span', 'name', person.name), person.name);
    if (isYou) return element('li', 'person', avatar(person.name), name, element('span', 'muted tag', text.thatIsYou));
    const node = element('button', 'person', avatar(person.name), name);
    node.type = 'button';
    node.title = text.writeTo(person.name);
    node.addEventListener('click', () => this.#write(person.name));
    const row = element('li', '', node);
    row.dataset.key = person.id;
    return row;
  }
}

/** Tells the others in a room that one writes: now and then, and when one has stopped. */
export class TypingSender {
  #publish;
  #toldAt = 0;

  /** `publish(data)` says something that is not kept. */
  constructor(publish) {
    this.#publish = publish;
  }

  changed(isWriting) {
    const isDue = Date.now() - this.#toldAt > TYPING_MS / 2;
    if (isWriting ? !isDue : this.#toldAt === 0) return;
    this.#toldAt = isWriting ? Date.now() : 0;
    this.#publish({ typing: isWriting });
  }

  /** What was written is said: everyone sees that without being told. */
  said() {
    this.#toldAt = 0;
  }
}
