// What people can do: open and leave rooms, write, use commands, change their name.

import { ALARM_KEY, alarmAfter } from '../board/alarms.js';
import { Board } from '../board/board.js';
import { BoardView } from '../board/view.js';
import { Attach, Transfers } from './attach.js';
import { byId } from './dom.js';
import { addressee, banOf, commandsFor, parse, usage } from './commands.js';
import { Composer, commandList } from './composer.js';
import { Jump } from './conversation.js';
import { byteLength, summary } from './message.js';
import { nameRefusal } from './naming.js';
import { TypingSender } from './people.js';
import { Places } from './places.js';
import { DEFAULT_ROOM, addressed, isRoomName, pageAddress } from './room.js';
import { Search } from './search.js';
import { text } from './text.js';
import { allows } from './token.js';
import { WINDOWS, pastOf } from '../board/window.js';
import { Welcome, setUpCopying, shareAddress } from './welcome.js';

const FIRST_MESSAGES = 100;
const EARLIER_MESSAGES = 100;
/** What a command has beside the text and the name of who it is for: its type, its id, and what it is known by if it is repeated. */
const ENVELOPE_BYTES = 120;

export class Actions {
  #parlor;
  #page;
  #jump = new Jump();
  #welcome;
  #search;
  #composer;
  #typing;
  #attach;
  #transfers;

