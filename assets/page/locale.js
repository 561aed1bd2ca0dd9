// Dates, numbers and sizes in the reader's own form.

const isChinese = (tag) => /^zh\b/i.test(tag);

/** The languages that the reader wants. Systems name some in ways that no other part of a browser takes. */
const languages = navigator.languages.map((tag) => tag.replace(/[.@].*/, '').replaceAll('_', '-')).filter(isLocale);
const readable = languages.find((tag) => isChinese(tag) || /^en\b/i.test(tag)) ?? 'en';

/** True for who reads Chinese; all others read English. */
export const readsChinese = isChinese(readable);

/** Dates and numbers as where the reader lives: English has them in many ways. */
const preferred = readsChinese ? readable : englishOf(languages[0] ?? readable);

const clock = new Intl.DateTimeFormat(preferred, { hour: '2-digit', minute: '2-digit' });
const exactClock = new Intl.DateTimeFormat(preferred, {
  hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23',
});
const dated = new Intl.DateTimeFormat(preferred, {
  year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23',
});
const day = new Intl.DateTimeFormat(preferred, { weekday: 'long', day: 'numeric', month: 'long' });
const when = new Intl.DateTimeFormat(preferred, { dateStyle: 'medium', timeStyle: 'short' });
const full = new Intl.DateTimeFormat(preferred, { dateStyle: 'full', timeStyle: 'medium' });

/** The time of day, to the minute. */
export const formatTime = (date) => clock.format(date);
/** The time of day, to the second. */
export const formatSeconds = (date) => exactClock.format(date);
/** The time to the second, with the date unless it is today's. */
export function formatMoment(date) {
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? exactClock.format(date) : dated.format(date);
}
/** The time to the millisecond, with the date unless it is today's. */
export function formatInstant(at) {
  const date = new Date(at);
  return `${formatMoment(date)}${point}${String(date.getMilliseconds()).padStart(3, '0')}`;
}
/** The day, for the line between two days. */
export const formatDay = (date) => day.format(date);
/** Day, year and time to the minute, for what may be of another year. */
export const formatWhen = (date) => when.format(date);
/** Date and time in full, for who wants to know exactly. */
export const formatFull = (date) => full.format(date);

const since = new Intl.RelativeTimeFormat(preferred, { numeric: 'always', style: 'short' });
const present = new Intl.RelativeTimeFormat(preferred, { numeric: 'auto' });
const point = new Intl.NumberFormat(preferred).formatToParts(0.5).find(({ type }) => type === 'decimal').value;
const formats = new Map();

export function number(value, options = {}) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(preferred, options));
  return formats.get(key).format(value);
}

const LEAST_PLAIN = 1e-4;
const MOST_PLAIN = 1e7;
const isPlain = (value) => value === 0 || (Math.abs(value) >= LEAST_PLAIN && Math.abs(value) < MOST_PLAIN);

/** A measured value: four significant digits at least, and never fewer than it has before the point. */
export function reading(value) {
  if (!isPlain(value)) return number(value, { notation: 'scientific', maximumFractionDigits: 3 });
  const digits = value === 0 ? 1 : Math.max(0, 3 - magnitude(value));
  const least = Number.isInteger(value) ? 0 : Math.min(digits, 1);
  return number(value, { minimumFractionDigits: least, maximumFractionDigits: digits });
}

/** Writes the values along an axis that are a step apart: with as many digits as tell each from the next. */
export function readings(values, step) {
  const most = Math.max(...values.map(Math.abs));
  const decimals = Math.max(0, -magnitude(step));
  const significant = Math.min(16, Math.max(0, magnitude(most) - magnitude(step)));
  const options = isPlain(most) && (isPlain(step) || decimals <= 6)
    ? { minimumFractionDigits: decimals, maximumFractionDigits: decimals }
    : { notation: 'scientific', minimumFractionDigits: significant, maximumFractionDigits: significant };
  return values.map((value) => (value === 0 ? number(0) : number(value, options)));
}

/** The power of ten of a number's first digit. */
const magnitude = (value) => (value === 0 ? 0 : Number(value.toExponential(15).split('e')[1]));

/** A measured value with all digits that it was sent with. */
export const exact = (value) => (isPlain(value) ? number(value, { maximumSignificantDigits: 17 }) : String(value));

/** How long ago something was, in the largest unit that is not zero. */
export function ago(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds === 0) return present.format(0, 'second');
  const [value, name] = seconds < 60 ? [seconds, 'second'] : seconds < 3600 ? [Math.floor(seconds / 60), 'minute']
    : seconds < 86_400 ? [Math.floor(seconds / 3600), 'hour'] : [Math.floor(seconds / 86_400), 'day'];
  return since.format(-value, name);
}

export const count = (n, one, many) => `${number(n)} ${n === 1 ? one : many}`;

function unit(value, name, unitDisplay) {
  return number(value, { style: 'unit', unit: name, unitDisplay, maximumFractionDigits: value < 10 ? 1 : 0 });
}

export function size(bytes) {
  if (bytes < 1000) return unit(bytes, 'byte', 'long');
  return bytes < 1e6 ? unit(bytes / 1e3, 'kilobyte', 'short') : unit(bytes / 1e6, 'megabyte', 'short');
}

/** Two sizes beside each other: to the byte, where they would read the same. */
export function sizes(...all) {
  const words = all.map(size);
  return new Set(words).size === words.length ? words : all.map((bytes) => unit(bytes, 'byte', 'long'));
}

export function duration(seconds) {
  if (seconds < 60) return unit(Math.max(1, Math.round(seconds)), 'second', 'long');
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? unit(minutes, 'minute', 'long') : unit(Math.round(minutes / 60), 'hour', 'long');
}

function isLocale(tag) {
  try {
    return Intl.getCanonicalLocales(tag).length > 0;
  } catch {
    return false;
  }
}

/** English as it is written in the region of a language, or in Europe where it has no form of its own there. */
function englishOf(tag) {
  const { language, region } = new Intl.Locale(tag).maximize();
  if (language === 'en') return tag;
  const english = `en-${region}`;
  return new Intl.DateTimeFormat(english).resolvedOptions().locale === english ? english : 'en-150';
}
