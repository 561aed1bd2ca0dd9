// The page: what happens at the server goes into the places it belongs to, and what people do goes to the server.
//
//   parlor.js        the connection, for any program      app.js      wires the parts together
//   places.js        the open rooms, and their list       person.js   who one is, in all tabs
//   conversation.js  one room's messages                  entries.js  those that are kept, and drawn
//   message.js       the elements of one message          strings.js  what can be done to any string
//   composer.js      where messages are written           outbox.js   what is not delivered yet
//   commands.js      what a slash begins                  people.js   who is here, who is writing
//   board.js         live values and alarms               status.js   how the connection is
//   install.js       the page as an app              push.js      what this device is told of while away
//   files.js         files, shown and sent                attach.js   where they are brought
//   actions.js       what people can do                   text.js     strings; locale.js dates, numbers
//   gate.js          for who is not let in                token.js    who has a token, and what it allows

import { Actions } from './actions.js';
import { Alerts } from './alerts.js';
import { byId } from './dom.js';
import { Gate } from './gate.js';
import { setUpWorker } from './install.js';
import { summary } from './message.js';
import { Naming } from './naming.js';
import { Members, PeopleView } from './people.js';
import { credentials, shareAcrossTabs } from './person.js';
import { Panel } from './panels.js';
import { Push, mentions } from './push.js';
import { PushDialog } from './push-dialog.js';
import { Parlor } from '../client/parlor.js';
import { StatusView, explanation, isRemarkable } from './status.js';
import { localize, text } from './text.js';
import { forgetToken, keepToken, takeFromAddress, token } from './token.js';

const GAP_TOLD_MS = 60_000;
/** However much comes, the list of places is drawn no more often. */
const NEWS_EVERY_MS = 100;

document.documentElement.lang = text.lang;
localize(document);
takeFromAddress();

// The module is in a folder of the page's server, not at its root.
const parlor = new Parlor({ url: new URL('ws', location.href), credentials });
const announce = (what) => { byId('announcer').textContent = what; };
const statusView = new StatusView(() => parlor.reconnect());
const gate = new Gate({ enter: enterWith, comeBack: () => parlor.reconnect(), forget: logOut });
const sidebar = new Panel('sidebar', 'menu', '(min-width: 48rem)');
const people = new Panel('people', 'people-toggle', '(min-width: 72rem)', 'people');
const actions = new Actions(parlor, { announce, moved, closePanels });
const { places } = actions;
const push = new Push(parlor, () => actions.rooms);
const pushDialog = new PushDialog(push, () => places.current, () => alerts.show());
const alerts = new Alerts(push, {
  explain: (why) => { announce(why); places.current?.conversation.notice(why); },
  openDialog: () => pushDialog.open(actions.rooms),
});
const naming = new Naming((name) => actions.rename(name), logOut);
const peopleView = new PeopleView((name) => actions.go(actions.openDirect(name)));

shareAcrossTabs(parlor);
setUpWorker({
  open: (address) => actions.open(address),
  isLookedAt: (where) => actions.isLookedAt(where),
  renew: () => push.renew(),
});
const on = (type, handle) => parlor.addEventListener(type, ({ detail }) => handle(detail));
on('state', stateChanged);
on('welcome', welcomed);
on('joined', joined);
on('left', (left) => actions.putOut(left));
on('message', received);
on('presence', presenceChanged);
on('direct', directReceived);
on('gap', gapTold);
on('paused', ({ room }) => places.get(room)?.conversation.notice(text.paused));
on('resumed', ({ room }) => places.get(room)?.conversation.notice(text.resumed));
on('error', (error) => {
  const { name } = credentials();
  if (error.code === 'name_taken') places.current?.conversation.notice(text.lostName(name));
});
actions.restore();
actions.focus();

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) {
    seeWhetherConnected();
    actions.read();
  }
  moved();
});
addEventListener('pageshow', seeWhetherConnected);
addEventListener('pagehide', () => places.save());
addEventListener('beforeprint', () => places.current?.conversation.drawAll());
addEventListener('popstate', () => actions.followAddress());
addEventListener('hashchange', () => {
  if (!takeFromAddress()) return;
  if (parlor.state.phase === 'refused') enterWith(token());
  // It may be somebody else's, who then begins anew.
  else location.reload();
});
addEventListener('beforeunload', (event) => {
  if ([...places].some(({ conversation }) => !conversation.outbox.isEmpty)) event.preventDefault();
});
// A file that misses its place would replace the page, and what is written there.
for (const type of ['dragover', 'drop']) {
  addEventListener(type, (event) => { if (event.dataTransfer?.types.includes('Files')) event.preventDefault(); });
}
// What is typing times out without a word.
setInterval(showTyping, 1000);

