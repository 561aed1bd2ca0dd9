// What this device is told of while nobody looks at the page, chosen in a dialog behind the bell.

import { byId, element } from './dom.js';
import { KINDS } from './push.js';
import { text } from './text.js';

/** In these there is something to choose. */
const CHOOSABLE = ['pageOnly', 'on', 'off'];

export class PushDialog {
  #push;
  #current;
  #changed;
  #dialog = byId('push-dialog');
  #isOn = byId('push-on');
  #choices = byId('push-choices');
  #severity = byId('push-severity');
  #onlySome = byId('push-some-rooms');
  #rooms = byId('push-rooms');
  #quiet = byId('push-quiet');
  #from = byId('push-from');
  #to = byId('push-to');
  #hint = byId('push-hint');
  #save = byId('push-save');

  /** `current()` is the place that is looked at, or null; `changed()` is told when another choice holds. */
  constructor(push, current, changed) {
    this.#push = push;
    this.#current = current;
    this.#changed = changed;
    for (const input of [this.#isOn, this.#onlySome, byId('push-all-rooms'), this.#quiet, byId('push-alarm')]) {
      input.addEventListener('change', () => this.#enable());
    }
    byId('push-cancel').addEventListener('click', () => this.#dialog.close());
    byId('push-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** Shows what holds now; `rooms` are those that one is in. */
  open(rooms) {
    const { state, settings, isOn, failure } = this.#push;
    const isChoosable = CHOOSABLE.includes(state);
    byId('push-state').textContent = isOn && failure ? text.pushFailure(failure) : text.pushStates[state];
    byId('push-what').hidden = !isChoosable;
    this.#save.hidden = !isChoosable;
    byId('push-cancel').textContent = isChoosable ? text.cancel : text.close;
    this.#isOn.checked = isOn;
    for (const kind of KINDS) byId(`push-${kind}`).checked = settings.kinds.includes(kind);
    this.#severity.value = settings.severity;
    byId('push-all-rooms').checked = !settings.rooms;
    this.#onlySome.checked = Boolean(settings.rooms);
    this.#listRooms(rooms, settings.rooms);
    this.#quiet.checked = Boolean(settings.quiet);
    if (settings.quiet) [this.#from.value, this.#to.value] = [settings.quiet.from, settings.quiet.to];
    this.#showHint('');
    this.#enable();
    this.#dialog.showModal();
    (isChoosable ? this.#isOn : byId('push-cancel')).focus();
  }

  /** Those one is in, and those chosen before; at first the one that is looked at is chosen. */
  #listRooms(open, chosen) {
    const current = this.#current();
    const checked = chosen ?? (current && !current.isDirect ? [current.name] : []);
    const rooms = [...new Set([...checked, ...open])];
    this.#rooms.replaceChildren(...rooms.map((room) => {
      const input = element('input', '');
      input.type = 'checkbox';
      input.value = room;
      input.checked = checked.includes(room);
      return element('label', 'push-choice', input, element('span', 'push-room', `# ${room}`));
    }));
  }

  /** What follows from a choice that is not made cannot be chosen. */
  #enable() {
    this.#choices.disabled = !this.#isOn.checked;
    this.#severity.disabled = !byId('push-alarm').checked;
    this.#rooms.hidden = !this.#onlySome.checked;
    this.#from.disabled = !this.#quiet.checked;
    this.#to.disabled = !this.#quiet.checked;
  }

  get #chosen() {
    const rooms = [...this.#rooms.querySelectorAll('input:checked')].map(({ value }) => value);
    return {
      kinds: KINDS.filter((kind) => byId(`push-${kind}`).checked),
      severity: this.#severity.value,
      rooms: this.#onlySome.checked ? rooms : null,
      quiet: this.#quiet.checked ? { from: this.#from.value, to: this.#to.value } : null,
    };
  }

  async #submit() {
    const chosen = this.#chosen;
    const isOn = this.#isOn.checked;
    const mistake = isOn ? mistakeIn(chosen) : '';
    if (mistake) return this.#showHint(mistake);
    this.#showHint('');
    this.#save.disabled = true;
    try {
      await (isOn ? this.#push.begin(chosen) : this.#push.end());
      this.#dialog.close();
    } catch (error) {
      this.#showHint(text.pushFailure(error));
    }
    this.#save.disabled = false;
    return this.#changed();
  }

  #showHint(what) {
    this.#hint.textContent = what;
    this.#hint.hidden = what === '';
  }
}

function mistakeIn({ kinds, rooms, quiet }) {
  if (kinds.length === 0) return text.pushNothing;
  if (rooms?.length === 0 && kinds.some((kind) => kind !== 'direct')) return text.pushNowhere;
  return quiet && (!quiet.from || !quiet.to || quiet.from === quiet.to) ? text.pushNoTime : '';
}
