// Builds the elements of one message: a text, JSON, or binary.

import { avatar, button, element, paint } from './dom.js';
import { formatFull, formatTime, size } from './locale.js';
import { text } from './text.js';

const LONG_TEXT = 4000;
const EXCERPT = 1500;
const SHORT_JSON = 60;
const PREVIEW_BYTES = 24;
const ADDRESS = /\bhttps?:\/\/[^\s<>"'`，。；：！？、）】》」』]+/gi;
const IMAGES = [
  ['image/png', /^\x89PNG/],
  ['image/jpeg', /^\xff\xd8\xff/],
  ['image/gif', /^GIF8/],
  ['image/webp', /^RIFF....WEBP/s],
];
const encoder = new TextEncoder();

/** The length that counts against the server's limit. */
export const byteLength = (written) => encoder.encode(written).length;

/** A message with its author: `{from, own, at, data | binary, key}`. */
export function messageElement({ from, own, at, data, binary, key }) {
  const bubble = element('div', 'bubble', binary ? binaryElement(binary, at) : dataElement(data));
  if (key) bubble.prepend(element('span', 'key', key));
  if (own) bubble.prepend(element('span', 'visually-hidden', text.you));
  const time = element('time', 'time', formatTime(at));
  time.dateTime = at.toISOString();
  time.title = formatFull(at);
  if (own) return element('div', 'message own', bubble, time);
  const who = paint(element('p', 'who', from.name), from.name);
  return element('div', 'message', avatar(from.name), element('div', 'body', who, bubble), time);
}

/** What was said, in one line: for notifications. */
export function summary({ data, binary }) {
  if (binary) return text.binary(binary.length);
  return (typeof data === 'string' ? data : JSON.stringify(data)).slice(0, 200).toWellFormed();
}

function dataElement(data) {
  if (typeof data === 'string') return textElement(data);
  const compact = JSON.stringify(data);
  const node = textElement(compact.length > SHORT_JSON ? JSON.stringify(data, null, 2) : compact);
  node.classList.add('json');
  return node;
}

/** A text as typed; a very long one begins folded, so that one message cannot bury the conversation. */
export function textElement(data) {
  // Terminals end their messages with a line break, which is no part of what was said.
  const said = data.replace(/[\r\n]+$/, '');
  if (said === '') return element('p', 'text muted', text.emptyMessage);
  const folded = said.length > LONG_TEXT;
  const node = element('p', 'text', ...linked(folded ? `${said.slice(0, EXCERPT).toWellFormed()}…` : said));
  node.dir = 'auto';
  if (!folded) return node;
  const unfold = button('text-button show-all', text.showAll(byteLength(said)), () => {
    node.replaceChildren(...linked(said));
    unfold.remove();
  });
  return element('div', 'folded', node, unfold);
}

/** Binary data as its size, its first bytes or the picture it is, and a file to keep. */
function binaryElement(bytes, at) {
  const start = String.fromCharCode(...bytes.subarray(0, PREVIEW_BYTES));
  const type = IMAGES.find(([, signature]) => signature.test(start))?.[0] ?? 'application/octet-stream';
  const link = element('a', 'download', text.download);
  link.href = URL.createObjectURL(new Blob([bytes], { type }));
  link.download = `parlor-${at.toISOString().replace(/[:.]/g, '-')}.${type.startsWith('image/') ? type.slice(6) : 'bin'}`;
  const line = element('p', 'text binary', element('span', 'muted', text.binary(bytes.length)), ' ', link);
  const preview = type.startsWith('image/') ? picture(link.href, bytes.length) : hex(bytes);
  return element('div', 'file', preview, line);
}

function picture(address, bytes) {
  const image = element('img', 'picture');
  image.src = address;
  image.alt = text.picture(size(bytes));
  return image;
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

/** Splits a text into text and links: web addresses only, and the page they open learns nothing about this one. */
function linked(data) {
  const parts = [];
  let end = 0;
  for (const match of data.matchAll(ADDRESS)) {
    const address = withoutTrailingPunctuation(match[0]);
    if (!URL.canParse(address)) continue;
    const link = element('a', '', address);
    link.href = address;
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
    parts.push(data.slice(end, match.index), link);
    end = match.index + address.length;
  }
  parts.push(data.slice(end));
  return parts;
}

/** A sentence's full stop is not the address's, nor a bracket that the address did not open. */
function withoutTrailingPunctuation(address) {
  const trimmed = address.replace(/[.,;:!?]+$/, '');
  return trimmed.endsWith(')') && !trimmed.includes('(') ? withoutTrailingPunctuation(trimmed.slice(0, -1)) : trimmed;
}
