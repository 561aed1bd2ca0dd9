// One room's conversation: it follows its end until the reader scrolls away from it, and fetches earlier messages when
// the reader comes to its beginning.

import { element } from './dom.js';
import { Entries } from './entries.js';
import { OutboxView } from './outbox.js';
import { text } from './text.js';

const NEAR_END_PX = 48;
/** How far a message reaches down at the least. */
const LOWEST_PX = 40;
/** So many screens are drawn above the end, and this many messages at the least. */
const SCREENS_DRAWN = 5;
const LEAST_DRAWN = 200;
/** For who reads further up: so many times as much. */
const MOST_DRAWN = 3;

export class Conversation {
  #entries = new Entries();
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
    const log = this.#entries.root;
    this.outbox = new OutboxView(actions);
    this.earlier = element('p', 'notice');
    this.earlier.hidden = true;
    this.column = element('div', 'column conversation', this.earlier, log, this.outbox.root);
    this.root = element('div', 'scroller', this.column);
    this.root.tabIndex = 0;
    this.root.hidden = true;
    this.root.setAttribute('role', 'region');
    this.root.setAttribute('aria-label', this.#label);
    this.root.addEventListener('scroll', () => {
      // The event of a scroll to the end may come after the view has become smaller: the reader has not left.
      if (this.#follows && this.root.scrollTop >= this.#place) this.#follow();
      this.#scrolled();
    }, { passive: true });
    this.root.addEventListener('keydown', (event) => {
      // The browser's own would go to the end of what is drawn.
      if (event.key !== 'End' || this.#entries.isDrawnToEnd) return;
      event.preventDefault();
      this.toEnd();
    });
    // Unfolding a long message moves the end away without a scroll event; a picture makes its message grow.
    log.addEventListener('click', () => this.#scrolled());
    log.addEventListener('load', () => this.#grown(), { capture: true });
    const resized = new ResizeObserver(() => this.#follow());
    resized.observe(this.root);
    resized.observe(this.outbox.root);
  }

  get isEmpty() {
    return this.#entries.isEmpty && this.outbox.isEmpty;
  }

  /** Adds a message, or `{notice, at}`, a line of the page's own. */
  add(entry) {
    this.#entries.add(entry);
    // Out of sight there are no frames.
    if (this.#entries.isOverfull(this.#follows)) this.#take();
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
    this.#entries.forgetOffsets();
    this.setMore(false);
  }

  /** Forgets all that was said; what is not delivered yet stays. */
  clear() {
    this.#entries.clear();
    this.#newer = 0;
    this.#place = 0;
    this.#wasCut = false;
    this.setMore(false);
  }

  show() {
    this.#active = true;
    this.root.hidden = false;
    if (this.#follows) this.#place = 0;
    // What was hidden begins at its top.
    else this.root.scrollTop = this.#place;
    this.#render();
    this.#jump.attach(this);
    this.#showJump();
    this.#fetch();
  }

  hide() {
    this.#active = false;
    this.root.hidden = true;
  }

  /** Draws all there is, as for a printer. */
  drawAll() {
    this.#keepingPlace(() => this.#entries.drawAll());
  }

  /** Shows a message that is here, marked, and gives it; `null` if it is not here. */
  reveal(offset) {
    const entry = this.#entries.mark(offset);
    if (!entry) return null;
    entry.node.scrollIntoView({ block: 'center' });
    this.#scrolled();
    return entry;
  }

  toEnd() {
    this.#follows = true;
    this.#render();
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
    // Before anything changes, it costs nothing to measure.
    const drawn = this.#drawn;
    if (this.#follows) {
      this.#take();
      this.#entries.drawLast(drawn);
      this.#follow();
    } else {
      this.#keepingPlace(() => this.#take());
      this.#extend();
    }
    this.#showJump();
  }

  /** Takes what has arrived, and drops the oldest where that is too much. */
  #take() {
    this.#entries.take();
    if (!this.#entries.trim(this.#follows)) return;
    this.#wasCut = true;
    this.setMore(Boolean(this.#entries.oldest?.offset));
  }

  /** How many messages fill a few screens. */
  get #drawn() {
    return Math.max(LEAST_DRAWN, Math.ceil(SCREENS_DRAWN * this.root.clientHeight / LOWEST_PX));
  }

  /** Draws more where the reader comes near the first or the last one drawn. */
  #extend() {
    const { scrollTop, scrollHeight, clientHeight } = this.root;
    const most = MOST_DRAWN * this.#drawn;
    const near = 2 * clientHeight;
    if (scrollTop < near && !this.#entries.isDrawnToBegin) {
      this.#keepingPlace(() => this.#entries.drawEarlier(most));
    } else if (scrollHeight - scrollTop - clientHeight < near && !this.#entries.isDrawnToEnd) {
      this.#keepingPlace(() => this.#entries.drawLater(most));
    }
  }

  /** Changes what is drawn; what is on the screen stays where it is. */
  #keepingPlace(change) {
    const bottomOf = (node) => node.getBoundingClientRect().bottom;
    const top = this.root.getBoundingClientRect().top;
    // The line between two days comes and goes with what is before it, and so does the name above a message.
    const anchor = [...this.#entries.root.querySelectorAll(':scope > :not(.day)')].find((node) => bottomOf(node) > top);
    const before = anchor && bottomOf(anchor);
    change();
    if (anchor?.isConnected) this.root.scrollTop += bottomOf(anchor) - before;
  }

  async #fetch() {
    if (!this.#active || !this.#more || this.#loading || this.root.scrollTop > 2 * this.root.clientHeight) return;
    const offset = this.#entries.oldest?.offset;
    if (!offset || !this.#entries.isDrawnToBegin) return;
    this.#loading = true;
    this.#showEarlier();
    const { entries, more } = await this.#loadEarlier(offset).catch(() => ({ entries: [], more: null }));
    this.#loading = false;
    this.#entries.prepend(entries);
    this.#keepingPlace(() => this.#entries.drawEarlier(MOST_DRAWN * this.#drawn));
    // Without a connection there is no answer: the next scroll asks again.
    this.setMore(more ?? true);
    if (more && this.root.scrollTop < this.root.clientHeight) requestAnimationFrame(() => this.#fetch());
  }

  #showEarlier() {
    const isCut = !this.#more && (this.#wasCut || this.#entries.oldest?.offset > 1);
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
    this.#follows = this.#entries.isDrawnToEnd && scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (this.#follows) this.#newer = 0;
    else this.#extend();
    this.#place = this.root.scrollTop;
    this.#showJump();
    this.#fetch();
  }

  #showJump() {
    if (this.#active) this.#jump.show(this.#follows, this.#newer);
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
