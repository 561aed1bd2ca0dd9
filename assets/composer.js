// Where messages are written, and the list of those not yet delivered.

import { byteLength } from './outbox.js';
import { button, element, textElement } from './message.js';
import { text } from './text.js';

/** The form at the foot of the page. `submit(text)` takes what was written. */
export class Composer {
  #form = document.getElementById('composer');
  #field = document.getElementById('message');
  #hint = document.getElementById('hint');
  #refusal;

  /** `refusal(text)` says why a text cannot be sent, or nothing. */
  constructor({ submit, refusal }) {
    this.#refusal = refusal;
    this.#hint.textContent = text.keys;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit(submit);
    });
    this.#field.addEventListener('keydown', (event) => this.#keydown(event));
    this.#field.addEventListener('input', () => this.#changed());
    this.#field.addEventListener('blur', () => this.#showHint(text.keys, false));
  }

  focus() {
    this.#field.focus();
  }

  disable() {
    this.#field.disabled = true;
    this.#field.placeholder = '';
    this.#form.querySelector('button').disabled = true;
    this.#hint.textContent = '';
  }

  /** Brings a text back for editing, before what is being written. */
  restore(written) {
    this.#field.value = this.#field.value ? `${written}\n${this.#field.value}` : written;
    this.#changed();
    this.focus();
  }

  #keydown(event) {
    // Enter that ends an input method's composition chooses a word; some browsers tell only by key code 229.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  #submit(submit) {
    // A lone surrogate would come back from the socket as another character.
    const written = this.#field.value.toWellFormed();
    const refusal = this.#refusal(written);
    this.focus();
    if (refusal) return this.#showHint(refusal, true);
    this.#field.value = '';
    this.#changed();
    submit(written);
  }

  #changed() {
    this.#showHint(text.keys, false);
    // Back to one row first: scrollHeight never tells less than the height there is.
    this.#field.style.height = 'auto';
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }

  #showHint(hint, wrong) {
    if (this.#hint.textContent !== hint) this.#hint.textContent = hint;
    this.#hint.classList.toggle('wrong', wrong);
    this.#field.setAttribute('aria-invalid', wrong);
  }
}

/** Shows the outbox below the conversation. The actions: `resend(item)`, `edit(item)`, `discard(item)`. */
export class OutboxView {
  #root = document.getElementById('outbox');
  #nodes = new Map();
  #actions;

  constructor(actions) {
    this.#actions = actions;
    this.#root.setAttribute('aria-label', text.outbox);
  }

  show(items) {
    for (const [item, shown] of this.#nodes) {
      // Only what changed is built anew, so that a button in use keeps the focus.
      if (items.includes(item) && shown.state === item.state) continue;
      shown.node.remove();
      this.#nodes.delete(item);
    }
    for (const item of items) {
      if (!this.#nodes.has(item)) this.#nodes.set(item, { state: item.state, node: this.#nodeOf(item) });
    }
    const order = items.map((item) => this.#nodes.get(item).node);
    order.forEach((node, index) => {
      if (this.#root.children[index] !== node) this.#root.insertBefore(node, this.#root.children[index] ?? null);
    });
    this.#root.hidden = items.length === 0;
  }

  #nodeOf(item) {
    const state = element('span', 'state', stateText(item));
    const delivery = element('p', 'delivery', state, ...this.#buttonsOf(item));
    return element('div', `message own pending ${item.state}`, element('div', 'bubble', textElement(item.text)), delivery);
  }

  #buttonsOf(item) {
    if (item.state === 'sent') return [];
    const buttons = [
      button('text-button', text.edit, () => this.#actions.edit(item)),
      button('text-button', text.discard, () => this.#actions.discard(item)),
    ];
    if (item.state === 'unconfirmed') {
      buttons.unshift(button('text-button', text.sendAgain, () => this.#actions.resend(item)));
    }
    return buttons;
  }
}

/** What became of an outbox item, for people. */
export function stateText(item) {
  switch (item.state) {
    case 'queued': return text.queued;
    case 'sent': return text.sending;
    case 'unconfirmed': return text.unconfirmed;
    default: return text.refused(byteLength(item.text));
  }
}
