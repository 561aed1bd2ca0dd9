// Building elements. What people wrote goes in as text nodes only, never as markup.

const SVG = 'http://www.w3.org/2000/svg';

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

/** A drawing in the page's style, from the `d` of a path. */
export function icon(d) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 20 20');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', d);
  svg.append(path);
  return svg;
}

export const byId = (id) => document.getElementById(id);

/** A person's colour as a hue, the same wherever and whenever the name is seen. */
export function hueOf(name) {
  let hash = 0;
  for (const character of name.normalize('NFKC').toLowerCase()) {
    hash = Math.imul(hash ^ character.codePointAt(0), 0x5bd1e995);
  }
  // The high bits have seen every character, the low ones not.
  hash ^= hash >>> 15;
  return (Math.imul(hash, 0x85ebca6b) >>> 16) * 360 / 0x10000;
}

/** Gives an element its person's colour, for the style sheet to use. */
export function paint(node, name) {
  node.style.setProperty('--hue', hueOf(name).toFixed(0));
  return node;
}

/** The first letter of a name in a disc of its colour; names are told beside it. */
export function avatar(name) {
  const node = element('span', 'avatar');
  node.setAttribute('aria-hidden', 'true');
  return showAvatar(node, name);
}

/** Makes an avatar somebody else's. */
export function showAvatar(node, name) {
  const [initial = ''] = name.replace(/^guest-/, '');
  node.textContent = initial.toUpperCase();
  return paint(node, name);
}

/**
 * Shows these rows in a list, in place of those before. Each is told by its `data-key`: what has the focus in one of them is
 * focused again in its successor.
 */
export function showRows(list, rows) {
  const focused = document.activeElement;
  const before = list.contains(focused) ? focused.closest('[data-key]') : null;
  const place = before ? focusable(before).indexOf(focused) : -1;
  list.replaceChildren(...rows);
  if (!before) return;
  const successor = rows.find(({ dataset }) => dataset.key === before.dataset.key);
  // What stood there may be offered no more.
  const inIt = successor ? focusable(successor) : [];
  inIt[Math.min(place, inIt.length - 1)]?.focus({ preventScroll: true });
}

const focusable = (row) => [...row.querySelectorAll('a, button')];
