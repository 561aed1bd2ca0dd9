// The messages of one conversation that the page keeps, and the stretch of them that is drawn: however long the
// conversation is, the browser lays out a few hundred.

import { element } from './dom.js';
import { formatDay, formatTime } from './locale.js';
import { messageElement, release, weightOf } from './message.js';
import { text } from './text.js';

const LONGEST = 1000;
/** For who reads further up. */
const LONGEST_READ = 5000;
/** Characters and bytes of all messages together: a thousand of the longest that servers take would be 64 MB. */
const HEAVIEST = 8_000_000;
const HEAVIEST_READ = 4 * HEAVIEST;
const STEP = 100;
const GROUP_MS = 2 * 60_000;
/** However much one person says, so often their name and the time stand above it: once or twice on a screen. */
const NAMED_EVERY = 12;

export class Entries {
  root = element('div', 'log');
  #all = [];
  /** Since the page was last drawn: however many come, that is once per frame. */
  #arrived = [];
  /** Of both. */
  #weight = 0;
  /** Drawn are those from `#begin` to before `#end`. */
  #begin = 0;
  #end = 0;

  constructor() {
    this.root.setAttribute('role', 'log');
  }

  get isEmpty() {
    return this.#all.length + this.#arrived.length === 0;
  }

  /** The first message, drawn or not. */
  get oldest() {
    const isMessage = (entry) => !entry.notice;
    return this.#all.find(isMessage) ?? this.#arrived.find(isMessage);
  }

  get isDrawnToBegin() {
    return this.#begin === 0;
  }

  /** True where there are none behind those drawn but what has arrived since. */
  get isDrawnToEnd() {
    return this.#end === this.#all.length;
  }

  /** Adds a message, or `{notice, at}`, at the end. */
  add(entry) {
    this.#arrived.push(entry);
    this.#weigh([entry], 1);
  }

  /** Adds earlier ones. */
  prepend(entries) {
    this.#all.unshift(...entries);
    this.#begin += entries.length;
    this.#end += entries.length;
    this.#weigh(entries, 1);
  }