/** Another place is current, or there is something new in one. */
function moved() {
  places.show();
  push.roomsChanged();
  showTitle();
  showPeople();
}

function showTitle() {
  alerts.showTitle(places.current?.title() ?? 'parlor', places.unread, places.raised);
}

let newsTimer = 0;
let hasNews = false;

/** There is something new in a place that is not looked at. The list of places is drawn at once, unless it was a moment ago. */
function newsCame() {
  showTitle();
  hasNews = newsTimer !== 0;
  if (hasNews) return;
  places.show();
  newsTimer = setTimeout(() => {
    newsTimer = 0;
    if (hasNews) newsCame();
  }, NEWS_EVERY_MS);
}

function closePanels() {
  sidebar.close();
  people.close();
}

function showPeople() {
  people.offer(places.current?.hasMembers ?? false);
  peopleView.show(places.current?.members ?? new Members(), parlor.you);
  showTyping();
}

function showTyping() {
  const names = places.current?.members.typing ?? [];
  const what = names.length > 0 ? text.isTyping(names) : '';
  const line = byId('typing');
  if (line.textContent !== what) line.textContent = what;
}

/** Who was not let in is not let in by trying again. */
function seeWhetherConnected() {
  if (parlor.state.phase !== 'refused') parlor.reconnect();
}

function enterWith(written) {
  keepToken(written);
  // Why it does not do, the gate says.
  parlor.login({ token: token() }).catch(() => {});
}

/** Forgets the token, and all that was seen by it; what was to be pushed is not this person's any more. */
async function logOut() {
  await push.end().catch(() => {});
  forgetToken();
  location.reload();
}

function welcomed(welcome) {
  naming.show(welcome.you, welcome.rights);
  actions.rightsChanged();
  push.offer(welcome.push === true);
  alerts.show();
  showPeople();
}

function stateChanged(state) {
  statusView.show(state);
  if (state.phase === 'refused') gate.show(state);
  // While it is tried, it is not known.
  else if (state.phase !== 'connecting') gate.hide();
  for (const place of places) place.conversation.outbox.showConnected(state.phase === 'open');
  if (places.current) actions.showWelcome(places.current);
  const isLost = state.phase === 'waiting' && state.opened;
  if (isLost || ['removed', 'banned'].includes(state.code)) for (const place of places) place.lostAt ??= state.heardAt ?? Date.now();
  if (!isLost) return;
  if (isRemarkable(state)) places.current?.conversation.notice(explanation(state));
  announce(explanation(state));
}

function joined(room) {
  const place = places.get(room.room);
  if (!place) return;
  const isNewEpoch = place.epoch !== room.epoch;
  const isKnown = !isNewEpoch && place.readOffset !== null;
  if (room.rejoined && isNewEpoch) place.conversation.forgetOffsets();
  if (place.epoch !== null && isNewEpoch && place.hasAlarms) {
    place.beganAt = Date.now();
    place.board?.beganAnew(place.beganAt);
  }
  // What follows a gap is a `joined` as well.
  if (room.rejoined && place.lostAt) {
    const seconds = (Date.now() - place.lostAt) / 1000;
    place.lostAt = null;
    place.conversation.notice(room.recovered ? text.recovered(seconds) : text.notRecovered(seconds));
  }
  place.epoch = room.epoch;
  if (!isKnown) place.readOffset = room.rejoined ? 0 : room.offset;
  place.offset = room.offset;
  place.joinedOffset = room.offset;
  place.members.set(room);
  place.isEntered = true;
  if (!room.recovered) place.begin(room);
  if (!room.rejoined) place.conversation.setMore(room.messages[0]?.offset > 1);
  // Its messages follow at once.
  queueMicrotask(() => actions.arrive(place, true));
  actions.showWelcome(place);
  moved();
}

