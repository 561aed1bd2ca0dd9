// The board of a room: the numbers that are sent to it with a key as charts, and its alarms.

import { ALARM_KEY, Alarms } from './alarms.js';
import { Chart } from './chart.js';
import { ChartDialog } from './chart-dialog.js';
import { csvOf, save } from './csv.js';
import { emptyBoard } from './empty.js';
import { Past } from './past.js';
import { Toolbar } from './toolbar.js';
import { WINDOWS } from './window.js';
import { element } from '../page/dom.js';
import { text } from '../page/text.js';

/** How long drawing may take of one frame: what is not drawn then is drawn in the next. */
const FRAME_BUDGET_MS = 8;
/** From so many on the charts are drawn small, so that fifty are on one screen of a wall. */
const MANY = 25;
const DRAGGED = 'application/x-parlor-keys';
const collator = new Intl.Collator(undefined, { numeric: true });

export class Board {
  root = element('div', 'board');
  #room;
  #charts = new Map();
  #keysOf = new Map();
  #order = [];
  /** Of thousands, few can be seen. */
  #inView = [];
  #turn = 0;
  #past;
  #grid = element('div', 'chart-grid');
  #empty;
  #loading = element('p', 'muted', text.valuesLoading);
  #paused = element('p', 'paused', text.paused);
  #values;
  #descriptions;
  #log;
  #alarms;
  #view;
  #toolbar;
  #dialog;
  #pausedAt = null;
  #skew = null;
  #frame = 0;
  #colours = null;
  #seen = new IntersectionObserver((entries) => this.#sighted(entries), { rootMargin: '50px' });
  #sized = new ResizeObserver((entries) => this.#resized(entries));

