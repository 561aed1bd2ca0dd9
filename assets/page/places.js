// The rooms that are open, and the conversations with one person: what each knows, and the list of them.

import { ALARM_KEY, AlarmLog } from '../board/alarms.js';
import { Descriptions } from '../board/describe.js';
import { Conversation } from './conversation.js';
import { avatar, button, byId, element, icon, showRows } from './dom.js';
import { Members } from './people.js';
import { pageAddress } from './room.js';
import { Values } from '../board/series.js';
import { BoardView } from '../board/view.js';
import { WINDOWS } from '../board/window.js';
import { storage } from './storage.js';
import { text } from './text.js';

const CROSS = 'M6 6l8 8M14 6l-8 8';

/** A room, or a conversation with one person. */
export class Place {
  members = new Members();
  values = new Values();
  descriptions = new Descriptions();
  alarms = new AlarmLog();
  view = 'chat';
  /** How its board is looked at; an address may say so. */
  boardView;
  board = null;
  unread = 0;
  /** The room was entered, so that it is known what was said there. */
  isEntered = false;
  /** Why one is not in the room, `{title, body, mayReturn}`; null for who is, or waits to be. */
  barred = null;
  /** The room's position, and up to where it was read. */
  epoch = null;
  offset = 0;
  /** The message that is to be shown, `{offset, epoch}`, once it is there. */
  target = null;
  /** Where the room was when it was last joined: what comes after is live. */
  joinedOffset = 0;
  readOffset = null;
  /** When the room was found to have begun anew, without the alarms that were known before. */
  beganAt = null;
  hadAlarms = false;
  /** The timer after which it is asked who is here. */
  listing = 0;
  /** When it was last said that messages were lost on the way. */
  gapToldAt = 0;
  /** When the connection was lost, until the room is entered again. */
  lostAt = null;

  constructor(name, isDirect, conversation) {
    this.name = name;
    this.isDirect = isDirect;
    this.lookAt(new BoardView(name));
    this.conversation = new Conversation({ ...conversation(this), label: this.title(text.conversation) });
  }

  static keyOf(name, isDirect) {
    return isDirect ? `@${name.normalize('NFKC').toLowerCase()}` : `#${name}`;
  }

  /** Whether there are alarms, or were when the page was last here. */
  get hasAlarms() {
    return this.alarms.isKnown ? this.alarms.list.length > 0 : this.hadAlarms;
  }

  /** Whether it is told beside what is said who is here. */
  get hasMembers() {
    return !this.isDirect && !this.barred && this.view === 'chat';
  }

  get key() {
    return Place.keyOf(this.name, this.isDirect);
  }

  /** The name as people read it, in a sentence if one is given. */
  title(sentence = (name) => name) {
    return sentence(this.isDirect ? `@${this.name}` : this.name);
  }

  /** What the page's address says beside the name and the view. */
  get fields() {
    return this.view === 'board' ? this.boardView.fields : {};
  }

  /** Its board is looked at like this from now on. */
  lookAt(boardView) {
    this.boardView = boardView;
    this.values.windowMs = WINDOWS.get(boardView.window);
  }

  /** Forgets what was said here, and who was here. */
  empty() {
    this.conversation.clear();
    this.values.clear();
    this.descriptions.clear();
    this.alarms.clear();
    this.board?.reset();
    this.members = new Members();
  }

  /** Begins with what the room retains, and the numbers that each key had lately. */
  begin({ retained, series = [] }) {
    const state = retained.filter(({ key }) => key !== undefined);
    const [alarms, values] = [true, false].map((is) => state.filter(({ key }) => ALARM_KEY.test(key) === is));
    this.values.begin(series.filter(({ key }) => !ALARM_KEY.test(key)), values);
    this.descriptions.clear();
    for (const message of values) this.descriptions.take(message);
    this.alarms.clear();
    this.alarms.isKnown = true;
    for (const message of alarms) this.alarms.take(message);
    this.board?.begin();
  }

  /** Takes a message with a key. Gives `{alarm, isNew}` if it is an alarm's. */
  keep(message, isLive) {
    const isAlarm = ALARM_KEY.test(message.key);
    const change = isAlarm ? this.alarms.take(message) : {};
    if (!isAlarm) this.values.take(message, isLive);
    if (!isAlarm && this.descriptions.take(message)) this.board?.redraw();
    this.board?.add(message, isLive);
    return change;
  }

  get draft() {
    return storage.get(`draft.${this.key}`, '');
  }