  /**
   * The page: `announce(text)`, `moved()` when another place is current, `closePanels()`.
   */
  constructor(parlor, page) {
    this.#parlor = parlor;
    this.#page = page;
    this.#welcome = new Welcome(page.announce, {
      enter: (place) => this.#enter(place),
      open: (room) => this.go(this.openRoom(room)),
    });
    this.places = new Places({
      conversation: (place) => this.#conversationOf(place),
      go: (place) => this.go(place),
      leave: (place) => this.leave(place),
    });
    this.#composer = new Composer({
      submit: (written) => this.#submit(written),
      changed: (written) => this.#changed(written),
      commands: () => commandsFor(parlor.rights),
    });
    this.#typing = new TypingSender((data) => {
      // Nobody misses it when it is lost.
      parlor.publish(this.places.current.name, data, { ephemeral: true }).catch(() => {});
    });
    this.#transfers = new Transfers(parlor, page.announce, (place) => this.showWelcome(place));
    this.#attach = new Attach({
      take: (files) => { for (const file of files) this.#transfers.send(this.places.current, file); },
      mayTake: () => this.#mayAttach(this.places.current),
    });
    this.#setUpRoomForm();
    this.#search = new Search(parlor, (message) => this.entry(message), () => (this.#maySearch() ? this.places.current.name : null));
    setUpCopying(byId('copy-link'), () => shareAddress(this.places.current), page.announce);
    for (const view of ['chat', 'board']) {
      byId(`view-${view}`).addEventListener('click', () => this.go(this.places.current, view));
    }
  }

  // Places.

  /** Opens what was open before, and shows what the address asks for. */
  restore() {
    const remembered = Places.remembered();
    this.followAddress();
    if (this.places.current?.boardView.isAlone) return;
    for (const room of remembered) if (isRoomName(room.name)) this.openRoom(room.name, room);
  }

  followAddress() {
    const { name, isDirect, view, board, at } = addressed();
    if (isDirect) return this.#show(this.openDirect(name), 'chat');
    if (isRoomName(name)) return this.#follow(name, view, board, at);
    return this.#showNowhere(text.badRoom, `${text.roomNames} ${text.chooseRoom}`);
  }

  /** Goes to an address of this page, as a step in the browser's history. */
  open(address) {
    history.pushState(null, '', address);
    this.followAddress();
    this.#page.closePanels();
  }

  #follow(name, view, board, at) {
    const known = this.places.get(name);
    const place = known ?? this.openRoom(name, undefined, new BoardView(name, board));
    place.target = at;
    this.#show(place, view);
    this.arrive(place);
    if (known && board.window && board.window !== place.boardView.window) this.#setWindow(place, board.window);
  }

  /** Opens a room, if it is not open; `read` is how far it was read before. */
  openRoom(name, read = Places.remembered().find((room) => room.name === name), boardView = new BoardView(name)) {
    const known = this.places.get(name);
    if (known) return known;
    const place = this.places.open(name);
    place.lookAt(boardView);
    if (read) {
      [place.epoch, place.readOffset] = [read.epoch, read.offset];
      [place.beganAt, place.hadAlarms] = [read.beganAt ?? null, read.hasAlarms ?? false];
    }
    this.#enter(place);
    return place;
  }

  async #enter(place) {
    try {
      await this.#parlor.join(place.name, { last: FIRST_MESSAGES, series: place.boardView.asked });
      this.#bar(place, null);
    } catch (error) {
      if (error.code !== 'not_joined') this.#bar(place, this.#notEntered(place, error));
    }
  }

  #notEntered(place, { code, ban }) {
    if (code === 'banned') return { title: text.bannedFrom(place.name), body: text.bannedBecause(ban), mayReturn: true };
    if (code === 'not_allowed') return this.#notAllowed(place);
    return { title: text.cannotJoin(place.name), body: text.failure(code), mayReturn: true };
  }

  /** One is not in a room any more: nothing of it is shown. */
  putOut(left) {
    const { room, reason, code } = left;
    const place = this.places.get(room);
    if (!place) return;
    place.empty();
    if (code) return this.#bar(place, this.#notEntered(place, left));
    const isAllowed = this.#may('subscribe', room);
    const why = { title: text.putOut(room), body: text.putOutBecause(reason), mayReturn: true };
    this.#bar(place, isAllowed ? why : this.#notAllowed(place));
  }

  /** One is here by another token, or by none: enters what it allows, and says what it does not. */
  rightsChanged() {
    for (const place of this.places) {
      if (place.barred && !place.barred.mayReturn && this.#may('subscribe', place.name)) this.#enter(place);
      place.board?.rightsChanged();
    }
    if (!this.places.current) return;
    this.#allowWriting(this.places.current);
    this.showWelcome(this.places.current);
  }

  #may(what, room) {
    const { rights } = this.#parlor;
    return !rights || allows(rights[what], room);
  }

  #notAllowed({ name }) {
    const { subscribe } = this.#parlor.rights;
    const other = [DEFAULT_ROOM, ...subscribe].find((room) => isRoomName(room) && allows(subscribe, room));
    return { title: text.notAllowed(name), body: text.allowed(subscribe), mayReturn: false, other };
  }

  #bar(place, why) {
    if (place.barred === why) return;
    place.barred = why;
    if (place === this.places.current) this.#show(place, place.view);
  }

  openDirect(name) {
    return this.places.open(name, true);
  }

  /** Makes a place current, as a step in the browser's history. */
  go(place, view = place.view) {
    const isElsewhere = place !== this.places.current || view !== place.view;
    this.#show(place, view);
    if (isElsewhere) history.pushState(null, '', pageAddress(place));
    this.#page.closePanels();
    this.focus();
  }

  /** Ready to write, where that brings up no keyboard on the screen. */
  focus() {
    if (!matchMedia('(pointer: coarse)').matches && this.places.current?.view === 'chat' && !document.querySelector('.gated')) {
      this.#composer.focus();
    }
  }

  leave(place) {
    if (!place.isDirect) this.#parlor.leave(place.name).catch(() => {});
    const wasCurrent = place === this.places.current;
    this.places.close(place);
    const [next] = this.places;
    if (!wasCurrent) this.#page.moved();
    else if (next) this.go(next);
    else this.#showNowhere(text.nowhere, text.chooseRoom);
  }

  #show(place, view) {
    this.places.current?.conversation.hide();
    this.places.current?.board?.hide();
    if (this.places.current && this.places.current !== place) this.places.current.target = null;
    this.places.current = place;
    place.view = view;
    place.unread = 0;
    if (view === 'board') place.board ??= this.#boardOf(place);
    if (!place.barred && view === 'board') place.board.show();
    else if (!place.barred) place.conversation.show();
    if (place.barred || view === 'board') this.#jump.hide();
    this.#showFrame(place);
    this.showWelcome(place);
    this.#composer.edit(place.draft, place.title(text.messageTo));
    this.#allowWriting(place);
    this.read();
    this.places.save();
    this.#page.moved();
  }

  #allowWriting(place) {
    const mayWrite = place.isDirect || this.#may('publish', place.name);
    this.#composer.forbid(mayWrite ? null : text.mayNotWrite(place.name));
    this.#attach.offer(this.#mayAttach(place) ? place.name : null);
  }

  #mayAttach(place) {
    const isChat = place && !place.isDirect && !place.barred && place.view === 'chat';
    return Boolean(isChat && this.#parlor.limits.file && this.#may('publish', place.name));
  }

  #boardOf(place) {
    const publish = (data, key, ifOffset) => this.#parlor.publish(place.name, data, { key, retain: true, ifOffset });
    const { values, descriptions, alarms: log, boardView: view } = place;
    const board = new Board(place.name, { values, descriptions, log, view }, {
      setWindow: (name) => this.#setWindow(place, name),
      fetchPast: (keys) => this.#fetchPast(place, pastOf(view.window, keys)),
      publish,
      mayPublish: () => this.#may('publish', place.name),
      you: () => this.#parlor.you?.name,
      announce: this.#page.announce,
    });
    byId('views').append(board.root);
    board.reset();
    board.beganAnew(place.beganAt);
    return board;
  }

  /** Shows another window of a board, and what the server knows of it. */
  async #setWindow(place, name) {
    if (!WINDOWS.has(name)) return;
    place.boardView.window = name;
    place.lookAt(place.boardView);
    place.board?.reset();
    if (place === this.places.current) history.replaceState(history.state, '', pageAddress(place));
    try {
      await this.#fetchPast(place, place.boardView.asked);
      place.board?.filled();
    } catch { /* Then there is what has come so far. */ }
  }

  /** Takes what the server knows of the past, unless another window is shown meanwhile. */
  async #fetchPast(place, asked) {
    const { window } = place.boardView;
    const series = await this.#parlor.series(place.name, { ...asked });
    if (place.boardView.window !== window) return;
    place.values.fill(series);
    place.board?.redraw();
  }

  #maySearch(place = this.places.current) {
    return Boolean(place) && !place.isDirect && !place.barred;
  }

  /** Shows the message that the address asks for, if the room has got so far; `isAll`: and also if it will not. */
  async arrive(place, isAll = false) {
    const { target: at } = place;
    if (!at || !place.isEntered || place !== this.places.current || (!isAll && place.offset < at.offset)) return;
    place.target = null;
    const isSameEpoch = !at.epoch || at.epoch === place.epoch;
    const entry = isSameEpoch ? place.conversation.reveal(at.offset) : null;
    if (entry) return void this.#page.announce(`${entry.from.name}: ${summary(entry)}`);
    if (isSameEpoch && await this.#search.showAt(place.name, at.offset).catch(() => false)) return;
    // The room goes on knowing an alarm whose message it does not keep any more.
    const isAlarm = isSameEpoch && place.alarms.list.some(({ offset }) => offset === at.offset);
    if (isAlarm) this.go(place, 'board');
    else place.conversation.notice(text.messageGone);
  }

  #showFrame(place) {
    const isBoard = place?.view === 'board';
    document.body.classList.toggle('on-board', isBoard);
    document.body.classList.toggle('alone', isBoard && place.boardView.isAlone);
    const title = place?.title((name) => (place.isDirect ? name : `# ${name}`)) ?? 'parlor';
    byId('title').textContent = title;
    byId('title').title = title;
    byId('view-switch').hidden = !place || place.isDirect || Boolean(place.barred);
    byId('search-open').hidden = !this.#maySearch(place);
    byId('copy-link').hidden = !place || place.isDirect;
    byId('people-toggle').disabled = !place || place.isDirect;
    byId('footer').hidden = !place || isBoard || Boolean(place.barred);
    byId('view-chat').setAttribute('aria-pressed', !isBoard);
    byId('view-board').setAttribute('aria-pressed', isBoard);
  }

  #showNowhere(title, body) {
    this.places.current?.conversation.hide();
    this.places.current?.board?.hide();
    this.places.current = null;
    this.#jump.hide();
    this.#showFrame(null);
    this.#welcome.showNowhere(title, body);
    this.#page.moved();
  }

  showWelcome(place) {
    if (place === this.places.current) this.#welcome.show(place, Boolean(this.#parlor.rights), this.#parlor.state.phase);
  }

  /** Whether the reader looks at where something was said: `room`, or else by whom. */
  isLookedAt({ room, by }) {
    const place = room === undefined ? this.places.get(by ?? '', true) : this.places.get(room);
    return Boolean(place) && this.isInView(place);
  }

  /** The rooms one is in, or was when the page was last here. */
  get rooms() {
    const open = [...this.places].filter((place) => !place.isDirect && !place.barred).map(({ name }) => name);
    const remembered = Places.remembered().map(({ name }) => name);
    return [...new Set([...open, ...remembered])].filter((room) => isRoomName(room) && this.#may('subscribe', room));
  }

  isInView(place) {
    return place === this.places.current && !document.hidden;
  }

  /** What is in view is read. */
  read() {
    const place = this.places.current;
    if (!place || document.hidden) return;
    place.unread = 0;
    if (place.readOffset !== null) place.readOffset = place.offset;
  }

  /** A message as conversations hold it; with the alarm that it tells of, as far as that is known. */
  entry(message, alarm = ALARM_KEY.test(message.key) ? alarmAfter(message) : null) {
    const { from, at, data, binary, key, offset } = message;
    return { from, own: from.id === this.#parlor.you?.id, at: new Date(at), data, binary, key, offset, alarm };
  }

  #conversationOf(place) {
    return {
      jump: this.#jump,
      loadEarlier: async (before) => {
        const { messages, more } = await this.#parlor.history(place.name, { before, limit: EARLIER_MESSAGES });
        return { entries: messages.map((message) => this.entry(message)), more };
      },
      actions: {
        resend: (item) => {
          this.#discard(place, item);
          if (item.file) this.#transfers.send(place, item.file);
          else this.#say(place, item.text);
        },
        edit: (item) => { this.#discard(place, item); this.#composer.restore(item.text); },
        discard: (item) => this.#discard(place, item),
      },
    };
  }

  #discard(place, item) {
    place.conversation.outbox.remove(item);
    this.showWelcome(place);
    this.#composer.focus();
  }

  #setUpRoomForm() {
    const field = byId('room');
    const hint = byId('room-hint');
    const showHint = (isWrong) => {
      hint.textContent = isWrong ? text.roomNames : '';
      hint.hidden = !isWrong;
      field.setAttribute('aria-invalid', isWrong);
    };
    field.addEventListener('input', () => showHint(false));
    field.addEventListener('focus', () => this.#listRooms());
    // WebKit takes Enter for its list of suggestions, even where that is empty.
    field.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      byId('room-form').requestSubmit();
    });
    byId('room-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const wanted = field.value.trim().replace(/^#/, '');
      if (!isRoomName(wanted)) return showHint(true);
      field.value = '';
      return this.go(this.openRoom(wanted));
    });
  }

  async #listRooms() {
    const { rooms } = await this.#parlor.rooms().catch(() => ({ rooms: [] }));
    byId('known-rooms').replaceChildren(...rooms.map(({ name, count }) => new Option(`${count}`, name)));
  }

  // Writing.

  #changed(written) {
    const place = this.places.current;
    if (!place) return;
    place.draft = written;
    const others = place.members.count > 1;
    if (!place.isDirect && others) this.#typing.changed(written.trim() !== '' && !written.startsWith('/'));
  }

  /** Takes what was written; says why it cannot be sent. */
  #submit(written) {
    // A command may lead away from here.
    this.places.current.draft = '';
    const { say, name, rest } = parse(written);
    if (say === undefined) return this.#run(name, rest);
    const { current } = this.places;
    const bytes = byteLength(JSON.stringify(say));
    const most = this.#parlor.limits.message - ENVELOPE_BYTES - byteLength(JSON.stringify(current.name));
    if (bytes > most) return text.tooLongHint(bytes, Math.max(0, most));
    this.#typing.said();
    this.#say(this.places.current, say);
    return null;
  }

  async #say(place, said) {
    const item = { text: said };
    const { outbox } = place.conversation;
    outbox.show(item, this.#parlor.state.phase === 'open' ? 'sending' : 'queued');
    if (item.state === 'queued') this.#page.announce(text.queued);
    this.showWelcome(place);
    place.conversation.toEnd();
    try {
      if (place.isDirect) await this.#parlor.direct(place.name, said);
      else await this.#parlor.publish(place.name, said);
      outbox.remove(item);
    } catch (error) {
      outbox.show(item, error.code);
      this.#page.announce(text.notDelivered(error.code));
    }
  }

  #run(name, rest) {
    const command = commandsFor(this.#parlor.rights).find((known) => known.name === name);
    if (!command) return text.unknownCommand(name);
    if (command.takes && !rest) return text.missing(usage(command));
    return this.#commands[name](rest, usage(command));
  }

  /** What each command does; it may say why it cannot. */
  #commands = {
    join: (rest) => {
      const room = rest.replace(/^#/, '');
      if (!isRoomName(room)) return text.roomNames;
      return this.go(this.openRoom(room));
    },
    nick: (name) => {
      this.rename(name).then((refusal) => { if (refusal) this.#composer.refuse(refusal); });
    },
    msg: (rest, usage) => {
      const { to, said } = addressee(rest);
      if (!to) return text.missing(usage);
      const place = this.openDirect(to);
      this.go(place);
      if (said) this.#say(place, said);
    },
    who: () => { this.#listMembers(this.places.current); },
    leave: (room, usage) => {
      const place = room ? this.places.get(room.replace(/^#/, '')) : this.places.current;
      if (!place) return text.missing(usage);
      return this.leave(place);
    },
    close: (name) => { this.#govern(this.#parlor.closePerson(name), text.closedPerson(name), name); },
    empty: (rest) => {
      const room = rest.replace(/^#/, '');
      if (!isRoomName(room)) return text.roomNames;
      return void this.#govern(this.#parlor.emptyRoom(room), text.emptiedRoom(room));
    },
    ban: (rest, usage) => {
      const { name, seconds, reason } = banOf(rest);
      const room = this.#governed();
      if (!name) return text.missing(usage);
      if (!room) return text.banWhere;
      return void this.#govern(this.#parlor.ban({ name, room, seconds, reason }), text.bannedPerson(name, room), name);
    },
    unban: (rest, usage) => {
      const { to } = addressee(rest);
      const room = this.#governed();
      if (!to) return text.missing(usage);
      if (!room) return text.banWhere;
      return void this.#govern(this.#parlor.unban({ name: to, room }), text.unbannedPerson(to, room), to, text.notBanned);
    },
    help: () => { this.#note(this.places.current, commandList(commandsFor(this.#parlor.rights))); },
  };

  /** Puts a line of the page's own into a conversation, where the welcome makes room for it. */
  #note(place, what) {
    place.conversation.notice(what);
    this.showWelcome(place);
  }

  /** The room that an admin has before them. */
  #governed() {
    const { current } = this.places;
    return current.isDirect ? null : current.name;
  }

  /** Tells what became of what an admin did. */
  async #govern(deed, done, name, nobody = text.nobodyNamed) {
    const place = this.places.current;
    try {
      await deed;
      this.#note(place, done);
    } catch (error) {
      this.#composer.refuse(error.code === 'no_such_user' ? nobody(name) : text.failure(error.code));
    }
  }

  async #listMembers(place) {
    if (place.isDirect) return;
    try {
      const { members, count } = await this.#parlor.members(place.name);
      this.#note(place, text.whoIsHere(members.map((member) => member.name).join(', '), count - members.length));
    } catch (error) {
      this.#composer.refuse(text.failure(error.code));
    }
  }

  /** Promises nothing, or why the name cannot be had. */
  async rename(name) {
    try {
      await this.#parlor.login({ name });
      return null;
    } catch (error) {
      return nameRefusal(error, name);
    }
  }
}
