// What was written in a room and is not yet known to be there.

import { button, element } from './dom.js';
import { cardParts } from './files.js';
import { textElement } from './message.js';
import { text } from './text.js';

/**
 * Messages in the order written: `{text, state}`, or files, `{file, cancel, state}`, with state `sending`, `queued` (no connection just now) or the code of
 * the error that ended it. The actions: `resend(item)`, `edit(item)`, `discard(item)`.
 */
export class OutboxView {
  root = element('div', 'outbox');
  #items = new Map();
  #actions;

  constructor(actions) {
    this.#actions = actions;
    this.root.setAttribute('role', 'group');
    this.root.setAttribute('aria-label', text.outbox);
    this.root.hidden = true;
  }

  get isEmpty() {
    return this.#items.size === 0;
  }

  show(item, state) {
    if (item.state === state) return;
    item.state = state;
    const node = this.#nodeOf(item);
    if (this.#items.has(item)) this.#items.get(item).replaceWith(node);
    else this.root.append(node);
    this.#items.set(item, node);
    this.root.hidden = false;
  }

  /** Shows that all that is under way waits for a connection, or goes on. */
  showConnected(isConnected) {
    for (const item of this.#items.keys()) {
      if (['sending', 'queued'].includes(item.state) && !item.file) this.show(item, isConnected ? 'sending' : 'queued');
    }
  }

  /** So much of a file has gone. */
  showProgress(item, fraction) {
    const bar = this.#items.get(item)?.querySelector('progress');
    if (bar) bar.value = fraction;
  }

  remove(item) {
    this.#items.get(item)?.remove();
    this.#items.delete(item);
    this.root.hidden = this.isEmpty;
  }

  #nodeOf(item) {
    const state = element('span', 'state', stateText(item));
    const delivery = element('p', 'delivery', state, ...this.#buttonsOf(item));
    const kind = ['sending', 'queued'].includes(item.state) ? item.state : 'failed';
    const content = item.file ? this.#fileOf(item, kind) : textElement(item.text);
    return element('div', `message own pending ${kind}`, element('div', 'bubble', content), delivery);
  }

  #fileOf({ file }, kind) {
    const node = element('div', '', element('div', 'file-card', ...cardParts({ name: file.name, type: file.type, bytes: file.size })));
    if (kind === 'failed') return node;
    const bar = element('progress', 'file-progress');
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute('aria-label', text.sendingFile(file.name));
    node.append(bar);
    return node;
  }

  #buttonsOf(item) {
    if (['sending', 'queued'].includes(item.state)) {
      return item.file ? [button('text-button', text.cancel, () => item.cancel())] : [];
    }
    if (item.file) {
      return [
        ...item.state === '413' ? [] : [button('text-button', text.sendAgain, () => this.#actions.resend(item))],
        button('text-button', text.discard, () => this.#actions.discard(item)),
      ];
    }
    return [
      ...item.state === 'too_big' ? [] : [button('text-button', text.sendAgain, () => this.#actions.resend(item))],
      button('text-button', text.edit, () => this.#actions.edit(item)),
      button('text-button', text.discard, () => this.#actions.discard(item)),
    ];
  }
}

/** What became of an outbox item, for people. */
export function stateText({ state, file }) {
  switch (state) {
    case 'sending': return text.sending;
    case 'queued': return file ? text.fileQueued : text.queued;
    case 'unconfirmed': return text.unconfirmed;
    default: return file ? text.fileNotSent(state) : text.notDelivered(state);
  }
}