  set draft(written) {
    storage.set(`draft.${this.key}`, written || null);
  }
}

/** All that are open, one of them current, listed at the side. */
export class Places {
  current = null;
  #open = new Map();
  #views = byId('views');
  #rooms = byId('rooms');
  #directs = byId('directs');
  #handlers;

  /** The handlers: `conversation(place)` with what a Conversation needs, `go(place)`, `leave(place)`. */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  [Symbol.iterator]() {
    return this.#open.values();
  }

  get(name, isDirect = false) {
    return this.#open.get(Place.keyOf(name, isDirect));
  }

  /** The place, opened if it was not. */
  open(name, isDirect = false) {
    const known = this.get(name, isDirect);
    if (known) return known;
    const place = new Place(name, isDirect, this.#handlers.conversation);
    this.#open.set(place.key, place);
    this.#views.append(place.conversation.root);
    this.show();
    return place;
  }

  close(place) {
    this.#open.delete(place.key);
    place.conversation.root.remove();
    place.board?.root.remove();
    if (this.current === place) this.current = null;
    this.save();
    this.show();
  }

  /** A person has another name, and so has the conversation with them. */
  rename(place, name) {
    if (this.get(name, true)) return;
    this.#open.delete(place.key);
    place.name = name;
    this.#open.set(place.key, place);
    this.show();
  }

  get unread() {
    let sum = 0;
    for (const { unread } of this) sum += unread;
    return sum;
  }

  /** How many alarms nobody has acknowledged, in all rooms. */
  get raised() {
    let sum = 0;
    for (const { alarms } of this) sum += alarms.raised;
    return sum;
  }

  /** The rooms that were open when the page was last here, with what was read. */
  static remembered() {
    return storage.get('rooms', []);
  }

  save() {
    // A chart that is alone in another page is not a place where one was.
    if ([...this].some(({ boardView }) => boardView.isAlone)) return;
    const rooms = [...this].filter(({ isDirect }) => !isDirect);
    storage.set('rooms', rooms.map(({ name, epoch, readOffset, beganAt, hasAlarms }) =>
      ({ name, epoch, offset: readOffset, beganAt: beganAt ?? undefined, hasAlarms: hasAlarms || undefined })));
  }

  show() {
    const places = [...this];
    showRows(this.#rooms, places.filter(({ isDirect }) => !isDirect).map((place) => this.#row(place)));
    showRows(this.#directs, places.filter(({ isDirect }) => isDirect).map((place) => this.#row(place)));
    byId('directs-title').hidden = this.#directs.children.length === 0;
    const elsewhere = places.filter((place) => place !== this.current);
    byId('menu').classList.toggle('has-news', elsewhere.some(({ unread, alarms }) => unread + alarms.raised > 0));
    byId('menu').classList.toggle('has-alarms', elsewhere.some(({ alarms }) => alarms.raised > 0));
    const here = this.current?.alarms.raised ?? 0;
    byId('board-alarms').replaceChildren(...here > 0 ? [alarmBadge(here)] : []);
    byId('view-board').setAttribute('aria-label', here > 0 ? `${text.board} ${here} ${text.alarmsRaised}` : text.board);
  }

  #row(place) {
    const sign = place.isDirect ? avatar(place.name) : element('span', 'sign', '#');
    sign.setAttribute('aria-hidden', 'true');
    const link = element('a', 'place', sign, element('span', 'place-name', place.name));
    link.href = pageAddress(place);
    if (place === this.current) link.setAttribute('aria-current', 'page');
    const { raised } = place.alarms;
    if (raised > 0) link.append(alarmBadge(raised));
    if (place.unread > 0) {
      const badge = element('span', 'badge', place.unread > 99 ? '99+' : String(place.unread));
      badge.append(element('span', 'visually-hidden', ` ${text.unread}`));
      link.append(badge);
    }
    link.addEventListener('click', (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.#handlers.go(place);
    });
    const leave = button('icon-button leave', icon(CROSS), () => this.#handlers.leave(place));
    leave.title = place.isDirect ? text.closeDirect(place.name) : text.leaveRoom(place.name);
    leave.setAttribute('aria-label', leave.title);
    const row = element('li', 'place-row', link, leave);
    row.dataset.key = place.key;
    return row;
  }
}

function alarmBadge(count) {
  const badge = element('span', 'badge alarm-badge', String(count));
  badge.append(element('span', 'visually-hidden', ` ${text.alarmsRaised}`));
  badge.title = text.raisedCount(count);
  return badge;
}