  /** Takes what has arrived to the others. */
  take() {
    for (const entry of this.#arrived.splice(0)) this.#all.push(entry);
  }

  /** Draws the last ones, this many, and no others. */
  drawLast(count) {
    this.#draw(Math.max(0, this.#all.length - count), this.#all.length);
  }

  /** Draws some that are before those drawn; of more than `most`, the last ones go. */
  drawEarlier(most) {
    const begin = Math.max(0, this.#begin - STEP);
    this.#draw(begin, Math.min(this.#end, begin + most));
  }

  /** Draws some that are behind those drawn; of more than `most`, the first ones go. */
  drawLater(most) {
    const end = Math.min(this.#all.length, this.#end + STEP);
    this.#draw(Math.max(this.#begin, end - most), end);
  }

  drawAll() {
    this.#draw(0, this.#all.length);
  }

  /** Drops the oldest that are too many, fewer for who follows the end. True if there were any. */
  trim(follows) {
    const surplus = this.#surplus(follows);
    if (surplus === 0) return false;
    this.#draw(Math.max(this.#begin, surplus), Math.max(this.#end, surplus));
    this.#weigh(this.#all.splice(0, surplus), -1);
    this.#begin -= surplus;
    this.#end -= surplus;
    return true;
  }

  /** More has arrived than is ever kept, as where there are no frames. */
  isOverfull(follows) {
    const [longest, heaviest] = boundsFor(follows);
    return this.#all.length + this.#arrived.length > 2 * longest || this.#weight > 2 * heaviest;
  }

  /** Marks the message with an offset, draws it if it was not, and gives it; `null` if it is not here. */
  mark(offset) {
    this.take();
    const place = this.#all.findIndex((entry) => entry.offset === offset && !entry.notice);
    if (place < 0) return null;
    for (const entry of this.#all) {
      entry.isMarked = entry.offset === offset;
      entry.node?.classList.toggle('hit', entry.isMarked);
    }
    const isDrawn = place >= this.#begin && place < this.#end;
    if (!isDrawn) this.#draw(Math.max(0, place - STEP), Math.min(this.#all.length, place + STEP));
    return this.#all[place];
  }

  /** The room's offsets begin anew: those shown mean nothing any more. */
  forgetOffsets() {
    for (const entry of [...this.#all, ...this.#arrived]) entry.offset = undefined;
  }

  clear() {
    this.#draw(0, 0);
    [this.#all, this.#arrived, this.#weight] = [[], [], 0];
  }

  /** How many of the oldest are too many or too much; the last one stays, whatever it is. */
  #surplus(follows) {
    const [longest, heaviest] = boundsFor(follows);
    let surplus = Math.max(0, this.#all.length - longest);
    let weight = this.#weight;
    for (let n = 0; n < surplus; n += 1) weight -= this.#all[n].weight;
    for (; weight > heaviest && surplus < this.#all.length - 1; surplus += 1) weight -= this.#all[surplus].weight;
    return surplus;
  }

  #weigh(entries, sign) {
    for (const entry of entries) {
      entry.weight ??= weightOf(entry);
      this.#weight += sign * entry.weight;
    }
  }

  /** From now on these are drawn and no others. */
  #draw(begin, end) {
    const isApart = begin >= this.#end || end <= this.#begin;
    const [keptBegin, keptEnd] = isApart ? [begin, begin] : [Math.max(begin, this.#begin), Math.min(end, this.#end)];
    for (let n = this.#begin; n < this.#end; n += 1) if (n < keptBegin || n >= keptEnd) undraw(this.#all[n]);
    this.root.prepend(this.#nodes(begin, keptBegin));
    this.root.append(this.#nodes(keptEnd, end));
    if (end > begin) relate(this.#all[begin], undefined);
    if (begin < keptBegin && keptBegin < end) relate(this.#all[keptBegin], this.#all[keptBegin - 1]);
    [this.#begin, this.#end] = [begin, end];
  }

  #nodes(begin, end) {
    const nodes = document.createDocumentFragment();
    for (let n = begin; n < end; n += 1) {
      const entry = this.#all[n];
      entry.node = entry.notice ? noticeOf(entry) : nodeOf(entry);
      if (entry.isMarked) entry.node.classList.add('hit');
      nodes.append(entry.node);
      relate(entry, this.#all[n - 1]);
    }
    return nodes;
  }
}

const boundsFor = (follows) => (follows ? [LONGEST, HEAVIEST] : [LONGEST_READ, HEAVIEST_READ]);

function undraw(entry) {
  release(entry.node);
  entry.node.remove();
  entry.day?.remove();
  [entry.node, entry.day] = [null, null];
}

/** How an entry looks depends on the one drawn before it: a new day, the same person going on, the same minute. */
function relate(entry, previous) {
  const newDay = previous?.at.toDateString() !== entry.at.toDateString();
  if (newDay && !entry.day) {
    entry.day = element('p', 'day', element('span', '', formatDay(entry.at)));
    entry.node.before(entry.day);
  } else if (!newDay && entry.day) {
    entry.day.remove();
    entry.day = null;
  }
  if (entry.notice) return;
  const grouped = Boolean(previous) && !newDay && !previous.notice && previous.from.name === entry.from.name
    && previous.own === entry.own && entry.at - previous.at < GROUP_MS && entry.offset % NAMED_EVERY !== 0;
  entry.node.classList.toggle('grouped', grouped);
  // One time a minute is enough to see at a glance.
  entry.node.classList.toggle('same-time', grouped && formatTime(previous.at) === formatTime(entry.at));
}

const noticeOf = ({ notice }) => element('div', typeof notice === 'string' ? 'notice' : 'notice card', notice);

/** One message that cannot be shown must not keep the others from it. */
function nodeOf(entry) {
  try {
    return messageElement(entry);
  } catch {
    return element('div', 'message notice', text.unreadable);
  }
}
