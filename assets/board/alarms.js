// Alarms: raised by the plant, acknowledged by a person, cleared by the plant.
//
// An alarm is a retained message with the key `alarm.<name>` and data
//   {"alarm": "raised" | "acknowledged" | "cleared", "text": …, "severity": "critical" | "warning" | "info",
//    "raised_at"?: ms, "by"?: name, "acknowledged_at"?: ms, "links"?: [{"text", "href"}]}
// The message's own time is that of the change. What a change leaves out stays as it was: the server's retained state goes
// on with what was known before, for those who come later. `null` as data removes the alarm.

import { button, element, showRows } from '../page/dom.js';
import { formatFull, formatMoment } from '../page/locale.js';
import { isAddress, linkTo } from '../page/links.js';
import { Siren } from './siren.js';
import { text } from '../page/text.js';

export const ALARM_KEY = /^alarm\.(.+)/;
const STATES = ['raised', 'acknowledged', 'cleared'];
/** So many stay in the list when they are over. */
const JUST_CLEARED = 2;
/** The year 2000 in milliseconds: what is less are seconds, or those since a machine was started. */
const EARLIEST_MS = 946_684_800_000;
const SEVERITIES = ['critical', 'warning', 'info'];
/** So many links of one alarm are shown. */
const MOST_LINKS = 5;

/** The alarm after a message, or null if the message is no alarm. `before` is what was known of it. */
export function alarmAfter({ key, data, at, from, offset }, before = {}) {
  const [, name] = ALARM_KEY.exec(key) ?? [];
  if (!name || !STATES.includes(data?.alarm)) return null;
  const isNew = data.alarm === 'raised' && before.state !== 'raised';
  const known = isNew ? { text: before.text, severity: before.severity, links: before.links } : before;
  const alarm = {
    key,
    name,
    offset,
    state: data.alarm,
    text: string(data.text) ?? known.text ?? name,
    severity: SEVERITIES.includes(data.severity) ? data.severity : known.severity ?? 'warning',
    raisedAt: time(data.raised_at) ?? known.raisedAt ?? (data.alarm === 'raised' ? at : null),
    by: string(data.by) ?? known.by ?? null,
    links: linksOf(data.links) ?? known.links ?? [],
    acknowledgedAt: time(data.acknowledged_at) ?? known.acknowledgedAt ?? null,
    clearedAt: data.alarm === 'cleared' ? at : null,
    isSilence: Number.isFinite(data.silent_after) || (!isNew && known.isSilence === true),
  };
  if (data.alarm === 'acknowledged') {
    alarm.by ??= from.name;
    alarm.acknowledgedAt ??= at;
  }
  return alarm;
}

const string = (value) => (typeof value === 'string' && value !== '' ? value.slice(0, 500) : null);
const isLink = (it) => typeof it?.text === 'string' && typeof it.href === 'string'
  && /^https?:\/\//i.test(it.href) && isAddress(it.href);
const linksOf = (value) => (Array.isArray(value) ? value.filter(isLink).slice(0, MOST_LINKS) : null);
/** In milliseconds since 1970: what a date can be made of, to the end of the year 9999. */
const time = (value) => (Number.isFinite(value) && value >= EARLIEST_MS && value < 253_402_300_800_000 ? value : null);

/** What is known of a room's alarms, whether or not its board is shown. */
export class AlarmLog {
  #alarms = new Map();
  /** Whether the room was ever entered: before, nobody knows. */
  isKnown = false;

  clear() {
    this.#alarms.clear();
  }

  /** Takes a message with an alarm's key. Gives `{alarm, isNew}`: what it is now, and whether it was not raised before. */
  take(message) {
    const before = this.#alarms.get(message.key);
    const alarm = alarmAfter(message, before);
    if (message.data === null) this.#alarms.delete(message.key);
    else if (alarm) this.#alarms.set(message.key, alarm);
    return { alarm, isNew: alarm?.state === 'raised' && before?.state !== 'raised' };
  }

