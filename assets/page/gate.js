// What stands in place of the page for who is not let in: why, and a field for a token.

import { byId } from './dom.js';
import { text } from './text.js';

export class Gate {
  #root = byId('gate');
  #reason = byId('gate-reason');
  #field = byId('token');
  #hint = byId('gate-hint');
  #enter = byId('gate-enter');

  /** The actions: `enter(token)`, `comeBack()` with the token there is, `forget()` it. */
  constructor({ enter, comeBack, forget }) {
    this.#field.addEventListener('input', () => this.#showHint(false));
    byId('gate-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const token = this.#field.value.trim();
      if (!token) return this.#showHint(true);
      this.#enter.disabled = true;
      return enter(token);
    });
    byId('gate-back').addEventListener('click', comeBack);
    byId('gate-forget').addEventListener('click', forget);
  }

  /** Shows it with the reason, as a state of the connection has it. */
  show({ code, reason, ban }) {
    const { title, body } = text.refusals[code];
    const isRemoved = ['removed', 'banned'].includes(code);
    byId('gate-title').textContent = title;
    byId('gate-form').hidden = isRemoved;
    byId('gate-removed').hidden = !isRemoved;
    this.#root.hidden = false;
    document.body.classList.add('gated');
    // Once it is shown, so that it is read out.
    this.#reason.textContent = typeof body === 'function' ? body(reason, ban) : body;
    this.#enter.disabled = false;
    this.#field.setAttribute('aria-invalid', code !== 'token_needed');
    this.#field.value = '';
    // Not the button: who is just about to send a message must not come back by that.
    if (isRemoved) byId('gate-title').focus();
    else this.#field.focus();
  }

  hide() {
    this.#root.hidden = true;
    document.body.classList.remove('gated');
    this.#reason.textContent = '';
    this.#field.value = '';
    this.#showHint(false);
  }

  #showHint(isMissing) {
    this.#hint.textContent = isMissing ? text.tokenMissing : '';
    this.#hint.hidden = !isMissing;
  }
}
