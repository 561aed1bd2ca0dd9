// One value over time, or several: drawn on a canvas, with the latest, least and greatest value of each, and how old it is.

import { passed } from './describe.js';
import { drawPlot, layOut } from './plot.js';
import { Reading } from './reading.js';
import { button, element, hueOf, icon } from '../page/dom.js';
import { ago, reading } from '../page/locale.js';
import { text } from '../page/text.js';

const NUMBERS_EVERY_MS = 250;
/** A long time looks the same after one more value: its picture is drawn anew once a second at the most. */
const LONG_WINDOW_MS = 600_000;
const LONG_EVERY_MS = 1000;
/** From so many keys on a chart is wide, so that their names are beside each other. */
const WIDE = 4;
/** From hue to hue, so that many differ. */
const GOLDEN_ANGLE = 137.5;
const DOTS = 'M5 10h.01M10 10h.01M15 10h.01';

export class Chart {
  visible = false;
  #source;
  #windowMs;
  #entries;
  /** There is another value, or the whole picture is another one. */
  #changed = true;
  #stale = true;
  #drawnAt = -Infinity;
  #drawnWhen = -Infinity;
  #numbersWhen = -Infinity;
  #frame;
  #canvas = element('canvas', 'chart-canvas');
  #reading;
  #widths = { left: 0, right: 0 };
  #width = 0;
  #height = 0;

