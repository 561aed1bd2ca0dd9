// One room's conversation: a bounded list of messages that follows its end until the reader scrolls away from it, and
// fetches earlier ones when the reader comes to its beginning.

import { element } from './dom.js';
import { formatDay, formatTime } from './locale.js';
import { messageElement, release, weightOf } from './message.js';
import { OutboxView } from './outbox.js';
import { text } from './text.js';

const LONGEST_LOG = 1000;
/** For who reads further up. */
const LONGEST_READ = 5000;
/** Characters and bytes of all messages together: a thousand of the longest that servers take would be 64 MB. */
const HEAVIEST_LOG = 8_000_000;
const HEAVIEST_READ = 4 * HEAVIEST_LOG;
const NEAR_END_PX = 48;
const GROUP_MS = 2 * 60_000;

export class Conversation {
  /** Arrived since the last frame: however many come, the page is laid out once per frame. */
  #arrived = [];
  #entries = [];
  /** Of both. */
  #weight = 0;
  #active = false;
  #follows = true;
  #place = 0;
  #newer = 0;
  #more = false;
  #loading = false;
  #wasCut = false;
  #frame = 0;
  #label;
  #loadEarlier;
  #jump;

  /**
   * `loadEarlier(offset)` promises `{messages, more}` from before an offset; `jump` shows where the end is; the actions
   * are the outbox's.
   */
  constructor({ label, loadEarlier, jump, actions }) {
    this.#label = label;
    this.#loadEarlier = loadEarlier;
    this.#jump = jump;
    this.#build(actions);
  }

