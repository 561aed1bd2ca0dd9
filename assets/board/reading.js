// The exact value and time under the pointer, a finger, or the arrow keys.

import { element } from '../page/dom.js';
import { exact, formatInstant } from '../page/locale.js';
import { drawDot } from './plot.js';

/** The share of the window that Page Up and Page Down go. */
const PAGE = 0.1;

export class Reading {
  root = element('div', 'chart-reading');
  #frame;
  #changed;
  /** Where it is read: so many pixels from the left, or at a time, which moves along. */
  #across = null;
  #at = null;
  #view = null;

  /** Reads in an element that holds the canvas; `changed()` when the picture is to be drawn again. */
  constructor(frame, label, changed) {
    this.#frame = frame;
    this.#changed = changed;
    this.root.hidden = true;
    frame.tabIndex = 0;
    for (const [name, value] of Object.entries({ role: 'slider', 'aria-label': label, 'aria-valuemin': 0, 'aria-valuemax': 100 })) {
      frame.setAttribute(name, value);
    }
    frame.setAttribute('aria-valuenow', 100);
    frame.append(this.root);
    for (const type of ['pointerdown', 'pointermove']) frame.addEventListener(type, (event) => this.#point(event));
    frame.addEventListener('pointerleave', ({ pointerType }) => { if (pointerType === 'mouse') this.#end(); });
    frame.addEventListener('keydown', (event) => this.#key(event));
    frame.addEventListener('blur', () => this.#end());
  }

  /** Shows what is to be read in a picture, and marks it there. */
  show(context, view, colours) {
    this.#view = view;
    const at = this.#at ?? (this.#across === null ? null : view.at(this.#across));
    const points = at === null ? [] : view.lines.flatMap((line) => pointAt(line, at));
    this.root.hidden = points.length === 0;
    if (points.length === 0) return;
    const across = this.#at === null ? this.#across : view.x(at);
    context.strokeStyle = colours.label;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(Math.round(across) + 0.5, 0);
    context.lineTo(Math.round(across) + 0.5, view.bottom);
    context.stroke();
    for (const { line, time, value } of points) {
      context.fillStyle = line.colour;
      drawDot(context, view.x(time), view.y(line, value), 3.5);
    }
    this.#write(points, across > (view.left + view.right) / 2);
    this.#frame.setAttribute('aria-valuenow', Math.round(100 * (points[0].time - view.begin) / (view.now - view.begin)));
  }

  #write(points, isRight) {
    const several = points.length > 1;
    this.root.classList.toggle('left', isRight);
    const rows = points.map(({ line, time, value }) => {
      const row = element('p', '', element('b', '', `${exact(value)}${line.unit && ` ${line.unit}`}`), ' ', several ? line.key : '',
        element('time', 'muted', ` ${formatInstant(time)}`));
      row.style.setProperty('--chart-line', line.colour);
      return row;
    });
    this.root.replaceChildren(...rows);
    this.#frame.setAttribute('aria-valuetext', rows.map((row) => row.textContent).join(', '));
  }

  #point({ offsetX, target, type, pointerType, buttons }) {
    if (target !== this.#frame && target.tagName !== 'CANVAS') return;
    if (type === 'pointermove' && pointerType !== 'mouse' && buttons === 0) return;
    [this.#across, this.#at] = [offsetX, null];
    this.#changed();
  }

  #key(event) {
    const view = this.#view;
    if (!view || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === 'Escape' && this.root.hidden) return;
    const go = {
      ArrowLeft: () => this.#next(-1), ArrowRight: () => this.#next(1), Home: () => view.begin, End: () => view.now,
      PageUp: () => this.#from + PAGE * (view.now - view.begin), PageDown: () => this.#from - PAGE * (view.now - view.begin),
      Escape: () => null,
    }[event.key];
    if (!go) return;
    event.preventDefault();
    event.stopPropagation();
    const at = go();
    [this.#across, this.#at] = [null, at === null ? null : Math.min(view.now, Math.max(view.begin, at))];
    this.#changed();
  }

  get #from() {
    return this.#at ?? (this.#across === null ? this.#view.now : this.#view.at(this.#across));
  }

  /** The time of the value before or after, of any line. */
  #next(direction) {
    const { lines, begin, now } = this.#view;
    const from = this.#from;
    const times = lines.flatMap(({ series, first, end }) => {
      const n = direction < 0 ? series.before(from) - 1 : series.before(from + 0.5);
      return n >= first && n < end ? [series.time(n)] : [];
    });
    if (times.length === 0) return direction < 0 ? Math.max(begin, from) : now;
    return direction < 0 ? Math.max(...times) : Math.min(...times);
  }

  #end() {
    [this.#across, this.#at] = [null, null];
    this.#changed();
  }
}

/** The value of a line that is nearest to a time, as `[{line, time, value}]`; none if there is none. */
function pointAt(line, at) {
  const { series, first, end } = line;
  if (end <= first) return [];
  const after = Math.min(end - 1, Math.max(first, series.before(at)));
  const n = after > first && at - series.time(after - 1) < series.time(after) - at ? after - 1 : after;
  return [{ line, time: series.time(n), value: series.value(n) }];
}
