// The board of a room: the numbers that are sent to it with a key as charts, and its alarms.

import { ALARM_KEY, Alarms } from './alarms.js';
import { Chart } from './chart.js';
import { button, element } from '../page/dom.js';
import { forOthers, onAddresses } from '../page/others.js';
import { readable } from '../page/room.js';
import { text } from '../page/text.js';
import { setUpCopying } from '../page/welcome.js';

/** How long drawing may take of one frame: what is not drawn then is drawn in the next. */
const FRAME_BUDGET_MS = 8;
/** From so many on the charts are drawn small, so that fifty are on one screen of a wall. */
const MANY = 25;

export class Board {
  root = element('div', 'board');
  #charts = new Map();
  #order = [];
  #turn = 0;
  #grid = element('div', 'chart-grid');
  #empty;
  #loading = element('p', 'muted', text.valuesLoading);
  #paused = element('p', 'paused', text.paused);
  #values;
  #log;
  #alarms;
  #pausedAt = null;
  #skew = null;
  #frame = 0;
  #colours = null;
  #seen = new IntersectionObserver((entries) => this.#sighted(entries), { rootMargin: '50px' });
  #sized = new ResizeObserver((entries) => this.#resized(entries));

  /** Shows a room's `Values`, and the alarms of an `AlarmLog`; the handlers are those of `Alarms`. */
  constructor(room, values, log, handlers) {
    this.#values = values;
    this.#log = log;
    this.#alarms = new Alarms(log, handlers);
    const pause = button('text-button', text.pause, () => {
      pause.setAttribute('aria-pressed', this.#togglePause());
    });
    pause.setAttribute('aria-pressed', false);
    this.#paused.hidden = true;
    this.#empty = emptyBoard(room, handlers.announce);
    const head = element('div', 'board-head', element('h2', '', text.charts), pause);
    this.root.append(element('div', 'board-column',
      this.#alarms.root, element('section', 'charts', head, this.#paused, this.#grid, this.#loading, this.#empty)));
    this.root.tabIndex = 0;
    this.root.setAttribute('role', 'region');
    this.root.setAttribute('aria-label', text.board);
    this.root.hidden = true;
    this.#showWhetherEmpty();
    for (const colours of ['(prefers-color-scheme: dark)', '(forced-colors: active)']) {
      matchMedia(colours).addEventListener('change', () => this.#recolour());
    }
  }

  /** Begins anew with what there is. */
  reset() {
    for (const key of [...this.#charts.keys()]) this.#remove(key);
    for (const key of this.#values.keys()) this.#chart(key);
    this.#alarms.show();
    this.#showWhetherEmpty();
  }

  /** Before the room was entered nobody knows whether there are values. */
  #showWhetherEmpty() {
    const isEmpty = this.#order.length === 0;
    this.#grid.classList.toggle('many', this.#order.length >= MANY);
    this.#loading.hidden = !isEmpty || this.#log.isKnown;
    this.#empty.hidden = !isEmpty || !this.#log.isKnown;
  }

  /** When the room began anew, so that alarms are forgotten, or null. */
  beganAnew(at) {
    this.#alarms.beganAnew(at);
  }

  rightsChanged() {
    this.#alarms.show();
  }

  /** A message with a key has changed what there is; `isLive` if it is of this moment. */
  add({ key, at }, isLive) {
    if (ALARM_KEY.test(key)) return this.#alarms.show();
    // The server's clock counts; what comes live shows how far it is from the browser's.
    if (isLive) this.#skew = Math.max(this.#skew ?? -Infinity, at - Date.now());
    if (this.#values.get(key)) this.#chart(key).touch();
    else this.#remove(key);
  }

  show() {
    this.root.hidden = false;
    this.#recolour();
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  hide() {
    this.root.hidden = true;
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  #draw() {
    this.#frame = requestAnimationFrame(() => this.#draw());
    const now = this.#pausedAt ?? this.#now();
    const end = performance.now() + FRAME_BUDGET_MS;
    for (let n = 0; n < this.#order.length && performance.now() < end; n += 1) {
      this.#turn = (this.#turn + 1) % this.#order.length;
      const chart = this.#order[this.#turn];
      if (chart.isDue(now)) chart.draw(now, this.#colours);
    }
  }

  #now() {
    return Date.now() + (this.#skew ?? 0);
  }

  #togglePause() {
    this.#pausedAt = this.#pausedAt === null ? this.#now() : null;
    this.#paused.hidden = this.#pausedAt === null;
    return this.#pausedAt !== null;
  }

  #chart(key) {
    const known = this.#charts.get(key);
    if (known) return known;
    const chart = new Chart(key, this.#values.get(key));
    this.#charts.set(key, chart);
    const next = this.#order.findIndex((other) => other.key.localeCompare(key, undefined, { numeric: true }) > 0);
    const place = next < 0 ? this.#order.length : next;
    this.#grid.insertBefore(chart.root, this.#order[place]?.root ?? null);
    this.#order.splice(place, 0, chart);
    this.#seen.observe(chart.root);
    this.#sized.observe(chart.canvas);
    this.#showWhetherEmpty();
    return chart;
  }

  #remove(key) {
    const chart = this.#charts.get(key);
    if (!chart) return;
    this.#charts.delete(key);
    this.#order.splice(this.#order.indexOf(chart), 1);
    this.#seen.unobserve(chart.root);
    this.#sized.unobserve(chart.canvas);
    chart.root.remove();
    this.#showWhetherEmpty();
  }

  #sighted(entries) {
    for (const { target, isIntersecting } of entries) {
      const chart = this.#charts.get(target.dataset.key);
      if (chart) chart.visible = isIntersecting;
    }
  }

  #resized(entries) {
    for (const { target, contentRect: { width, height } } of entries) {
      this.#charts.get(target.closest('.chart').dataset.key)?.resize(width, height);
    }
  }

  /** Reads the style sheet's colours once, not once per frame. */
  #recolour() {
    const style = getComputedStyle(this.root);
    const lines = new Map();
    this.#colours = {
      font: `11px ${style.fontFamily}`,
      label: style.getPropertyValue('--muted'),
      grid: style.getPropertyValue('--line'),
      line: (chart) => {
        if (!lines.has(chart)) lines.set(chart, getComputedStyle(chart.root).getPropertyValue('--chart-line').trim());
        return lines.get(chart);
      },
    };
    for (const chart of this.#order) chart.touch();
  }
}

/** How to send a value here, for whoever is to do it: also from another machine. */
function emptyBoard(room, announce) {
  const command = () => {
    const address = new URL(`rooms/${encodeURIComponent(room)}?key=boiler.temp&retain=1`, new URL('.', location.href));
    return `curl -d 81.2 '${forOthers(address.href)}'`;
  };
  const shown = element('code', 'share-value', readable(command()));
  const copy = button('text-button', text.copy, () => {});
  setUpCopying(copy, command, announce);
  onAddresses(() => { shown.textContent = readable(command()); });
  return element('div', 'no-charts', element('p', 'no-charts-title', text.noCharts), element('p', 'muted', text.noChartsBody),
    element('p', 'no-charts-command', shown, copy));
}