  get(key) {
    return this.#alarms.get(key);
  }

  /** Whether the server says that nothing comes with a key that has to keep coming. */
  isSilent(key) {
    const alarm = this.#alarms.get(`alarm.${key}`);
    return Boolean(alarm?.isSilence) && alarm.state !== 'cleared';
  }

  /** Those that wait for somebody first, then by severity and age. */
  get list() {
    return [...this.#alarms.values()].sort((a, b) =>
      STATES.indexOf(a.state) - STATES.indexOf(b.state)
      || SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity)
      || b.raisedAt - a.raisedAt
      || b.offset - a.offset);
  }

  /** How many nobody has acknowledged. */
  get raised() {
    return this.list.filter(({ state }) => state === 'raised').length;
  }
}

/** The list of a room's alarms. */
export class Alarms {
  root = element('section', 'alarms');
  #log;
  #beganAt = null;
  #forgot = element('p', 'paused');
  #list = element('ul', 'alarm-list');
  #none = element('p', 'muted', text.noAlarms);
  /** Those that are over for longer: folded, so that they do not push away what is going on. */
  #over = element('details', 'alarms-over');
  #overTitle = element('summary', 'alarms-over-title');
  #overList = element('ul', 'alarm-list');
  #removeAll;
  #count = element('span', 'badge alarm-badge');
  /** What was said of an alarm that others have changed, as long as it is as they have left it: the words, and its offset. */
  #notes = new Map();
  #siren = new Siren();
  #handlers;

