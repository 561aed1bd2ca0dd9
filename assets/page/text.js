// The strings that people read, in their language, and where they stand in the page.

import { chinese } from './chinese.js';
import { english } from './english.js';
import { readsChinese } from './locale.js';

export const text = readsChinese ? chinese : english;

/**
 * Writes the strings into an element and below: `data-text` as content, `data-label` as accessible name and tip,
 * `data-placeholder` into an empty field.
 */
export function localize(root) {
  for (const element of root.querySelectorAll('[data-text]')) {
    element.textContent = text[element.dataset.text];
  }
  for (const element of root.querySelectorAll('[data-label]')) {
    element.setAttribute('aria-label', text[element.dataset.label]);
    if (element.matches('button')) element.title = text[element.dataset.label];
  }
  for (const element of root.querySelectorAll('[data-placeholder]')) {
    element.placeholder = text[element.dataset.placeholder];
  }
}
