// Web addresses in a text: what is a link, and how it reads.

import { element } from './dom.js';
import { wellFormed } from './strings.js';

const ADDRESS = /(^|[^\p{L}\p{N}])(https?:\/\/[^\s<>"`，。；：！？、）】》」』]+)/giu;
const PUNCTUATION = '?!.,:;*_~\'…‘’“”«»';
const BRACKETS = { ')': '(', ']': '[' };
/** Characters that show nothing, or turn the order of the others round. */
const UNSEEN = /[\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\p{Cc}\u2800]/gu;
/** A part of a host's name in which Latin letters stand beside those of a script that has the same. */
const MIXED = /^https?:\/\/(?:[^/?#]*\.)?(?:[^./?#]*[a-z][^./?#]*[\p{Script=Cyrillic}\p{Script=Greek}]|[^./?#]*[\p{Script=Cyrillic}\p{Script=Greek}][^./?#]*[a-z])/iu;

/** Splits a text into text and links: web addresses only, and the page they open learns nothing about this one. */
export function linked(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = wellFormed(withoutWhatFollows(match[2]));
    if (!isAddress(address)) continue;
    const begin = match.index + match[1].length;
    parts.push(text.slice(end, begin), link(address));
    end = begin + address.length;
  }
  parts.push(text.slice(end));
  return parts;
}

function link(address) {
  const written = MIXED.test(address) ? new URL(address).href : address;
  return linkTo(address, written.replace(UNSEEN, encodeURIComponent));
}

/** A link under another name than its address. */
export function linkTo(address, name) {
  const node = element('a', '', name);
  node.href = address;
  node.dir = 'ltr';
  node.target = '_blank';
  node.rel = 'noopener noreferrer nofollow';
  return node;
}

/** As GitHub has it: the punctuation of a sentence is not the address's, nor a bracket that it did not open. */
function withoutWhatFollows(found) {
  const depths = Object.fromEntries(Object.values(BRACKETS).map((opening) => [opening, count(found, opening)]));
  for (const closing of Object.keys(BRACKETS)) depths[BRACKETS[closing]] -= count(found, closing);
  let end = found.length;
  for (;;) {
    const last = found[end - 1];
    const opening = BRACKETS[last];
    if (opening && depths[opening] < 0) depths[opening] += 1;
    else if (!PUNCTUATION.includes(last)) return found.slice(0, end);
    end -= 1;
  }
}

const count = (text, character) => text.split(character).length - 1;

/** What stands before an @ is read as the host, and is not. */
export function isAddress(text) {
  try {
    const { hostname, username, password } = new URL(text);
    return hostname !== '' && username === '' && password === '';
  } catch {
    return false;
  }
}