function received(message) {
  const place = places.get(message.room);
  if (!place) return;
  if (message.ephemeral) return void typed(place, message);
  place.offset = message.offset;
  place.members.setTyping(message.from, false);
  // Who comes and goes is told once a second: what they say by their new name may be there first.
  const before = message.offset > place.joinedOffset ? place.members.meet(message.from) : null;
  if (before) renamed(place, before, message.from.name);
  const isLive = message.offset > place.joinedOffset;
  const { alarm, isNew } = message.key ? place.keep(message, isLive) : {};
  show(place, message, alarm);
  if (isNew && isLive) alarmRaised(place, alarm);
  if (isLive) actions.arrive(place);
  if (alarm !== undefined) newsCame();
}

function typed(place, { from, data }) {
  if (typeof data?.typing !== 'boolean' || from.id === parlor.you?.id) return;
  place.members.setTyping(from, data.typing);
  if (place === places.current) showTyping();
}

/** A room that keeps only the latest may have many gaps: one word in a minute is enough. */
function gapTold({ room }) {
  const place = places.get(room);
  if (!place || Date.now() - place.gapToldAt < GAP_TOLD_MS) return;
  place.gapToldAt = Date.now();
  place.conversation.notice(text.gap);
}

function directReceived({ from, to, at, data }) {
  const other = from.id === parlor.you?.id ? to : from;
  show(actions.openDirect(other.name), { from, at, data });
}

/** Adds a message to its place, and says so where that is not in view. */
function show(place, message, alarm) {
  const entry = actions.entry(message, alarm);
  const wasEmpty = place.conversation.isEmpty;
  place.conversation.add(entry);
  if (wasEmpty) actions.showWelcome(place);
  const isNews = !entry.own && !message.key && (place.isDirect || message.offset > place.readOffset);
  if (place === places.current) showTyping();
  if (actions.isInView(place)) return void actions.read();
  if (!isNews) return;
  place.unread += 1;
  newsCame();
  const title = place.isDirect ? message.from.name : text.saidIn(message.from.name, place.title());
  const kind = place.isDirect ? 'direct' : mentions(message.data, parlor.you?.name) ? 'mention' : 'message';
  const news = { kind, place, offset: message.offset, tag: `${place.key} ${message.offset ?? message.at}` };
  alerts.notify(news, title, summary(message), () => actions.go(place));
}

/** An alarm is news in every room and view: it is announced, and notified to who does not look at the page. */
function alarmRaised(place, alarm) {
  announce(text.alarmRaised(alarm.text, place.title()));
  const news = { kind: 'alarm', place, severity: alarm.severity, key: alarm.key, tag: `${place.key} ${alarm.key}` };
  alerts.notify(news, text.alarmRaised(alarm.text, place.title()), text.severity[alarm.severity],
    () => actions.go(place, 'board'));
}

function presenceChanged(presence) {
  const place = places.get(presence.room);
  if (!place) return;
  for (const { before, name } of place.members.change(presence)) renamed(place, before, name);
  listMembers(place);
  if (place === places.current) showPeople();
}

function renamed(place, before, name) {
  place.conversation.notice(text.renamed(before, name));
  const direct = places.get(before, true);
  if (direct) places.rename(direct, name);
}

/** Asks who is here once it is time, where only the number was told. */
function listMembers(place) {
  clearTimeout(place.listing);
  const ms = place.members.dueInMs;
  if (ms !== null) place.listing = setTimeout(() => askForMembers(place), ms);
}

async function askForMembers(place) {
  place.members.isAsked();
  try {
    place.members.set(await parlor.members(place.name));
    if (place === places.current) showPeople();
  } catch { /* Who comes or goes next asks again, and who joins again is told. */ }
}
