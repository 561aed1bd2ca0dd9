// Builds the elements of one message: a text, JSON, or binary.

import { wordsOf } from '../board/alarms.js';
import { avatar, button, element, paint, showAvatar } from './dom.js';
import { fileElement, fileIn, releaseFile } from './files.js';
import { linked } from './links.js';
import { formatFull, formatTime, size } from './locale.js';
import { pictureElement, pictureIn } from './pictures.js';
import { cut, withoutEnd } from './strings.js';
import { text } from './text.js';

/** Characters, those as wide as two counted twice: about a screen. */
const LONG_TEXT = 2000;
const EXCERPT = 1000;
const MANY_LINES = 60;
const EXCERPT_LINES = 20;
const SHORT_JSON = 60;
/** What is nested deeper would be indented off the screen, by spaces that grow with the square of the depth. */
const DEEP_JSON = 20;
const PREVIEW_BYTES = 24;
const MOST_SPARE = 200;
/** Characters of a notification. */
const SUMMARY = 200;
const encoder = new TextEncoder();

/** The length that counts against the server's limit. */
export const byteLength = (written) => encoder.encode(written).length;

/** About how many bytes of memory a message holds. */
export function weightOf({ data, binary }) {
  if (binary) return binary.length;
  return typeof data === 'string' ? data.length : typeof data === 'object' ? compactJson(data).length : 0;
}

/** A message with its author: `{from, own, at, data | binary, key, alarm}`. */
export function messageElement({ from, own, at, data, binary, key, alarm }) {
  const content = alarm ? alarmElement(alarm) : binary ? binaryElement(binary, at)
    : key && data === null ? element('p', 'text muted', text.removedKey(key)) : dataElement(data);
  const frame = own ? new OwnFrame() : spare.pop() ?? new Frame();
  frame.bubble.className = alarm ? `bubble alarm-said ${alarm.state} ${alarm.severity}` : 'bubble';
  frame.bubble.replaceChildren(content);
  if (key) frame.bubble.prepend(element('span', 'key', key));
  if (own) frame.bubble.prepend(element('span', 'visually-hidden', text.you));
  else frame.showAuthor(from.name);
  showTime(frame.time, at);
  frames.set(frame.root, frame);
  return frame.root;
}

/** Frees what an element that has left the page holds outside of it; no one may use it any more. */
export function release(node) {
  const link = node.querySelector('a.download');
  if (link) URL.revokeObjectURL(link.href);
  releaseFile(node);
  const frame = frames.get(node);
  if (!(frame instanceof Frame) || spare.length === MOST_SPARE) return;
  frame.root.className = 'message';
  spare.push(frame);
}

/** What is around the content of one's own messages. */
class OwnFrame {
  bubble = element('div', 'bubble');
  time = element('time', 'time');
  root = element('div', 'message own', this.bubble, this.time);
}