  /**
   * Draws some keys over a time. `source`: `values(key)` gives a `Series`, `described(key)` `{unit, thresholds}`,
   * `isSilent(key)` whether the server has raised an alarm about its silence. `choose` is what the button does.
   */
  constructor(id, keys, { source, windowMs, windowName, choose }) {
    this.id = id;
    this.keys = keys;
    this.#source = source;
    this.#windowMs = windowMs;
    const isOne = keys.length === 1;
    this.#entries = keys.map((key, n) => (isOne ? new Only(key) : new Listed(key, (hueOf(keys[0]) + n * GOLDEN_ANGLE) % 360)));
    this.title = element('h3', 'chart-key', isOne ? keys[0] : id);
    this.title.title = keys.join('\n');
    this.#frame = element('div', 'chart-plot', this.#canvas);
    this.#reading = new Reading(this.#frame, text.chartOf(keys.join(', '), text.windows[windowName]), () => { this.#stale = true; });
    const more = button('icon-button chart-more', icon(DOTS), () => choose(this));
    more.title = text.chartMore;
    more.setAttribute('aria-label', `${text.chartMore}: ${keys.join(', ')}`);
    this.head = element('div', 'chart-head', this.title, ...isOne ? [this.#entries[0].age] : [], more);
    const numbers = isOne ? this.#entries[0].nodes : [element('ul', 'chart-legend', ...this.#entries.map(({ root }) => root))];
    this.root = element('article', ['chart', !isOne && 'together', keys.length >= WIDE && 'wide'].filter(Boolean).join(' '), this.head, ...numbers, this.#frame);
    this.root.style.setProperty('--hue', hueOf(keys[0]).toFixed(0));
    this.root.dataset.key = id;
  }

  /** True when a picture of this time, or its numbers, would be others than those which are there. */
  isDue(now) {
    return this.visible && this.#width > 0 && (this.#isPictureDue(now) || this.#areNumbersDue);
  }

  #isPictureDue(now) {
    const when = performance.now();
    const isSlow = this.#windowMs >= LONG_WINDOW_MS && when - this.#drawnWhen < LONG_EVERY_MS;
    const aPixel = this.#windowMs / Math.max(1, this.#width);
    return this.#stale || ((this.#changed || Math.abs(now - this.#drawnAt) >= aPixel) && !isSlow);
  }

  get #areNumbersDue() {
    return performance.now() - this.#numbersWhen >= NUMBERS_EVERY_MS;
  }

  /** There is another value. */
  touch() {
    this.#changed = true;
  }

  /** The next picture is another one, whatever the time. */
  redraw() {
    this.#stale = true;
    this.#numbersWhen = -Infinity;
  }

  /** Only what can be seen has a canvas of its size. */
  see(isVisible) {
    this.visible = isVisible;
    if (isVisible) this.#stale = true;
    else [this.#canvas.width, this.#canvas.height] = [0, 0];
  }

  resize(width, height) {
    [this.#width, this.#height] = [width, height];
    this.#stale = true;
  }

  get frame() {
    return this.#frame;
  }

  /** Draws the time that ends now, in the colours of the style sheet. */
  draw(now, colours) {
    const begin = now - this.#windowMs;
    if (this.#isPictureDue(now)) {
      const lines = this.#entries.map((entry) => this.#lineOf(entry, begin, now, colours));
      const context = this.#context();
      const view = layOut(context, {
        width: this.#width, height: this.#height, begin, now, lines, font: colours.font, widths: this.#widths,
      });
      drawPlot(context, view, colours);
      this.#reading.show(context, view, colours);
      for (const line of lines) line.entry.line = line;
      [this.#changed, this.#stale, this.#drawnAt, this.#drawnWhen] = [false, false, now, performance.now()];
    }
    if (this.#areNumbersDue) this.#showNumbers(now);
  }

  #context() {
    const [width, height] = [this.#width, this.#height].map((each) => Math.round(each * devicePixelRatio));
    if (this.#canvas.width !== width || this.#canvas.height !== height) [this.#canvas.width, this.#canvas.height] = [width, height];
    const context = this.#canvas.getContext('2d');
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, this.#width, this.#height);
    return context;
  }

  #lineOf(entry, begin, now, colours) {
    const series = this.#source.values(entry.key);
    const [first, end] = [series.before(begin), series.before(now + 1)];
    let [least, greatest] = [Infinity, -Infinity];
    for (let n = first; n < end; n += 1) {
      const value = series.value(n);
      if (value < least) least = value;
      if (value > greatest) greatest = value;
    }
    return { entry, key: entry.key, series, first, end, least, greatest, colour: colours.line(entry.swatch ?? this.root), ...this.#source.described(entry.key) };
  }

  #showNumbers(now) {
    this.#numbersWhen = performance.now();
    for (const entry of this.#entries) {
      const series = this.#source.values(entry.key);
      const end = series.before(now + 1);
      const { unit, thresholds } = this.#source.described(entry.key);
      const latest = end > 0 ? series.value(end - 1) : NaN;
      const age = end > 0 ? now - series.time(end - 1) : 0;
      const isStale = this.#source.isSilent(entry.key) || (series.expect !== null && age > 1000 * series.expect);
      const severity = passed(thresholds, latest);
      entry.show({ latest, unit, age, isStale, severity });
    }
  }
}

const write = (node, words) => { if (node.textContent !== words) node.textContent = words; };
const written = (value) => (Number.isFinite(value) ? reading(value) : '–');

/** The numbers of the one key of a chart. */
class Only {
  age = element('span', 'chart-age');
  line = { least: NaN, greatest: NaN };
  #latest = element('span', 'chart-latest');
  #unit = element('span', 'chart-unit');
  #least = element('dd', '');
  #greatest = element('dd', '');
  #now = element('p', 'chart-now', this.#latest, this.#unit);

  constructor(key) {
    this.key = key;
    const extremes = element('dl', 'chart-extremes',
      element('div', '', element('dt', '', text.minimum), this.#least),
      element('div', '', element('dt', '', text.maximum), this.#greatest));
    this.nodes = [this.#now, extremes];
  }

  show({ latest, unit, age, isStale, severity }) {
    write(this.#latest, written(latest));
    write(this.#unit, unit);
    write(this.age, ago(age));
    write(this.#least, written(this.line.least));
    write(this.#greatest, written(this.line.greatest));
    mark(this.#now.parentNode, isStale, severity);
  }
}

/** The numbers of one of several keys. */
class Listed {
  swatch = element('span', 'chart-swatch');
  line = null;
  #latest = element('b', 'chart-listed-latest');
  #age = element('span', 'chart-age');

  constructor(key, hue) {
    this.key = key;
    this.swatch.style.setProperty('--hue', hue.toFixed(0));
    this.root = element('li', 'chart-listed', this.swatch, element('span', 'chart-listed-key', key), this.#latest, this.#age);
    this.root.title = key;
  }

  show({ latest, unit, age, isStale, severity }) {
    write(this.#latest, `${written(latest)}${unit && ` ${unit}`}`);
    write(this.#age, ago(age));
    mark(this.root, isStale, severity);
  }
}

function mark(node, isStale, severity) {
  node?.classList.toggle('stale', isStale);
  for (const each of ['critical', 'warning', 'info']) node?.classList.toggle(`passed-${each}`, severity === each);
}
