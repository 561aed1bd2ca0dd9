// Where messages are written.

import { matching, usage } from './commands.js';
import { button, byId, element } from './dom.js';
import { wellFormed } from './strings.js';
import { text } from './text.js';

/** The form at the foot of the page. */
export class Composer {
  #form = byId('composer');
  #field = byId('message');
  #hint = byId('hint');
  #help = byId('command-help');
  #handlers;
  /** The commands that are listed, and which of them is chosen. */
  #listed = [];
  #chosen = 0;
  /** It was chosen with the arrow keys. */
  #isPicked = false;

  /** Stands under the field while there is nothing else to say. */
  #idleHint = text.keys;

  /**
   * `submit(text)` takes what was written, or says why it cannot be sent; `changed(text)` hears of every change;
   * `commands()` gives those that there are.
   */
  constructor(handlers) {
    this.#handlers = handlers;
    this.#hint.textContent = this.#idleHint;
    this.#help.setAttribute('aria-label', text.commandList);
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#field.addEventListener('keydown', (event) => this.#keydown(event));
    this.#field.addEventListener('input', () => this.#changed());
    this.#field.addEventListener('blur', () => this.#showHint(this.#idleHint, false));
  }

  focus() {
    this.#field.focus();
  }

  /** Shows another conversation's draft. */
  edit(draft, label) {
    this.#field.value = draft;
    this.#field.placeholder = label;
    byId('message-label').textContent = label;
    this.#laidOut();
  }

  /** Says why nothing can be written here, where that is so. */
  forbid(why) {
    this.#field.disabled = Boolean(why);
    byId('send').disabled = Boolean(why);
    this.#form.classList.toggle('forbidden', Boolean(why));
    this.#field.placeholder = why ? text.readOnly : byId('message-label').textContent;
    this.#idleHint = why ?? text.keys;
    this.#showHint(this.#idleHint, false);
  }

  /** Puts a text before what is being written. */
  restore(written) {
    this.#field.value = this.#field.value ? `${written}\n${this.#field.value}` : written;
    this.#changed();
    this.focus();
  }

  refuse(why) {
    this.#showHint(why, true);
  }

  #keydown(event) {
    // Enter that ends an input method's composition chooses a word; some browsers tell only by key code 229.
    if (event.isComposing || event.keyCode === 229) return;
    if (this.#listed.length > 0 && this.#choose(event)) return event.preventDefault();
    if (event.key !== 'Enter' || event.shiftKey) return undefined;
    event.preventDefault();
    return this.#form.requestSubmit();
  }

  /** What a key does while commands are listed; says whether it did something. */
  #choose({ key, shiftKey, ctrlKey, metaKey, altKey }) {
    if (shiftKey || ctrlKey || metaKey || altKey) return false;
    const steps = { ArrowDown: 1, ArrowUp: -1 }[key];
    if (steps) {
      this.#chosen = (this.#chosen + steps + this.#listed.length) % this.#listed.length;
      this.#isPicked = true;
      this.#showChosen();
      return true;
    }
    if (key === 'Escape') {
      this.#list([]);
      return true;
    }
    // What is typed in full is meant, unless another is picked.
    const isTyped = this.#listed.some((command) => `/${command.name}` === this.#field.value.toLowerCase());
    if (key !== 'Tab' && !(key === 'Enter' && (this.#isPicked || !isTyped))) return false;
    this.#take(this.#listed[this.#chosen]);
    return true;
  }

  #submit() {
    // A lone surrogate would come back from the socket as another character.
    const written = wellFormed(this.#field.value);
    this.focus();
    if (written.trim() === '') return this.refuse(text.emptyHint);
    this.#field.value = '';
    const refusal = this.#handlers.submit(written);
    // A command may have led to another room, whose draft is there now.
    if (refusal) this.#field.value = written;
    this.#changed();
    if (refusal) this.refuse(refusal);
  }

  #take(command) {
    this.#field.value = command.takes ? `/${command.name} ` : `/${command.name}`;
    this.#changed();
    this.#list([]);
    this.focus();
  }

  #changed() {
    this.#laidOut();
    this.#handlers.changed(this.#field.value);
  }

  #laidOut() {
    this.#showHint(this.#idleHint, false);
    this.#list(matching(this.#field.value, this.#handlers.commands()));
    // Back to one row first: scrollHeight never tells less than the height there is.
    this.#field.style.height = 'auto';
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }

  /** Lists the commands that are meant by what is typed. */
  #list(commands) {
    this.#listed = commands;
    this.#chosen = 0;
    this.#isPicked = false;
    this.#help.hidden = commands.length === 0;
    this.#help.replaceChildren(...commands.map((command, n) => {
      const row = button('command', '', () => this.#take(command));
      row.append(element('code', '', usage(command)), element('span', 'muted', text.commands[command.name]));
      row.id = `command-${n}`;
      row.tabIndex = -1;
      row.setAttribute('role', 'option');
      return row;
    }));
    this.#showChosen();
  }

  /** The focus stays in the field: those who hear the page are told which is chosen. */
  #showChosen() {
    for (const [n, row] of [...this.#help.children].entries()) row.setAttribute('aria-selected', n === this.#chosen);
    const chosen = this.#help.children[this.#chosen];
    if (chosen) this.#field.setAttribute('aria-activedescendant', chosen.id);
    else this.#field.removeAttribute('aria-activedescendant');
    chosen?.scrollIntoView({ block: 'nearest' });
  }

  #showHint(hint, wrong) {
    if (this.#hint.textContent !== hint) this.#hint.textContent = hint;
    this.#hint.classList.toggle('wrong', wrong);
    this.#field.setAttribute('aria-invalid', wrong);
  }
}

/** What `/help` shows. */
export function commandList(commands) {
  const rows = commands.flatMap((command) => [
    element('dt', '', usage(command)), element('dd', '', text.commands[command.name]),
  ]);
  const guide = element('a', '', text.guideTells);
  guide.href = 'guide';
  guide.target = '_blank';
  guide.rel = 'noopener';
  return element('div', 'command-list', element('dl', '', ...rows), element('p', '', text.slashes), element('p', '', guide));
}
