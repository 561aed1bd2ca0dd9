// Ways to bring a file: the button, a drop, a paste; and its way to the server.

import { byId } from './dom.js';
import { sendFile } from './files.js';
import { text } from './text.js';

/** Hears of files. `take(files)` gets those that were brought; `mayTake()` says whether they can be. */
export class Attach {
  #button = byId('attach');
  #drop = byId('drop');
  #take;
  #mayTake;

  constructor({ take, mayTake }) {
    [this.#take, this.#mayTake] = [take, mayTake];
    const field = byId('attach-files');
    this.#button.addEventListener('click', () => field.click());
    field.addEventListener('change', () => {
      this.#bring(field.files);
      // The same file again is a change, too.
      field.value = '';
    });
    byId('message').addEventListener('paste', (event) => this.#pasted(event));
    for (const type of ['dragenter', 'dragover']) addEventListener(type, (event) => this.#over(event));
    addEventListener('dragleave', ({ relatedTarget }) => { if (!relatedTarget) this.#drop.hidden = true; });
    addEventListener('drop', (event) => {
      this.#drop.hidden = true;
      if (hasFiles(event)) this.#bring(event.dataTransfer.files);
    });
  }

  /** Shows whether files can be brought here. */
  offer(where) {
    this.#button.hidden = !where;
    if (where) byId('drop-text').textContent = text.dropHere(where);
  }

  #over(event) {
    if (hasFiles(event) && this.#mayTake()) this.#drop.hidden = false;
  }

  /** A text that was copied from an office program comes with a picture of itself: the text is meant. */
  #pasted(event) {
    const { files, types } = event.clipboardData;
    if (files.length === 0 || types.includes('text/plain') || !this.#mayTake()) return;
    event.preventDefault();
    this.#bring([...files].map(named));
  }

  #bring(files) {
    if (files.length > 0 && this.#mayTake()) this.#take([...files]);
  }
}

const hasFiles = (event) => event.dataTransfer?.types.includes('Files') ?? false;

/** Browsers call every pasted picture `image.png`. */
function named(file) {
  if (file.name !== 'image.png') return file;
  const time = new Date().toISOString().slice(0, 19).replace(/[:T]/g, '-');
  return new File([file], `${text.pasted}-${time}.png`, { type: file.type });
}

/** Files on their way: one after another, so that they arrive in their order. */
export class Transfers {
  #parlor;
  #announce;
  #begun;
  /** The last of them. */
  #last = Promise.resolve();
  /** The secret of the person who one is. */
  #resume;

  /** `begun(place)`: a place has something to show. */
  constructor(parlor, announce, begun) {
    [this.#parlor, this.#announce, this.#begun] = [parlor, announce, begun];
    parlor.addEventListener('welcome', ({ detail }) => { this.#resume = detail.resume; });
  }

  send(place, file) {
    const { outbox } = place.conversation;
    const abort = new AbortController();
    const item = { file, cancel: () => { abort.abort(); outbox.remove(item); } };
    if (file.size > this.#parlor.limits.file) {
      this.#fail(outbox, item, '413');
    } else {
      outbox.show(item, 'queued');
      this.#last = this.#last.then(() => this.#transfer(place, item, abort.signal));
    }
    this.#begun(place);
    place.conversation.toEnd();
  }

  async #transfer(place, item, signal) {
    const { outbox } = place.conversation;
    if (signal.aborted) return;
    outbox.show(item, 'sending');
    try {
      const progress = (fraction) => outbox.showProgress(item, fraction);
      await sendFile(item.file, place.name, { resume: this.#resume, progress, signal });
      outbox.remove(item);
    } catch ({ code }) {
      if (!signal.aborted) this.#fail(outbox, item, code);
    }
  }

  #fail(outbox, item, status) {
    outbox.show(item, status);
    this.#announce(text.fileNotSent(status));
  }
}
