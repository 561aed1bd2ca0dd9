// Events with anything in any field: what a stranger can say, and what no server would.

/** Numbers that are the same for the same seed (mulberry32). */
export function randomFrom(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Stands for what JSON can say and JavaScript cannot: it is put in as text. */
const RAW = { '#huge': '1e400', '#deep': '['.repeat(20_000) + ']'.repeat(20_000), '#lone': '"\\ud800 alone"' };

const VALUES = [
  null, true, false, 0, -0, 1, -1, 0.1, 1e308, -1e308, 5e-324, 1e21, 2 ** 53, 1795788363344000000, -8.64e15, 8.64e15,
  8.64e15 + 1, '', ' ', '0', '0x10', '-Infinity', 'NaN', '1e308', '\0', '\n'.repeat(3900), `e${'\u0301'.repeat(144)}`,
  'x'.repeat(20_000), `${'\n'.repeat(30_000)}x`, `http://a${'.'.repeat(30_000)}x`, `https://${')'.repeat(30_000)}`,
  'https://legit.example/files\u202E4pm.exe', 'https://[', 'https://%', 'http://\ud83d\ude00/', '\u202Ereversed\u2066',
  '<img src=x onerror=alert(1)>', '"></li><script>', '__proto__', 'constructor', 'toString', '\u{1F9D1}\u200D\u{1F680}',
  [], {}, [[]], [null], { length: 5 }, { then: 1 }, { toString: null, valueOf: null, toJSON: 1 },
  Array.from({ length: 2000 }, (_, n) => n), { alarm: 'raised' }, { typing: true }, ...Object.keys(RAW),
];

/** The beginnings of pictures, with whatever behind them. */
const PICTURES = ['89504e470d0a1a0a', 'ffd8ffc0', 'ffd8ffe0', '474946383961', '52494646000000005745425056503820',
  '5249464600000000574542505650384c', '52494646000000005745425056503858'];

export class Hostile {
  #random;
  #room;
  #offset;

  constructor(seed, room, offset) {
    this.#random = randomFrom(seed);
    this.#room = room;
    this.#offset = offset;
  }

  #one(of) { return of[this.#random(of.length)]; }
  #maybe(value) { return this.#random(3) > 0 ? value : this.#one(VALUES); }

  /** As text: an event that could be, with whatever a message holds, or one with one field that could not be. */
  event() {
    const event = this.#random(3) > 0 ? this.message() : this.#spoiled(this.#one(this.#others()));
    return toText(event);
  }

  /** A message with any content, from anybody. */
  message() {
    this.#offset += 1;
    const from = { id: `h${this.#random(5)}`, name: this.#random(2) ? `h ${this.#random(5)}` : JSON.stringify(this.#one(VALUES)).slice(0, 90) };
    return { type: 'message', room: this.#room, offset: this.#offset, at: 1_795_788_363_344, from, ...this.#content() };
  }

  #content() {
    switch (this.#random(5)) {
      case 0: return { data: this.#one(VALUES) };
      case 1: return { data: this.#one(VALUES), key: this.#one(['v1', 'v2', 'v3', 'alarm.', '__proto__', ...VALUES.filter((v) => typeof v === 'string')]) };
      case 2: return { binary: Buffer.from(`${this.#one(PICTURES)}${this.#hex(this.#random(60))}`, 'hex').toString('base64') };
      case 3: return { data: { typing: this.#maybe(true) }, ephemeral: true };
      default: return { key: `alarm.${this.#random(8)}`, data: this.#alarm() };
    }
  }

  #hex(bytes) { return Array.from({ length: bytes }, () => this.#random(256).toString(16).padStart(2, '0')).join(''); }

  #alarm() {
    return {
      alarm: this.#maybe(this.#one(['raised', 'acknowledged', 'cleared'])),
      text: this.#maybe('Too hot'),
      severity: this.#maybe('critical'),
      raised_at: this.#maybe(1_795_788_363_344),
      by: this.#maybe('ana'),
      acknowledged_at: this.#maybe(1_795_788_363_344),
      links: this.#maybe([this.#maybe({ text: this.#maybe('Source'), href: this.#maybe('https://a.example/') })]),
    };
  }

  #others() {
    const person = { id: 'h1', name: 'h 1' };
    return [
      this.message(),
      { type: 'presence', room: this.#room, joined: [person], left: [{ id: 'h2', name: 'h 2' }], count: 2 },
      { type: 'direct', from: person, to: { id: 'h3', name: 'h 3' }, at: 1_795_788_363_344, data: 'psst' },
      { type: 'gap', room: this.#room, from: 1, to: 2 },
      { type: 'left', room: 'elsewhere', reason: 'gone' },
      { type: 'ok', id: 1_000_000, offset: 1 },
      { type: 'error', code: 'busy', message: 'no', retry_ms: 1 },
      { type: 'members', room: this.#room, members: [person], count: 1 },
      { type: 'unheard', of: 1 },
    ];
  }

  /** With one field, at any depth, replaced or left out. The room, if it is, by another one's. */
  #spoiled(event) {
    let [at, name] = [event, this.#one(Object.keys(event))];
    while (typeof at[name] === 'object' && at[name] !== null && Object.keys(at[name]).length > 0 && this.#random(2)) {
      at = at[name];
      name = this.#one(Object.keys(at));
    }
    if (this.#random(6) === 0) delete at[name];
    // An offset that could be is no attack, but the server's word for what comes next.
    else at[name] = name === 'offset' ? this.#one(['1', -1, 0.5, null, {}]) : this.#one(VALUES);
    return event;
  }

  /** Something good, after all that. */
  good(content) {
    this.#offset += 1;
    const from = { id: 'good', name: 'good' };
    return JSON.stringify({ type: 'message', room: this.#room, offset: this.#offset, at: Date.now(), from, ...content });
  }
}

export const toText = (event) =>
  Object.entries(RAW).reduce((text, [mark, raw]) => text.replaceAll(`"${mark}"`, raw), JSON.stringify(event));
