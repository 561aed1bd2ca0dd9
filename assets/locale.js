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
const day = new Intl.DateTimeFormat(preferred, { weekday: 'long', day: 'numeric', month: 'long' });
const full = new Intl.DateTimeFormat(preferred, { dateStyle: 'full', timeStyle: 'medium' });

/** The time of day, to the minute. */
export const formatTime = (date) => clock.format(date);
/** The time of day, to the second. */
export const formatSeconds = (date) => exactClock.format(date);
/** The day, for the line between two days. */
export const formatDay = (date) => day.format(date);
/** Date and time in full, for who wants to know exactly. */
export const formatFull = (date) => full.format(date);

const formats = new Map();

export function number(value, options = {}) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(preferred, options));
  return formats.get(key).format(value);
}

/** A measured value: as many digits as tell something. */
export function reading(value) {
  const digits = value === 0 ? 1 : Math.max(0, Math.min(3, 3 - Math.floor(Math.log10(Math.abs(value)))));
  const isExtreme = value !== 0 && (Math.abs(value) >= 1e7 || Math.abs(value) < 1e-4);
  return number(value, isExtreme ? { notation: 'scientific', maximumFractionDigits: 2 }
    : { minimumFractionDigits: Number.isInteger(value) ? 0 : Math.min(digits, 1), maximumFractionDigits: digits });
}

export const count = (n, one, many) => `${number(n)} ${n === 1 ? one : many}`;

function unit(value, name, unitDisplay) {
  return number(value, { style: 'unit', unit: name, unitDisplay, maximumFractionDigits: value < 10 ? 1 : 0 });
}

export function size(bytes) {
  if (bytes < 1000) return unit(bytes, 'byte', 'long');
  return bytes < 1e6 ? unit(bytes / 1e3, 'kilobyte', 'short') : unit(bytes / 1e6, 'megabyte', 'short');
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
