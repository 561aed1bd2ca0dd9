// One value over the last minute: drawn on a canvas, with the latest, least and greatest value beside it.

import { element, paint } from '../page/dom.js';
import { ago, formatSeconds, reading, readings } from '../page/locale.js';
import { text } from '../page/text.js';

export const WINDOW_MS = 60_000;
const TIME_STEP_MS = 15_000;
const NUMBERS_EVERY_MS = 250;
const LABEL_HEIGHT = 18;
/** Lower than this, it is a line without times below it. */
const LEAST_HEIGHT_WITH_TIMES = 60;
const LEAST_LABEL_WIDTH = 46;
const LEAST_LABEL_HEIGHT = 13;
/** Smaller numbers have fewer digits. */
const LEAST_STEP = 1e-290;

export class Chart {
  visible = false;
  #series;
  #changed = true;
  #drawnAt = -Infinity;
  #numbersAt = -Infinity;
  #canvas = element('canvas', 'chart-canvas');
  #latest = element('span', 'chart-latest');
  #age = element('span', 'chart-age');
  #least = element('dd', '');
  #greatest = element('dd', '');
  #labelWidth = 0;
  #width = 0;
  #height = 0;

  /** Shows the values of a key, of a `Series` that goes on. */
  constructor(key, series) {
    this.key = key;
    this.#series = series;
    const title = element('h3', 'chart-key', key);
    title.title = key;
    const extremes = element('dl', 'chart-extremes',
      element('div', '', element('dt', '', text.minimum), this.#least),
      element('div', '', element('dt', '', text.maximum), this.#greatest));
    this.#canvas.setAttribute('role', 'img');
    this.#canvas.setAttribute('aria-label', text.chartOf(key));
    const head = element('div', 'chart-head', title, this.#age);
    this.root = paint(element('article', 'chart', head, element('p', 'chart-now', this.#latest), extremes, this.#canvas), key);
    this.root.dataset.key = key;
  }

  /** True when a picture of this time would be another one than that which is there. */
  isDue(now) {
    const aPixel = WINDOW_MS / Math.max(1, this.#width - this.#labelWidth);
    return this.visible && this.#width > 0 && (this.#changed || Math.abs(now - this.#drawnAt) >= aPixel);
  }

  /** The next picture is another one, whatever the time. */
  touch() {
    this.#changed = true;
  }

  resize(width, height) {
    const scale = devicePixelRatio;
    [this.#width, this.#height] = [width, height];
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    this.#changed = true;
  }

  get canvas() {
    return this.#canvas;
  }

  /** Draws the minute that ends at a time, in the colours of the style sheet. */
  draw(now, colours) {
    const context = this.#canvas.getContext('2d');
    const [first, end] = [this.#series.before(now - WINDOW_MS), this.#series.before(now + 1)];
    const extremes = this.#extremes(first, end);
    // What was last is of use when nothing came in the last minute.
    const scale = end > first ? scaleOf(extremes.least, extremes.greatest) : scaleOf(this.#latestAt(end), this.#latestAt(end));
    const labels = this.#labelsOf(context, scale, colours.font);
    const [right, bottom] = [this.#width - labels.width, this.#height - (this.#height < LEAST_HEIGHT_WITH_TIMES ? 0 : LABEL_HEIGHT)];
    const x = (at) => right - (now - at) / WINDOW_MS * right;
    const y = (value) => 6 + (scale.high - value) / (scale.high - scale.low) * (bottom - 12);
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, this.#width, this.#height);
    this.#drawAxes(context, { now, x, y, labels, right, bottom, colours });
    for (const [from, to, isOver] of this.#stretches(first, end, now)) {
      this.#drawLine(context, { first: from, end: to, isOver, x, y, right, bottom, line: colours.line(this) });
    }
    this.#changed = false;
    this.#drawnAt = now;
    if (now - this.#numbersAt >= NUMBERS_EVERY_MS || now < this.#numbersAt) this.#showNumbers(now, end, extremes);
  }

  #latestAt(end) {
    return end > 0 ? this.#series.value(end - 1) : NaN;
  }

  /** The labels beside the lines, and the room that they take: it grows at once, and only shrinks by much. */
  #labelsOf(context, { ticks, step }, font) {
    context.font = font;
    const words = readings(ticks, step);
    const wanted = Math.max(LEAST_LABEL_WIDTH, ...words.map((each) => Math.ceil(context.measureText(each).width) + 12));
    const most = Math.max(LEAST_LABEL_WIDTH, this.#width / 2);
    if (wanted > this.#labelWidth || wanted < this.#labelWidth - 20) this.#labelWidth = Math.min(wanted, most);
    return { ticks, words, width: this.#labelWidth };
  }

  /** The values between gaps, as `[first, end, isOver]`: after one that is over, nothing is known. */
  *#stretches(first, end, now) {
    const pause = this.#series.longestPause;
    // The line comes in from the left if it was not interrupted there.
    let from = first > 0 && first < end && this.#series.time(first) - this.#series.time(first - 1) <= pause ? first - 1 : first;
    for (let n = from + 1; n < end; n += 1) {
      if (this.#series.time(n) - this.#series.time(n - 1) <= pause) continue;
      yield [from, n, true];
      from = n;
    }
    if (from < end) yield [from, end, now - this.#series.time(end - 1) > pause];
  }

  #extremes(first, end) {
    let [least, greatest] = [Infinity, -Infinity];
    for (let n = first; n < end; n += 1) {
      const value = this.#series.value(n);
      if (value < least) least = value;
      if (value > greatest) greatest = value;
    }
    return { least, greatest };
  }

  #showNumbers(now, end, { least, greatest }) {
    this.#numbersAt = now;
    const show = (node, words) => { if (node.textContent !== words) node.textContent = words; };
    const value = (number) => (Number.isFinite(number) ? reading(number) : '–');
    const age = end > 0 ? now - this.#series.time(end - 1) : 0;
    const isSilent = age > this.#series.longestPause;
    show(this.#latest, value(this.#latestAt(end)));
    show(this.#age, isSilent ? ago(age) : '');
    this.root.classList.toggle('silent', isSilent);
    show(this.#least, value(least));
    show(this.#greatest, value(greatest));
  }

  #drawAxes(context, { now, x, y, labels, right, bottom, colours }) {
    context.fillStyle = colours.label;
    context.strokeStyle = colours.grid;
    context.lineWidth = 1;
    context.beginPath();
    context.textAlign = 'left';
    context.textBaseline = 'middle';
    const apart = (bottom - 12) / (labels.ticks.length - 1);
    const labelEvery = Math.ceil(LEAST_LABEL_HEIGHT / apart);
    for (const [n, value] of labels.ticks.entries()) {
      const at = Math.round(y(value)) + 0.5;
      context.moveTo(0, at);
      context.lineTo(right, at);
      if (n % labelEvery === 0) context.fillText(labels.words[n], right + 6, at, labels.width - 8);
    }
    context.textAlign = 'center';
    context.textBaseline = 'alphabetic';
    const firstStep = Math.ceil((now - WINDOW_MS) / TIME_STEP_MS) * TIME_STEP_MS;
    for (let at = firstStep; at <= now; at += TIME_STEP_MS) {
      const across = Math.round(x(at)) + 0.5;
      context.moveTo(across, 0);
      context.lineTo(across, bottom);
      if (bottom < this.#height && across > 28 && across < right - 2) context.fillText(formatSeconds(at), across, this.#height - 4);
    }
    context.stroke();
  }

  /** However many values fall on one column of pixels, four points tell what there is to see. */
  #drawLine(context, { first, end, isOver, x, y, right, bottom, line }) {
    const path = new Path2D();
    const begin = Math.max(0, x(this.#series.time(first)));
    let column = -1;
    let [least, greatest, latest] = [0, 0, y(this.#series.value(first))];
    path.moveTo(begin, latest);
    for (let n = first; n < end; n += 1) {
      const across = Math.max(0, Math.floor(x(this.#series.time(n))));
      const value = y(this.#series.value(n));
      if (across === column) {
        if (value < least) least = value;
        if (value > greatest) greatest = value;
      } else {
        if (greatest > least) { path.lineTo(column, least); path.lineTo(column, greatest); path.lineTo(column, latest); }
        path.lineTo(across, value);
        [column, least, greatest] = [across, value, value];
      }
      latest = value;
    }
    if (greatest > least) { path.lineTo(column, least); path.lineTo(column, greatest); path.lineTo(column, latest); }
    // A value holds until the next one is due.
    const last = isOver ? Math.max(0, x(this.#series.time(end - 1))) : right;
    path.lineTo(last, latest);
    const area = new Path2D(path);
    area.lineTo(last, bottom);
    area.lineTo(begin, bottom);
    context.fillStyle = line;
    context.globalAlpha = 0.1;
    context.fill(area);
    context.globalAlpha = 1;
    context.strokeStyle = line;
    context.lineWidth = 1.5;
    context.lineJoin = 'round';
    context.stroke(path);
    context.fillStyle = line;
    context.beginPath();
    context.arc(last, latest, isOver ? 1.5 : 2.5, 0, 2 * Math.PI);
    context.fill();
  }
}

/** Round numbers around what there is: `{low, high, step, ticks}`. */
export function scaleOf(least, greatest) {
  if (!Number.isFinite(least)) return { low: 0, high: 1, step: 1, ticks: [] };
  const span = greatest - least || Math.abs(least) * 0.1 || 1;
  const power = 10 ** Math.floor(Math.log10(span / 2));
  const step = [1, 2, 5, 10].map((n) => n * power).find((size) => span / size <= 3);
  // At the very ends of what a number can be there are no round ones.
  if (!step || !Number.isFinite(2 * greatest - 2 * least + step) || step < LEAST_STEP) {
    return { low: least / 2 - 1, high: greatest / 2 + 1, step: 1, ticks: [] };
  }
  const low = Math.floor(least / step) * step;
  const high = Math.max(Math.ceil(greatest / step) * step, low + step);
  const count = Math.round((high - low) / step) + 1;
  const ticks = Array.from({ length: count }, (_, n) => Number((low + n * step).toPrecision(15)));
  return { low, high, step, ticks };
}
