// What is told of keys beside their values: a retained message with the key `chart.<key>`, where `*` is any characters, and
// the data {"unit": "°C", "thresholds": [{"above": 93, "severity": "critical"}, {"below": 60, "severity": "warning"}]}.

import { allows } from '../page/token.js';

const DESCRIPTION_KEY = /^chart\.(.+)/;
const MOST_THRESHOLDS = 8;
const LONGEST_UNIT = 16;
/** From the worst on. */
const SEVERITIES = ['critical', 'warning', 'info'];

export class Descriptions {
  #told = new Map();
  #known = new Map();

  clear() {
    this.#told.clear();
    this.#known.clear();
  }

  /** Takes a message, if it describes keys. Says whether it does. */
  take({ key, data }) {
    const [, pattern] = DESCRIPTION_KEY.exec(key) ?? [];
    if (!pattern || (typeof data !== 'object' && !this.#told.has(pattern))) return false;
    const isTold = data !== null && typeof data === 'object' && !Array.isArray(data);
    if (isTold) this.#told.set(pattern, { unit: unitIn(data.unit), thresholds: thresholdsIn(data.thresholds) });
    else if (!this.#told.delete(pattern)) return false;
    this.#known.clear();
    return true;
  }

  /** What is told of a key, by itself or by a pattern, the longer the better: `{unit, thresholds}`. */
  of(key) {
    const known = this.#known.get(key);
    if (known) return known;
    const patterns = [...this.#told.keys()].filter((pattern) => allows([pattern], key));
    const rank = (pattern) => (pattern === key ? Infinity : pattern.length);
    const told = patterns.sort((a, b) => rank(b) - rank(a)).map((pattern) => this.#told.get(pattern));
    const found = {
      unit: told.find(({ unit }) => unit !== null)?.unit ?? '',
      thresholds: told.find(({ thresholds }) => thresholds !== null)?.thresholds ?? [],
    };
    this.#known.set(key, found);
    return found;
  }
}

/** The severity of the worst threshold that a value has passed, or null. */
export function passed(thresholds, value) {
  const severities = thresholds.filter(({ at, isAbove }) => (isAbove ? value > at : value < at)).map(({ severity }) => severity);
  return SEVERITIES.find((severity) => severities.includes(severity)) ?? null;
}

const unitIn = (unit) => (typeof unit === 'string' ? unit.slice(0, LONGEST_UNIT) : null);

function thresholdsIn(told) {
  if (!Array.isArray(told)) return null;
  return told.slice(0, MOST_THRESHOLDS).flatMap((each) => {
    const isAbove = Number.isFinite(each?.above);
    if (!isAbove && !Number.isFinite(each?.below)) return [];
    const severity = SEVERITIES.includes(each.severity) ? each.severity : 'warning';
    return [{ at: isAbove ? each.above : each.below, isAbove, severity }];
  });
}
