// How much of the past a board shows, and the times along its axis.

import { formatSeconds, formatTime } from '../page/locale.js';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
/** What came before the window is asked for as well: its line comes in from the left. */
const BEFORE_SHARE = 1 / 12;
/** Two a pixel, of a chart on a screen. */
const POINTS = 1000;
/** So far apart times are written, in pixels. */
const LABEL_PX = 84;
const STEPS = [5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200].map((seconds) => seconds * SECOND_MS);

/** By the name that an address has for it. */
export const WINDOWS = new Map([
  ['1m', MINUTE_MS], ['5m', 5 * MINUTE_MS], ['1h', HOUR_MS], ['24h', 24 * HOUR_MS],
]);
export const DEFAULT_WINDOW = '1m';

/** So many patterns of keys a server takes. */
const MOST_PATTERNS = 16;

/** What the server is asked for: the numbers of such keys, or of all. */
export function pastOf(name, keys = []) {
  const seconds = Math.ceil(WINDOWS.get(name) * (1 + BEFORE_SHARE) / SECOND_MS);
  return { seconds, points: POINTS, ...keys.length > 0 && keys.length <= MOST_PATTERNS && { keys } };
}

/** The times between two that are written along an axis of this width: `{at, words}`. Round ones, as the reader's clock has them. */
export function timesBetween(begin, end, width) {
  const most = Math.max(1, width / LABEL_PX);
  const step = STEPS.find((each) => (end - begin) / each <= most) ?? STEPS.at(-1);
  const zone = -new Date(end).getTimezoneOffset() * MINUTE_MS;
  const format = step < MINUTE_MS ? formatSeconds : formatTime;
  const times = [];
  for (let at = Math.ceil((begin + zone) / step) * step - zone; at <= end; at += step) times.push({ at, words: format(at) });
  return times;
}