  /**
   * Shows a room's `Values`, what is told of them in `Descriptions`, and the alarms of an `AlarmLog`, as a `BoardView` says.
   * The handlers are those of `Alarms`, `setWindow(name)`, and `fetchPast(keys)`.
   */
  constructor(room, { values, descriptions, log, view }, handlers) {
    [this.#room, this.#values, this.#descriptions, this.#log, this.#view] = [room, values, descriptions, log, view];
    this.#alarms = new Alarms(log, handlers);
    this.#alarms.root.hidden = view.isAlone;
    this.#paused.hidden = true;
    this.#empty = emptyBoard(room, handlers.announce);
    this.#toolbar = new Toolbar({
      setWindow: handlers.setWindow,
      togglePause: () => this.#togglePause(),
      toggleGroups: () => this.#toggleGroups(),
      isGrouped: view.grouping.byPrefix,
      isAlone: view.isAlone,
      save: () => this.#save([...this.#shown]),
      wall: this.root,
    });
    this.#past = new Past(handlers.fetchPast);
    this.#dialog = new ChartDialog({
      all: () => this.#shown,
      put: (keys) => this.#put(keys),
      address: (keys) => view.addressOf(keys),
      save: (keys) => this.#save(keys),
    }, handlers.announce);
    this.root.append(element('div', 'board-column', this.#alarms.root,
      element('section', 'charts', this.#toolbar.root, this.#paused, this.#grid, this.#loading, this.#empty)), this.#dialog.root);
    this.root.classList.toggle('alone', view.isAlone);
    this.root.tabIndex = 0;
    this.root.setAttribute('role', 'region');
    this.root.setAttribute('aria-label', text.board);
    this.root.hidden = true;
    this.#toolbar.showWindow(view.window);
    this.#takeDrops();
    this.#showWhetherEmpty();
    for (const colours of ['(prefers-color-scheme: dark)', '(forced-colors: active)']) {
      matchMedia(colours).addEventListener('change', () => this.#recolour());
    }
  }

  /** Begins anew: all keys have what the room's answer had for them. */
  begin() {
    this.#past.begin();
    this.reset();
  }

  /** All keys have what the answer for another window had for them. */
  filled() {
    this.#past.begin();
    this.redraw();
    this.#fillPast();
  }

  /** Shows what there is, as it is to be seen now. */
  reset() {
    for (const chart of [...this.#charts.values()]) this.#drop(chart);
    this.#keysOf.clear();
    const keys = this.#shown;
    for (const key of keys) this.#membersOf(key).add(key);
    for (const id of this.#keysOf.keys()) this.#draw(id);
    this.#toolbar.showWindow(this.#view.window);
    this.#alarms.show();
    this.#showWhetherEmpty();
  }

  /** The keys that are shown, in the order that people count. */
  get #shown() {
    return [...this.#values.keys()].filter((key) => this.#view.shows(key)).sort(collator.compare);
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
    if (!this.#view.shows(key)) return;
    if (this.#values.get(key)) this.#touch(key);
    else this.#forget(key);
  }

  /** What is told of keys has changed, or their past. */
  redraw() {
    for (const chart of this.#order) chart.redraw();
  }

  show() {
    this.root.hidden = false;
    this.#recolour();
    this.#frame ||= requestAnimationFrame(() => this.#step());
  }

  hide() {
    this.root.hidden = true;
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  #step() {
    this.#frame = requestAnimationFrame(() => this.#step());
    const now = this.#pausedAt ?? this.#now();
    const end = performance.now() + FRAME_BUDGET_MS;
    const inView = this.#inView;
    for (let n = 0; n < inView.length && performance.now() < end; n += 1) {
      this.#turn = (this.#turn + 1) % inView.length;
      const chart = inView[this.#turn];
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

  #toggleGroups() {
    this.#view.grouping.togglePrefix();
    this.#view.keep();
    this.reset();
    return this.#view.grouping.byPrefix;
  }

  /** Puts keys into one chart. */
  #put(keys) {
    this.#view.grouping.put(keys);
    this.#view.keep();
    this.reset();
  }

  #save(keys) {
    const now = this.#pausedAt ?? this.#now();
    const csv = csvOf(keys, {
      series: (key) => this.#values.get(key),
      unit: (key) => this.#descriptions.of(key).unit,
      begin: now - WINDOWS.get(this.#view.window),
      end: now,
    });
    save(csv, `${this.#room} ${new Date(now).toISOString().slice(0, 19).replaceAll(':', '.')}.csv`);
  }

  // Charts, each of some keys.

  #membersOf(key) {
    const id = this.#view.grouping.chartOf(key);
    if (!this.#keysOf.has(id)) this.#keysOf.set(id, new Set());
    return this.#keysOf.get(id);
  }

  #touch(key) {
    const members = this.#membersOf(key);
    const id = this.#view.grouping.chartOf(key);
    if (members.has(key)) return this.#charts.get(id).touch();
    members.add(key);
    this.#draw(id);
    return this.#showWhetherEmpty();
  }

  #forget(key) {
    const id = this.#view.grouping.chartOf(key);
    const members = this.#keysOf.get(id);
    if (!members?.delete(key)) return;
    if (members.size === 0) this.#keysOf.delete(id);
    this.#draw(id);
    this.#showWhetherEmpty();
  }

  /** Makes the chart of that name one of its keys, in place of the one there was. */
  #draw(id) {
    if (this.#charts.has(id)) this.#drop(this.#charts.get(id));
    const members = this.#keysOf.get(id);
    if (!members) return;
    const chart = new Chart(id, [...members].sort(collator.compare), {
      source: {
        values: (key) => this.#values.get(key),
        described: (key) => this.#descriptions.of(key),
        isSilent: (key) => this.#log.isSilent(key),
      },
      windowName: this.#view.window,
      windowMs: WINDOWS.get(this.#view.window),
      choose: ({ keys }) => this.#dialog.open(keys),
    });
    this.#charts.set(id, chart);
    const place = this.#placeOf(id);
    this.#grid.insertBefore(chart.root, this.#order[place]?.root ?? null);
    this.#order.splice(place, 0, chart);
    this.#letDrag(chart);
    this.#seen.observe(chart.root);
    this.#sized.observe(chart.frame);
  }

  #placeOf(id) {
    let [low, high] = [0, this.#order.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (collator.compare(this.#order[middle].id, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #drop(chart) {
    this.#charts.delete(chart.id);
    this.#order.splice(this.#order.indexOf(chart), 1);
    if (chart.visible) this.#inView = this.#inView.filter((other) => other !== chart);
    this.#seen.unobserve(chart.root);
    this.#sized.unobserve(chart.frame);
    chart.root.remove();
  }

  // A chart that is dragged onto another is drawn in it.

  #letDrag(chart) {
    chart.head.draggable = !this.#view.isAlone;
    chart.head.addEventListener('dragstart', ({ dataTransfer }) => {
      dataTransfer.setData(DRAGGED, JSON.stringify(chart.keys));
      dataTransfer.effectAllowed = 'move';
    });
  }

  #takeDrops() {
    const chartAt = ({ target }) => this.#charts.get(target.closest?.('.chart')?.dataset.key);
    const showTarget = (chart) => {
      for (const other of this.#order) other.root.classList.toggle('dropping', other === chart);
    };
    this.#grid.addEventListener('dragover', (event) => {
      if (!event.dataTransfer.types.includes(DRAGGED)) return;
      event.preventDefault();
      showTarget(chartAt(event));
    });
    this.#grid.addEventListener('dragend', () => showTarget(null));
    this.#grid.addEventListener('drop', (event) => {
      const [target, dragged] = [chartAt(event), event.dataTransfer.getData(DRAGGED)];
      showTarget(null);
      if (!dragged) return;
      event.preventDefault();
      if (target) this.#put([...new Set([...target.keys, ...JSON.parse(dragged)])]);
    });
  }

  #sighted(entries) {
    for (const { target, isIntersecting } of entries) this.#charts.get(target.dataset.key)?.see(isIntersecting);
    this.#inView = this.#order.filter(({ visible }) => visible);
    this.#fillPast();
  }

  #fillPast() {
    this.#past.fill(this.#values.size, () => this.#inView.flatMap(({ keys }) => keys));
  }

  #resized(entries) {
    for (const { target, contentRect: { width, height } } of entries) {
      this.#charts.get(target.closest('.chart')?.dataset.key)?.resize(width, height);
    }
  }

  /** Reads the style sheet's colours once, not once per frame. */
  #recolour() {
    const style = getComputedStyle(this.root);
    const colour = (name) => style.getPropertyValue(name).trim();
    const lines = new WeakMap();
    this.#colours = {
      font: `11px ${style.fontFamily}`,
      label: colour('--muted'),
      grid: colour('--line'),
      paper: colour('--surface'),
      severity: { critical: colour('--bad'), warning: colour('--warn'), info: colour('--muted') },
      line: (node) => {
        if (!lines.has(node)) lines.set(node, getComputedStyle(node).getPropertyValue('--chart-line').trim());
        return lines.get(node);
      },
    };
    for (const chart of this.#order) chart.redraw();
  }
}
