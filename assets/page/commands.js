// What can be typed after a slash.

import { text } from './text.js';

const isAdmin = (rights) => Boolean(rights?.admin);

/** The commands, with what follows each and who has them, in the order they are listed. */
const COMMANDS = [
  { name: 'join', takes: 'room' },
  { name: 'nick', takes: 'name', isFor: (rights) => !rights },
  { name: 'msg', takes: 'nameAndText' },
  { name: 'who', takes: null },
  { name: 'leave', takes: null },
  { name: 'close', takes: 'name', isFor: isAdmin },
  { name: 'empty', takes: 'room', isFor: isAdmin },
  { name: 'ban', takes: 'nameAndBan', isFor: isAdmin },
  { name: 'unban', takes: 'name', isFor: isAdmin },
  { name: 'help', takes: null },
];

/** The commands of who has these rights; without any where no token is wanted. */
export const commandsFor = (rights) => COMMANDS.filter(({ isFor }) => !isFor || isFor(rights));

/** A command as it is typed: `/join room`. */
export const usage = ({ name, takes }) => (takes ? `/${name} ${text.takes[takes]}` : `/${name}`);

/** Takes a text apart: `{say}` is what to send, or `{name, rest}` the command it is. Two slashes send one. */
export function parse(written) {
  if (!written.startsWith('/')) return { say: written };
  if (written.startsWith('//')) return { say: written.slice(1) };
  const [, name, rest] = /^\/(\S*)\s*([^]*)$/.exec(written);
  return { name: name.toLowerCase(), rest: rest.trim() };
}

/** The name and the text of `/msg`; a name with spaces goes into quotation marks. */
export function addressee(rest) {
  const [, quoted, plain, said] = /^(?:"([^"]+)"|(\S+))\s*([^]*)$/.exec(rest) ?? [];
  return { to: (quoted ?? plain ?? '').replace(/^@/, ''), said: said ?? '' };
}

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 };

/** What follows `/ban`: a name, for how long, such as `10m`, and why. */
export function banOf(rest) {
  const { to, said } = addressee(rest);
  const [, count, unit, why] = /^(?:(\d+)([smhd])(?!\S))?\s*([^]*)$/i.exec(said);
  return { name: to, seconds: count && Number(count) * SECONDS[unit.toLowerCase()], reason: why || undefined };
}

/** The commands that begin as what was typed does, while it is still the command that is typed. */
export function matching(written, commands) {
  const [, typed] = /^\/([a-z]*)$/i.exec(written) ?? [];
  return typed === undefined ? [] : commands.filter(({ name }) => name.startsWith(typed.toLowerCase()));
}
