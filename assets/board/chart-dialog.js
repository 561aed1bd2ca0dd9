// What can be done with one chart: other keys into it, alone in a page, its values as a file.

import { button, element } from '../page/dom.js';
import { text } from '../page/text.js';
import { setUpCopying } from '../page/welcome.js';

export class ChartDialog {
  root = element('dialog', 'dialog chart-dialog');
  #handlers;
  #title = element('h2', '');
  #list = element('ul', 'chart-choices');
  #choice = element('fieldset', 'chart-choice', element('legend', 'muted', text.drawWith), this.#list);
  #alone = element('a', 'text-button', text.chartAlone);
  #copy = button('text-button', text.copyAddress, () => {});
  #keys = [];

  /** `all()` gives all keys, `put(keys)` puts them into one chart, `address(keys)` shows them alone, `save(keys)` as a file. */
  constructor(handlers, announce) {
    this.#handlers = handlers;
    this.#alone.target = '_blank';
    setUpCopying(this.#copy, () => handlers.address(this.#keys), announce);
    const close = button('main-button', text.close, () => this.root.close());
    const csv = button('text-button', text.saveCsv, () => handlers.save(this.#keys));
    this.#title.id = 'chart-dialog-title';
    this.root.setAttribute('aria-labelledby', this.#title.id);
    this.root.append(this.#title, this.#choice, element('p', 'chart-deeds', this.#alone, this.#copy, csv), element('p', 'dialog-buttons', close));
    this.root.addEventListener('click', ({ target }) => { if (target === this.root) this.root.close(); });
  }

  open(keys) {
    this.#keys = keys;
    this.#title.textContent = keys.join(', ');
    this.#alone.href = this.#handlers.address(keys);
    const others = this.#handlers.all().filter((key) => key !== keys[0]);
    this.#choice.hidden = others.length === 0;
    this.#list.replaceChildren(...others.map((key) => this.#row(key)));
    this.root.showModal();
  }

  #row(key) {
    const box = element('input', '');
    box.type = 'checkbox';
    box.checked = this.#keys.includes(key);
    box.addEventListener('change', () => {
      this.#keys = box.checked ? [...this.#keys, key] : this.#keys.filter((other) => other !== key);
      this.#title.textContent = this.#keys.join(', ');
      this.#alone.href = this.#handlers.address(this.#keys);
      this.#handlers.put(this.#keys);
    });
    return element('li', '', element('label', '', box, element('span', '', key)));
  }
}
