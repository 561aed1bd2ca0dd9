// Builds the elements of one message. What people wrote goes in as text nodes only, never as markup.

import { formatFull, formatTime, text } from './text.js';
import { byteLength } from './outbox.js';

const LONG_TEXT = 4000;
const EXCERPT = 1500;
const ADDRESS = /\bhttps?:\/\/[^\s<>"'`，。；：！？、）】》」』]+/gi;

/** An element with a class and children, each an element or a text. */
export function element(tag, className, ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children);
  return node;
}

export function button(className, label, action) {
  const node = element('button', className, label);
  node.type = 'button';
  node.addEventListener('click', action);
  return node;
}

/** A message of the room: `data` is a text or a Blob, `own` true for what was sent from here. */
export function messageElement({ data, own, at }) {
  const body = typeof data === 'string' ? textElement(data) : binaryElement(data, at);
  const bubble = element('div', 'bubble', body);
  if (own) bubble.prepend(element('span', 'visually-hidden', text.you));
  const time = element('time', 'time', formatTime(at));
  time.dateTime = at.toISOString();
  time.title = formatFull(at);
  return element('div', own ? 'message own' : 'message', bubble, time);
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

/** Binary data as its size and a file to keep. The page never looks inside. */
function binaryElement(blob, at) {
  const link = element('a', 'download', text.download);
  link.href = URL.createObjectURL(blob);
  link.download = `parlor-${at.toISOString().replace(/[:.]/g, '-')}.bin`;
  return element('p', 'text binary', element('span', 'muted', text.binary(blob.size)), ' ', link);
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