  /**
   * Shows an `AlarmLog`. The handlers: `publish(data, key, offset)` publishes if that is the offset of the key's state,
   * `mayPublish()`, `you()` gives one's name, `announce(text)`.
   */
  constructor(log, handlers) {
    this.#log = log;
    this.#handlers = handlers;
    this.#forgot.hidden = true;
    const sound = button('text-button', text.sound, () => {
      sound.setAttribute('aria-pressed', this.#siren.toggle());
      this.show();
    });
    sound.title = text.soundTip;
    sound.setAttribute('aria-pressed', false);
    const head = element('div', 'board-head', element('h2', '', text.alarms), this.#count, sound);
    this.#removeAll = button('text-button', text.removeAllAlarms, () => this.#removeOver());
    this.#over.append(this.#overTitle, this.#overList, this.#removeAll);
    this.root.append(head, this.#forgot, this.#none, this.#list, this.#over);
    this.show();
  }

  /** The room began anew then, and what was raised before is not known any more. */
  beganAnew(at) {
    this.#beganAt = at;
    this.#forgot.hidden = at === null;
    this.#forgot.textContent = at === null ? '' : text.forgotAlarms(formatMoment(new Date(at)));
    this.show();
  }

  /** Shows what is known now, and what one may do about it. */
  show() {
    const alarms = this.#log.list;
    for (const [key, { offset }] of this.#notes) if (this.#log.get(key)?.offset !== offset) this.#notes.delete(key);
    const active = alarms.filter(({ state }) => state !== 'cleared');
    const cleared = alarms.filter(({ state }) => state === 'cleared').sort((a, b) =>
      b.clearedAt - a.clearedAt || b.offset - a.offset);
    const over = cleared.splice(JUST_CLEARED);
    this.#count.hidden = active.length === 0;
    this.#count.textContent = active.length;
    this.#count.title = text.alarmCount(active.length);
    this.#none.hidden = active.length + cleared.length > 0;
    this.#none.textContent = this.#beganAt === null ? text.noAlarms : text.noAlarmsSince;
    if (!this.#log.isKnown) this.#none.textContent = text.alarmsLoading;
    this.#over.hidden = over.length === 0;
    this.#overTitle.textContent = text.alarmsOver(over.length);
    this.#removeAll.hidden = !this.#handlers.mayPublish();
    showRows(this.#list, [...active, ...cleared].map((alarm) => this.#row(alarm)));
    showRows(this.#overList, over.map((alarm) => this.#row(alarm)));
    this.#siren.sound(alarms.some(({ state }) => state === 'raised'));
  }

  /** One after the other: a failure leaves the rest. */
  async #removeOver() {
    this.#removeAll.disabled = true;
    const over = this.#log.list.filter(({ state }) => state === 'cleared');
    try {
      for (const { key, offset } of over) await this.#change(null, key, offset);
    } catch {
      this.#handlers.announce(text.alarmFailed);
    }
    this.#removeAll.disabled = false;
  }

  #row(alarm) {
    const said = element('div', 'alarm-words',
      element('p', 'alarm-text', element('span', 'severity', text.severity[alarm.severity]), ' ', alarm.text),
      element('p', 'alarm-times muted', ...this.#times(alarm)));
    if (alarm.links.length > 0) {
      const links = alarm.links.map(({ text: name, href }) => linkTo(href, string(name) ?? href));
      said.append(element('p', 'alarm-links', ...links));
    }
    const row = element('li', `alarm ${alarm.state} ${alarm.severity}`, said);
    row.dataset.key = alarm.key;
    const note = this.#notes.get(alarm.key);
    if (note?.offset === alarm.offset) said.append(element('p', 'alarm-note', note.words));
    if (!this.#handlers.mayPublish()) return row;
    if (alarm.state === 'raised') {
      row.append(this.#action(text.acknowledge, 'main-button', alarm, () => this.#acknowledgement(alarm)));
    } else if (alarm.state === 'cleared') {
      row.append(this.#action(text.removeAlarm, 'text-button', alarm, () => null));
    }
    return row;
  }

  #times({ name, raisedAt, by, acknowledgedAt, clearedAt }) {
    const parts = [element('span', 'key', name)];
    if (raisedAt !== null) parts.push(timeElement(raisedAt, text.raisedAt));
    if (acknowledgedAt !== null) parts.push(timeElement(acknowledgedAt, (at) => text.acknowledgedBy(by, at)));
    if (clearedAt !== null) parts.push(timeElement(clearedAt, text.clearedAt));
    return parts;
  }

  /** Changes an alarm if it is as it was shown. If others were quicker, it is shown as it is now, and said who that was. */
  async #change(data, key, offset) {
    try {
      await this.#handlers.publish(data, key, offset);
    } catch (error) {
      if (error.code !== 'conflict') throw error;
      this.#showOthers(key, error.current);
    }
  }

  #showOthers(key, current) {
    // What is told of it comes as for everyone, before or after this.
    if (current && !(this.#log.get(key)?.offset > current.offset)) this.#log.take(current);
    const alarm = this.#log.get(key);
    const words = current && alarm ? text.changedMeanwhile[alarm.state](alarm.by) : text.removedMeanwhile;
    if (current) this.#notes.set(key, { offset: current.offset, words });
    this.#handlers.announce(words);
    this.show();
  }

  #action(label, className, { key, text: what, offset }, data) {
    const node = button(className, label, async () => {
      node.disabled = true;
      await this.#change(data(), key, offset).catch(() => this.#handlers.announce(text.alarmFailed));
      node.disabled = false;
    });
    node.setAttribute('aria-label', `${label}: ${what}`);
    return node;
  }

  #acknowledgement({ text: what, severity, raisedAt }) {
    return {
      alarm: 'acknowledged',
      text: what,
      severity,
      raised_at: raisedAt,
      by: this.#handlers.you(),
      acknowledged_at: Date.now(),
    };
  }
}

function timeElement(at, sentence) {
  const date = new Date(at);
  const node = element('time', '', sentence(formatMoment(date)));
  node.dateTime = date.toISOString();
  node.title = formatFull(date);
  return node;
}

/** What a change of an alarm says, in a conversation: `{severity, state, text}` as people read them. */
export const wordsOf = ({ state, severity, text: what, by }) =>
  ({ severity: text.severity[severity], state: text.alarmStates[state](by), text: what });
