// The values of a board as a file for spreadsheets.

import { element } from '../page/dom.js';

const HEAD = 'time,key,value,unit';
/** For how long a browser may take to begin a download. */
const DOWNLOAD_MS = 60_000;

/** The values of some keys between two times, a line each: `series(key)` gives them, `unit(key)` what they are measured in. */
export function csvOf(keys, { series, unit, begin, end }) {
  const lines = [HEAD];
  for (const key of keys) {
    const values = series(key);
    const [name, measure] = [cell(key), cell(unit(key))];
    for (let n = values.before(begin); n < values.before(end + 1); n += 1) {
      lines.push(`${new Date(values.time(n)).toISOString()},${name},${values.value(n)},${measure}`);
    }
  }
  return `${lines.join('\r\n')}\r\n`;
}

/** RFC 4180. What a spreadsheet would take for a formula begins with an apostrophe. */
function cell(words) {
  const plain = /^[=+\-@\t\r]/.test(words) ? `'${words}` : words;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

/** Saves it as a file of that name. */
export function save(csv, name) {
  const link = element('a', '');
  link.href = URL.createObjectURL(new Blob([csv], { type: 'text/csv' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), DOWNLOAD_MS);
}
