// One's own name: where it is shown, and where it is changed.

import { avatar, byId, element, paint } from './dom.js';
import { isGuest } from './person.js';
import { text } from './text.js';

export class Naming {
  #button = byId('you');
  #dialog = byId('name-dialog');
  #field = byId('name');
  #hint = byId('name-hint');

  /** `rename(name)` promises nothing, or why it did not work. */
  constructor(rename) {
    this.#button.addEventListener('click', () => this.#open());
    byId('name-cancel').addEventListener('click', () => this.#dialog.close());
    this.#field.addEventListener('input', () => this.#showHint(null));
    byId('name-form').addEventListener('submit', async (event) => {
      event.preventDefault();
      const refusal = await rename(this.#field.value.trim());
      if (refusal) this.#showHint(refusal);
      else this.#dialog.close();
    });
  }

  show({ name }) {
    const label = isGuest(name) ? text.chooseName : text.changeName;
    const words = element('span', 'you-words',
      paint(element('span', 'name', name), name), element('span', 'muted', label));
    this.#button.replaceChildren(avatar(name), words);
    this.#field.value = isGuest(name) ? '' : name;
  }

  #open() {
    this.#showHint(null);
    this.#dialog.showModal();
    this.#field.select();
  }

  #showHint(what) {
    this.#hint.textContent = what ?? '';
    this.#hint.hidden = !what;
    this.#field.setAttribute('aria-invalid', Boolean(what));
  }
}

/** Why a name was refused, for people. */
export function nameRefusal(error, name) {
  if (error.code === 'name_taken') return text.nameTaken(name);
  return error.code === 'bad_name' ? text.badName : error.message;
}
