// The page: a room of the server's plain door, where every text message is what somebody typed.
//
//   app.js         wires the parts together
//   room.js        the room in the address            connection.js  the socket and its back-off
//   outbox.js      what is not delivered yet          log.js         the conversation
//   message.js     the elements of one message        composer.js    where messages are written
//   status.js      how the connection is              text.js        strings, dates, numbers

import { Composer, OutboxView, stateText } from './composer.js';
import { Connection } from './connection.js';
import { ConversationLog } from './log.js';
import { Outbox, byteLength } from './outbox.js';
import { isRoomName, pageAddress, readable, roomOfPage, socketAddress } from './room.js';
import { StatusView, explanation, isRemarkable } from './status.js';
import { localize, text } from './text.js';

const byId = (id) => document.getElementById(id);
const room = roomOfPage();

document.documentElement.lang = text.lang;
localize(document);
setUpHeader();
setUpWelcome();
const outbox = new Outbox();
const log = new ConversationLog();
const outboxView = new OutboxView({ resend, edit, discard });
const composer = new Composer({ submit, refusal });
const statusView = new StatusView(() => connection.retryNow());
let lostAt = null;
let unseen = 0;
let connection = null;

if (isRoomName(room)) enter();
else refuseRoom();

function enter() {
  connection = new Connection(socketAddress(room), {
    onState,
    onMessage,
    isAnswerDue: () => outbox.isEchoDue,
  });
  document.addEventListener('visibilitychange', showTitle);
  addEventListener('beforeunload', (event) => {
    if (outbox.items.length > 0) event.preventDefault();
  });
  if (matchMedia('(pointer: fine)').matches) composer.focus();
}

function refuseRoom() {
  byId('welcome-title').textContent = text.badRoom;
  byId('welcome-body').textContent = `${text.roomNames} ${text.chooseRoom}`;
  byId('share').hidden = true;
  byId('copy-link').hidden = true;
  statusView.showUnusable();
  composer.disable();
}

function onState(state) {
  statusView.show(state);
  if (state.phase === 'open') opened();
  else if (state.phase === 'waiting') closed(state);
}

function opened() {
  if (lostAt) {
    const now = new Date();
    log.add({ notice: text.missed((now - lostAt) / 1000), at: now });
    lostAt = null;
  }
  send();
}

function closed(state) {
  if (!state.opened) return;
  lostAt = new Date();
  if (isRemarkable(state)) log.add({ notice: explanation(state), at: lostAt });
  outbox.connectionLost(state.code);
  showOutbox();
  const failed = outbox.items.find((item) => item.state !== 'queued');
  announce(failed ? `${explanation(state)} ${stateText(failed)}` : explanation(state));
}

function onMessage(data) {
  const own = typeof data === 'string' && outbox.settle(data);
  if (own) showOutbox();
  byId('welcome').hidden = true;
  log.add({ data, own, at: new Date() });
  if (document.hidden && !own) {
    unseen += 1;
    showTitle();
  }
}

/** Why a text cannot be sent, or nothing. */
function refusal(written) {
  if (written.trim() === '') return text.emptyHint;
  if (byteLength(written) >= outbox.refusedBytes) return text.tooLongHint(outbox.refusedBytes);
  return null;
}

function submit(written) {
  const item = outbox.add(written);
  send();
  if (item.state === 'queued') announce(stateText(item));
  log.toEnd();
}

function resend(item) {
  outbox.requeue(item);
  send();
  log.toEnd();
  composer.focus();
}

function edit(item) {
  discard(item);
  composer.restore(item.text);
}

function discard(item) {
  outbox.remove(item);
  showOutbox();
  composer.focus();
}

/** Sends what is queued, if there is a connection; otherwise it goes when there is one. */
function send() {
  if (connection.isOpen) outbox.flush((written) => connection.send(written));
  showOutbox();
}

function showOutbox() {
  outboxView.show(outbox.items);
  if (outbox.items.length > 0) byId('welcome').hidden = true;
}

function showTitle() {
  if (!document.hidden) unseen = 0;
  document.title = unseen > 0 ? `(${unseen}) ${room} · parlor` : `${room} · parlor`;
}

/** For screen readers: what others see at a glance. */
function announce(what) {
  byId('announcer').textContent = what;
}

function setUpHeader() {
  const field = byId('room');
  const hint = byId('room-hint');
  field.value = room;
  document.title = `${room} · parlor`;
  field.addEventListener('focus', () => field.select());
  field.addEventListener('input', () => showHint(false));
  byId('room-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const wanted = field.value.trim();
    if (!isRoomName(wanted)) showHint(true);
    else if (wanted === room) composer.focus();
    else location.assign(pageAddress(wanted));
  });
  function showHint(wrong) {
    hint.textContent = wrong ? text.roomNames : '';
    hint.hidden = !wrong;
    field.setAttribute('aria-invalid', wrong);
  }
  setUpCopying(byId('copy-link'), byId('copy-link').querySelector('.copy-text'), () => pageAddress(room));
}

function setUpWelcome() {
  const command = `websocat ${socketAddress(room)}`;
  byId('welcome').hidden = false;
  byId('welcome-title').textContent = text.quiet;
  byId('welcome-body').textContent = text.welcome(room);
  byId('address').textContent = readable(pageAddress(room));
  byId('terminal').textContent = readable(command);
  byId('scroller').setAttribute('aria-label', text.conversation(room));
  byId('message-label').textContent = text.messageTo(room);
  byId('message').placeholder = text.messageTo(room);
  setUpCopying(byId('copy-address'), byId('copy-address'), () => pageAddress(room));
  setUpCopying(byId('copy-terminal'), byId('copy-terminal'), () => command);
}

/** Makes a button copy a value and say so in its label for a while. */
function setUpCopying(button, label, value) {
  const name = label.textContent;
  let reset = 0;
  button.addEventListener('click', async () => {
    const outcome = await copy(value()) ? text.copied : text.copyFailed;
    show(outcome, true);
    announce(outcome);
    clearTimeout(reset);
    reset = setTimeout(() => show(name, false), 2000);
  });
  function show(name, done) {
    label.textContent = name;
    button.classList.toggle('done', done);
  }
}

/** Browsers give the clipboard to `https:` and localhost only; elsewhere the old way works. */
async function copy(value) {
  if (navigator.clipboard) return navigator.clipboard.writeText(value).then(() => true, () => false);
  const field = document.createElement('textarea');
  field.value = value;
  field.className = 'visually-hidden';
  document.body.append(field);
  field.select();
  const copied = document.execCommand('copy');
  field.remove();
  return copied;
}
