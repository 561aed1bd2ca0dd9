// One's own name: where it is shown, and where it is changed; or the token that says it, and what it allows.

import { avatar, byId, element, paint } from './dom.js';
import { formatFull } from './locale.js';
import { isGuest } from './person.js';
import { text } from './text.js';

export class Naming {
  #button = byId('you');
  #dialog = byId('name-dialog');
  #field = byId('name');
  #hint = byId('name-hint');
  #tokenDialog = byId('token-dialog');
  #rights = null;

  /** `rename(name)` promises nothing, or why it did not work; `forget()` forgets the token. */
  constructor(rename, forget) {
    byId('forget-token').addEventListener('click', forget);
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

  /** Shows who one is, and offers to change that unless one's token says it. */
  show({ name }, rights) {
    const label = rights ? text.yourToken : isGuest(name) ? text.chooseName : text.changeName;
    this.#rights = rights;
    if (rights) this.#showRights(name, rights);
    const words = element('span', 'you-words',
      paint(element('span', 'name', name), name), element('span', 'muted', label));
    this.#button.replaceChildren(avatar(name), words);
    this.#button.hidden = false;
    this.#field.value = isGuest(name) ? '' : name;
  }

  #showRights(name, { subscribe, publish, admin, expires }) {
    const lines = [
      [text.mayRead, text.roomsLike(subscribe)],
      [text.mayWrite, text.roomsLike(publish)],
      [text.goodUntil, formatFull(new Date(expires))],
      ...admin ? [[text.admin, text.adminMay]] : [],
    ];
    byId('token-title').textContent = text.youAre(name);
    const items = lines.flatMap(([term, what]) => [element('dt', '', term), element('dd', '', what)]);
    byId('rights').replaceChildren(...items);
  }

  #open() {
    if (this.#rights) return this.#tokenDialog.showModal();
    this.#showHint(null);
    this.#dialog.showModal();
    return this.#field.select();
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
  if (error.code === 'not_allowed') return text.nameOfToken;
  return error.code === 'bad_name' ? text.badName : text.failure(error.code);
}