/** What is around the content of the others'. */
class Frame {
  bubble = element('div', 'bubble');
  time = element('time', 'time');
  #who = element('p', 'who');
  #avatar = avatar('');
  root = element('div', 'message', this.#avatar,
    element('div', 'body', this.#who, element('div', 'said', this.bubble, this.time)));

  showAuthor(name) {
    paint(this.#who, name).textContent = name;
    showAvatar(this.#avatar, name);
  }
}

/**
 * Frames that have left the page, to be used again. Elements that are thrown away are kept by engines until they find
 * the time, by WebKit 60 MB of them.
 */
const spare = [];
const frames = new WeakMap();

function showTime(node, at) {
  node.textContent = formatTime(at);
  node.dateTime = at.toISOString();
  node.title = formatFull(at);
}

/** What happened to an alarm. */
function alarmElement(alarm) {
  const { severity, state, text: what } = wordsOf(alarm);
  const words = element('p', 'text', element('span', 'severity', severity), ' ', what);
  words.dir = 'auto';
  return element('div', '', words, element('p', 'alarm-state muted', state));
}

/** What was said, in one line: for notifications, and for who searches. */
export function summary({ data, binary }, length = SUMMARY) {
  if (binary) return text.binary(binary.length);
  const file = fileIn(data);
  if (file) return text.sentFile(cut(file.name, SUMMARY));
  return cut(typeof data === 'string' ? data : compactJson(data), length);
}

function dataElement(data) {
  if (typeof data === 'string') return textElement(data);
  const file = fileIn(data);
  if (file) return fileElement(file);
  const compact = compactJson(data);
  const isSpread = compact.length > SHORT_JSON && depthOf(compact) <= DEEP_JSON;
  const node = textElement(isSpread ? JSON.stringify(data, null, 2) : compact);
  node.classList.add('json');
  return node;
}

/** JSON in one line; engines give up where it is nested thousands deep. */
function compactJson(data) {
  try {
    return JSON.stringify(data) ?? 'null';
  } catch {
    return Array.isArray(data) ? '[…]' : '{…}';
  }
}

/** How deep JSON is nested, at the most: brackets in its strings count, too. */
function depthOf(json) {
  let [depth, deepest] = [0, 0];
  for (const character of json) {
    if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth -= 1;
    if (depth > deepest) deepest = depth;
  }
  return deepest;
}

/** A text as typed; a very long one begins folded, so that one message cannot bury the conversation. */
export function textElement(data) {
  // Terminals end their messages with a line break, which is no part of what was said.
  const said = withoutEnd(data, '\r\n');
  if (said === '') return element('p', 'text muted', text.emptyMessage);
  const excerpt = excerptOf(said);
  const node = element('p', 'text', ...linked(excerpt === said ? said : `${excerpt}…`));
  node.dir = 'auto';
  if (excerpt === said) return node;
  const unfold = button('text-button show-all', text.showAll(byteLength(said)), () => {
    node.replaceChildren(...linked(said));
    unfold.remove();
  });
  return element('div', 'folded', node, unfold);
}

/** The text itself, unless it is long or high. */
function excerptOf(said) {
  const lines = said.split(/\r\n|[\n\r\u2028\u2029]/, MANY_LINES + 1);
  const wide = said.slice(0, LONG_TEXT).match(/[\u1100-\uffff]/g)?.length ?? 0;
  const short = said.length + wide > LONG_TEXT ? cut(said, wide > EXCERPT / 2 ? EXCERPT / 2 : EXCERPT) : said;
  if (lines.length <= MANY_LINES) return short;
  const few = lines.slice(0, EXCERPT_LINES).join('\n');
  return few.length < short.length ? few : short;
}

/** Binary data as its size, its first bytes or the picture it is, and a file to keep. */
function binaryElement(bytes, at) {
  const picture = pictureIn(bytes);
  const type = picture?.type ?? 'application/octet-stream';
  const link = element('a', 'download', text.download);
  link.href = URL.createObjectURL(new Blob([bytes], { type }));
  link.download = `parlor-${at.toISOString().replace(/[:.]/g, '-')}.${picture ? type.slice(6) : 'bin'}`;
  const isTooLarge = picture?.width > 0 && !picture.isShown;
  const what = isTooLarge ? text.largePicture(picture.width, picture.height) : text.binary(bytes.length);
  const line = element('p', 'text binary', element('span', 'muted', what), ' ', link);
  if (!picture?.isShown) return element('div', 'file', isTooLarge ? '' : hex(bytes), line);
  const image = pictureElement(link.href, picture, text.picture(size(bytes.length)), () => image.replaceWith(hex(bytes)));
  return element('div', 'file', image, line);
}

function hex(bytes) {
  const digits = Array.from(bytes.subarray(0, PREVIEW_BYTES), (byte) => byte.toString(16).padStart(2, '0'));
  return element('code', 'hex', `${digits.join(' ')}${bytes.length > PREVIEW_BYTES ? ' …' : ''}`);
}
