// Builds the elements of one message: a text, JSON, or binary.

import { wordsOf } from './alarms.js';
import { avatar, button, element, paint } from './dom.js';
import { linked } from './links.js';
import { formatFull, formatTime, size } from './locale.js';
import { pictureElement, pictureIn } from './pictures.js';
import { cut, withoutEnd } from './strings.js';
import { text } from './text.js';

const LONG_TEXT = 4000;
const EXCERPT = 1500;
const MANY_LINES = 60;
const EXCERPT_LINES = 20;
const SHORT_JSON = 60;
/** What is nested deeper would be indented off the screen, by spaces that grow with the square of the depth. */
const DEEP_JSON = 20;
const PREVIEW_BYTES = 24;
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
  const bubble = element('div', alarm ? `bubble alarm-said ${alarm.state} ${alarm.severity}` : 'bubble', content);
  if (key) bubble.prepend(element('span', 'key', key));
  if (own) bubble.prepend(element('span', 'visually-hidden', text.you));
  const time = element('time', 'time', formatTime(at));
  time.dateTime = at.toISOString();
  time.title = formatFull(at);
  if (own) return element('div', 'message own', bubble, time);
  const who = paint(element('p', 'who', from.name), from.name);
  return element('div', 'message', avatar(from.name), element('div', 'body', who, element('div', 'said', bubble, time)));
}

/** What happened to an alarm. */
function alarmElement(alarm) {
  const { severity, state, text: what } = wordsOf(alarm);
  const words = element('p', 'text', element('span', 'severity', severity), ' ', what);
  words.dir = 'auto';
  return element('div', '', words, element('p', 'alarm-state muted', state));
}

/** What was said, in one line: for notifications. */
export function summary({ data, binary }) {
  if (binary) return text.binary(binary.length);
  return cut(typeof data === 'string' ? data : compactJson(data), 200);
}

function dataElement(data) {
  if (typeof data === 'string') return textElement(data);
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
  const short = said.length > LONG_TEXT ? cut(said, EXCERPT) : said;
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

/** Frees what an element that leaves the page holds outside of it. */
export function release(node) {
  const link = node.querySelector('a.download');
  if (link) URL.revokeObjectURL(link.href);
}