  #build(actions) {
    this.outbox = new OutboxView(actions);
    this.earlier = element('p', 'notice');
    this.earlier.hidden = true;
    this.log = element('div', 'log');
    this.log.setAttribute('role', 'log');
    this.column = element('div', 'column conversation', this.earlier, this.log, this.outbox.root);
    this.root = element('div', 'scroller', this.column);
    this.root.tabIndex = 0;
    this.root.hidden = true;
    this.root.setAttribute('role', 'region');
    this.root.setAttribute('aria-label', this.#label);
    this.root.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    // Unfolding a long message moves the end away without a scroll event; a picture makes its message grow.
    this.log.addEventListener('click', () => this.#scrolled());
    this.log.addEventListener('load', () => this.#grown(), { capture: true });
    const resized = new ResizeObserver(() => this.#follow());
    resized.observe(this.root);
    resized.observe(this.outbox.root);
  }

  get isEmpty() {
    return this.#entries.length + this.#arrived.length === 0 && this.outbox.isEmpty;
  }

  /** Adds a message, or `{notice, at}`, a line of the page's own. */
  add(entry) {
    this.#arrived.push(entry);
    this.#weigh([entry], 1);
    // Out of sight there are no frames.
    if (this.#arrived.length > 2 * LONGEST_LOG || this.#weight > 2 * HEAVIEST_LOG) {
      this.#weigh(this.#arrived.splice(0, Math.ceil(this.#arrived.length / 2)), -1);
      this.#cut();
    }
    if (!this.#follows && !entry.own && !entry.notice) this.#newer += 1;
    this.#schedule();
  }

  notice(what) {
    this.add({ notice: what, at: new Date() });
  }

  /** Says whether there may be more before the first message. */
  setMore(more) {
    this.#more = more;
    this.#showEarlier();
  }

  /** The room's offsets begin anew: those shown mean nothing any more. */
  forgetOffsets() {
    for (const entry of [...this.#entries, ...this.#arrived]) entry.offset = undefined;
    this.setMore(false);
  }

  /** Forgets all that was said; what is not delivered yet stays. */
  clear() {
    for (const { node, day } of this.#entries.splice(0)) {
      release(node);
      node.remove();
      day?.remove();
    }
    this.#arrived = [];
    this.#weight = 0;
    this.#newer = 0;
    this.#place = 0;
    this.#wasCut = false;
    this.setMore(false);
  }

  show() {
    this.#active = true;
    this.root.hidden = false;
    // What was hidden begins at its top.
    if (this.#follows) this.#place = 0;
    this.#render();
    if (!this.#follows) this.root.scrollTop = this.#place;
    this.#jump.attach(this);
    this.#showJump();
    this.#fetch();
  }

  hide() {
    this.#active = false;
    this.root.hidden = true;
  }

  toEnd() {
    this.#follows = true;
    this.#schedule();
    this.#follow();
    this.#scrolled();
  }

  #schedule() {
    if (!this.#active || this.#frame) return;
    this.#frame = requestAnimationFrame(() => this.#render());
  }

  #render() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (!this.#active) return;
    const nodes = document.createDocumentFragment();
    let previous = this.#entries.at(-1);
    for (const entry of this.#arrived) {
      this.#append(entry, previous, nodes);
      previous = entry;
    }
    this.#entries.push(...this.#arrived);
    this.#arrived = [];
    this.log.append(nodes);
    this.#trim();
    this.#follow();
    this.#showJump();
  }

  #append(entry, previous, parent) {
    entry.node = entry.notice ? noticeOf(entry) : nodeOf(entry);
    parent.append(entry.node);
    this.#relate(entry, previous);
  }

  /** How an entry looks depends on the one before: a new day, the same person going on, the same minute. */
  #relate(entry, previous) {
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
      && previous.own === entry.own && entry.at - previous.at < GROUP_MS;
    entry.node.classList.toggle('grouped', grouped);
    // One time a minute is enough to see at a glance.
    entry.node.classList.toggle('same-time', grouped && formatTime(previous.at) === formatTime(entry.at));
  }

  #prepend(entries) {
    const nodes = document.createDocumentFragment();
    let previous;
    for (const entry of entries) {
      this.#append(entry, previous, nodes);
      previous = entry;
    }
    const before = this.root.scrollHeight;
    this.log.prepend(nodes);
    if (this.#entries.length > 0 && previous) this.#relate(this.#entries[0], previous);
    this.#entries.unshift(...entries);
    this.#weigh(entries, 1);
    this.root.scrollTop += this.root.scrollHeight - before;
  }

  /** Drops the oldest. For who reads further up, what is on the screen stays where it is. */
  #trim() {
    const surplus = this.#surplus;
    if (surplus === 0) return;
    // Measuring lays the page out, which costs more than all else here: not for who follows the end.
    const before = this.#follows ? 0 : this.root.scrollHeight;
    const dropped = this.#entries.splice(0, surplus);
    this.#weigh(dropped, -1);
    for (const { node, day } of dropped) {
      release(node);
      node.remove();
      day?.remove();
    }
    this.#relate(this.#entries[0], undefined);
    this.#cut();
    if (!this.#follows) this.root.scrollTop -= before - this.root.scrollHeight;
  }

  /** How many of the oldest are too many or too much; the last one stays, whatever it is. */
  get #surplus() {
    const [longest, heaviest] = this.#follows ? [LONGEST_LOG, HEAVIEST_LOG] : [LONGEST_READ, HEAVIEST_READ];
    let surplus = Math.max(0, this.#entries.length - longest);
    let weight = this.#weight - this.#entries.slice(0, surplus).reduce((sum, entry) => sum + entry.weight, 0);
    for (; weight > heaviest && surplus < this.#entries.length - 1; surplus += 1) weight -= this.#entries[surplus].weight;
    return surplus;
  }

  #weigh(entries, sign) {
    for (const entry of entries) {
      entry.weight ??= weightOf(entry);
      this.#weight += sign * entry.weight;
    }
  }

  #cut() {
    this.#wasCut = true;
    this.setMore(Boolean(this.#oldest()?.offset));
  }

  #oldest() {
    return [...this.#entries, ...this.#arrived].find((entry) => !entry.notice);
  }

  async #fetch() {
    if (!this.#active || !this.#more || this.#loading || this.root.scrollTop > 2 * this.root.clientHeight) return;
    const offset = this.#oldest()?.offset;
    if (!offset) return;
    this.#loading = true;
    this.#showEarlier();
    const { entries, more } = await this.#loadEarlier(offset).catch(() => ({ entries: [], more: null }));
    this.#loading = false;
    this.#prepend(entries);
    // Without a connection there is no answer: the next scroll asks again.
    this.setMore(more ?? true);
    if (more && this.root.scrollTop < this.root.clientHeight) requestAnimationFrame(() => this.#fetch());
  }

  #showEarlier() {
    const isCut = !this.#more && (this.#wasCut || this.#oldest()?.offset > 1);
    const what = this.#loading ? text.loading : isCut ? text.trimmed : '';
    if (this.earlier.textContent !== what) this.earlier.textContent = what;
    this.earlier.hidden = what === '';
  }

  #follow() {
    if (!this.#active || !this.#follows) return;
    this.root.scrollTop = this.root.scrollHeight;
    this.#place = this.root.scrollTop;
  }

  /** A picture has loaded. Who has scrolled away is told of by an event that comes only with the next frame. */
  #grown() {
    if (this.root.scrollTop < this.#place - NEAR_END_PX) this.#scrolled();
    else this.#follow();
  }

  #scrolled() {
    if (!this.#active) return;
    const { scrollHeight, scrollTop, clientHeight } = this.root;
    this.#place = scrollTop;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (this.#follows) this.#newer = 0;
    this.#showJump();
    this.#fetch();
  }

  #showJump() {
    if (this.#active) this.#jump.show(this.#follows, this.#newer);
  }
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

/** The button that leads to the end, and counts what is new there. */
export class Jump {
  #button = document.getElementById('jump');
  #label = document.getElementById('jump-text');
  #conversation = null;

  constructor() {
    this.#button.addEventListener('click', () => this.#conversation.toEnd());
  }

  attach(conversation) {
    this.#conversation = conversation;
  }

  show(atEnd, newer) {
    this.#button.hidden = atEnd;
    this.#button.classList.toggle('has-news', newer > 0);
    this.#label.textContent = newer > 0 ? text.newMessages(newer) : text.toLatest;
  }

  hide() {
    this.#button.hidden = true;
  }
}
