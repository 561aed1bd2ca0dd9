// Alarms: raised by the plant, acknowledged by a person, cleared by the plant.
//
// An alarm is a retained message with the key `alarm.<name>` and data
//   {"alarm": "raised" | "acknowledged" | "cleared", "text": …, "severity": "critical" | "warning" | "info",
//    "raised_at"?: ms, "by"?: name, "acknowledged_at"?: ms}
// The message's own time is that of the change. What a change leaves out stays as it was: the server's retained state goes
// on with what was known before, for those who come later. `null` as data removes the alarm.

import { button, element } from '../page/dom.js';
import { formatFull, formatMoment } from '../page/locale.js';
import { Siren } from './siren.js';
import { text } from '../page/text.js';

export const ALARM_KEY = /^alarm\.(.+)/;
const STATES = ['raised', 'acknowledged', 'cleared'];
/** So many stay in the list when they are over. */
const JUST_CLEARED = 2;
/** The year 2000 in milliseconds: what is less are seconds, or those since a machine was started. */
const EARLIEST_MS = 946_684_800_000;
const SEVERITIES = ['critical', 'warning', 'info'];

/** The alarm after a message, or null if the message is no alarm. `before` is what was known of it. */
export function alarmAfter({ key, data, at, from }, before = {}) {
  const [, name] = ALARM_KEY.exec(key) ?? [];
  if (!name || !STATES.includes(data?.alarm)) return null;
  const isNew = data.alarm === 'raised' && before.state !== 'raised';
  const known = isNew ? { text: before.text, severity: before.severity } : before;
  const alarm = {
    key,
    name,
    state: data.alarm,
    text: string(data.text) ?? known.text ?? name,
    severity: SEVERITIES.includes(data.severity) ? data.severity : known.severity ?? 'warning',
    raisedAt: time(data.raised_at) ?? known.raisedAt ?? (data.alarm === 'raised' ? at : null),
    by: string(data.by) ?? known.by ?? null,
    acknowledgedAt: time(data.acknowledged_at) ?? known.acknowledgedAt ?? null,
    clearedAt: data.alarm === 'cleared' ? at : null,
  };
  if (data.alarm === 'acknowledged') {
    alarm.by ??= from.name;
    alarm.acknowledgedAt ??= at;
  }
  return alarm;
}

const string = (value) => (typeof value === 'string' && value !== '' ? value.slice(0, 500) : null);
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

  /** Those that wait for somebody first, then by severity and age. */
  get list() {
    return [...this.#alarms.values()].sort((a, b) =>
      STATES.indexOf(a.state) - STATES.indexOf(b.state)
      || SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity)
      || b.raisedAt - a.raisedAt);
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
  #siren = new Siren();
  #handlers;

  /**
   * Shows an `AlarmLog`. The handlers: `publish(data, key)`, `mayPublish()`, `you()` gives one's name, `announce(text)`.
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
    const active = alarms.filter(({ state }) => state !== 'cleared');
    const cleared = alarms.filter(({ state }) => state === 'cleared').sort((a, b) => b.clearedAt - a.clearedAt);
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
    this.#fill(this.#list, [...active, ...cleared]);
    this.#fill(this.#overList, over);
    this.#siren.sound(alarms.some(({ state }) => state === 'raised'));
  }

  /** A button in use keeps the focus: it is found again by its alarm. */
  #fill(list, alarms) {
    const focused = list.contains(document.activeElement) && document.activeElement.closest('li').dataset.key;
    list.replaceChildren(...alarms.map((alarm) => this.#row(alarm)));
    if (focused) list.querySelector(`li[data-key="${CSS.escape(focused)}"] button`)?.focus();
  }

  /** One after the other: a failure leaves the rest. */
  async #removeOver() {
    this.#removeAll.disabled = true;
    const over = this.#log.list.filter(({ state }) => state === 'cleared');
    try {
      for (const { key } of over) await this.#handlers.publish(null, key);
    } catch {
      this.#handlers.announce(text.alarmFailed);
    }
    this.#removeAll.disabled = false;
  }

  #row(alarm) {
    const said = element('div', 'alarm-words',
      element('p', 'alarm-text', element('span', 'severity', text.severity[alarm.severity]), ' ', alarm.text),
      element('p', 'alarm-times muted', ...this.#times(alarm)));
    const row = element('li', `alarm ${alarm.state} ${alarm.severity}`, said);
    row.dataset.key = alarm.key;
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

  #action(label, className, { key, text: what }, data) {
    const node = button(className, label, async () => {
      node.disabled = true;
      await this.#handlers.publish(data(), key).catch(() => this.#handlers.announce(text.alarmFailed));
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
