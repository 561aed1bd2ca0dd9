// The conversation: a bounded list of messages that follows its end until the reader scrolls away from it.

import { element, messageElement, release } from './message.js';
import { formatDay, formatTime, text } from './text.js';

const LONGEST_LOG = 1000;
const NEAR_END_PX = 48;
const GROUP_MS = 2 * 60_000;

export class ConversationLog {
  #scroller = document.getElementById('scroller');
  #log = document.getElementById('log');
  #trimmed = document.getElementById('trimmed');
  #jump = document.getElementById('jump');
  #jumpText = document.getElementById('jump-text');
  /** Arrived since the last frame: however many come, the page is laid out once per frame. */
  #arrived = [];
  #last = null;
  #follows = true;
  #unread = 0;

  constructor() {
    this.#scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    // Unfolding a long message moves the end away without a scroll event.
    this.#log.addEventListener('click', () => this.#scrolled());
    this.#jump.addEventListener('click', () => this.toEnd());
    const resized = new ResizeObserver(() => this.#follow());
    resized.observe(this.#scroller);
    resized.observe(document.getElementById('outbox'));
  }

  /** Adds `{data, own, at}`, a message, or `{notice, at}`, a line of the page's own. */
  add(entry) {
    if (this.#arrived.length === 0) requestAnimationFrame(() => this.#render());
    this.#arrived.push(entry);
    if (this.#arrived.length > LONGEST_LOG) {
      // A hidden page gets no frames.
      this.#arrived.shift();
      this.#trimmed.hidden = false;
    }
    if (!this.#follows && !entry.own && !entry.notice) this.#unread += 1;
  }

  toEnd() {
    this.#follows = true;
    this.#follow();
    this.#scrolled();
  }

  #render() {
    const nodes = document.createDocumentFragment();
    for (const entry of this.#arrived) {
      if (this.#last?.at.toDateString() !== entry.at.toDateString()) {
        nodes.append(element('p', 'day', element('span', '', formatDay(entry.at))));
      }
      nodes.append(this.#nodeOf(entry));
      this.#last = entry;
    }
    this.#arrived = [];
    this.#log.append(nodes);
    this.#trim();
    this.#follow();
    this.#showJump();
  }

  #nodeOf(entry) {
    if (entry.notice) return element('p', 'notice', entry.notice);
    const node = messageElement(entry);
    const grouped = this.#last && !this.#last.notice && this.#last.own === entry.own
      && entry.at - this.#last.at < GROUP_MS;
    node.classList.toggle('grouped', Boolean(grouped));
    // One time a minute is enough to see at a glance.
    node.classList.toggle('same-time', Boolean(grouped) && formatTime(this.#last.at) === formatTime(entry.at));
    return node;
  }

  /** Drops the oldest. For who reads further up, what is on the screen stays where it is. */
  #trim() {
    const surplus = this.#log.children.length - LONGEST_LOG;
    if (surplus <= 0) return;
    // Measuring lays the page out, which costs more than all else here: not for who follows the end.
    const before = this.#follows ? 0 : this.#scroller.scrollHeight;
    this.#trimmed.hidden = false;
    for (let n = 0; n < surplus; n += 1) {
      release(this.#log.firstElementChild);
      this.#log.firstElementChild.remove();
    }
    if (!this.#follows) this.#scroller.scrollTop -= before - this.#scroller.scrollHeight;
  }

  #follow() {
    if (this.#follows) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (this.#follows) this.#unread = 0;
    this.#showJump();
  }

  #showJump() {
    this.#jump.hidden = this.#follows;
    this.#jump.classList.toggle('has-news', this.#unread > 0);
    this.#jumpText.textContent = this.#unread > 0 ? text.newMessages(this.#unread) : text.toLatest;
  }
}
