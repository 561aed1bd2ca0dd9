// How parlor.js is used from TypeScript. What is wrong has to be found: each `@ts-expect-error` is an error if there is none.

import { Parlor, ParlorError } from './parlor.js';
import type { Joined, Json, Message, ParlorEvents, Person, State, Welcome } from './parlor.js';

const parlor = new Parlor({ url: 'http://localhost:8080', credentials: { name: 'ana' } });
new Parlor();
new Parlor({ url: new URL('wss://chat.example/ws'), WebSocket, credentials: async () => ({ token: 'a.b.c' }) });
// @ts-expect-error
new Parlor({ address: 'ws://localhost:8080/ws' });
// @ts-expect-error
new Parlor({ credentials: { nick: 'ana' } });

parlor.addEventListener('message', ({ detail: { from, at, data, binary, key, offset } }) => {
  const name: string = from.name;
  const time: Date = new Date(at);
  const bytes: number | undefined = binary?.byteLength;
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) console.log(data.temperature);
  // @ts-expect-error
  const text: string = data;
  // @ts-expect-error
  const position: number = offset;
  console.log(name, time, bytes, key, text, position);
});
parlor.addEventListener('joined', ({ detail: { rejoined, recovered, members, retained } }) => {
  const people: Person[] = members;
  const latest: Message[] = retained;
  if (rejoined && !recovered) console.log(people, latest);
}, { once: true });
parlor.addEventListener('state', ({ detail }) => {
  if (detail.phase === 'waiting') console.log(new Date(detail.retryAt), detail.code);
  else if (detail.phase === 'refused') console.log(detail.code === 'token_needed');
  // @ts-expect-error
  else console.log(detail.retryAt);
  // @ts-expect-error
  if (detail.phase === 'online') console.log(detail);
});
parlor.addEventListener('presence', ({ detail: { joined = [], left = [], count } }) => {
  console.log([...joined, ...left].map((person) => person.name), count.toFixed());
});
parlor.addEventListener('error', ({ detail }) => console.log(detail.code, detail.message));
parlor.addEventListener('direct', { handleEvent: ({ detail }) => console.log(detail.to.name) });
// @ts-expect-error
parlor.addEventListener('messages', () => {});
// @ts-expect-error
parlor.addEventListener('welcome', ({ detail }: CustomEvent<State>) => console.log(detail));
const heard = ({ detail }: CustomEvent<ParlorEvents['gap']>) => console.log(detail.from, detail.to);
parlor.addEventListener('gap', heard);
parlor.removeEventListener('gap', heard);

const joined: Joined = await parlor.join('tea', { last: 20 });
await parlor.join('tea', { since: { epoch: joined.epoch, offset: joined.offset } });
// @ts-expect-error
await parlor.join('tea', { since: 7 });
const { offset }: { offset?: number } = await parlor.publish('plant', { temperature: 81.2 }, { key: 'boiler', retain: true });
await parlor.publish('tea', new Uint8Array([1, 2, 3]));
await parlor.publish('plant', null, { key: 'boiler', retain: true, ifOffset: 7 });
// @ts-expect-error
await parlor.publish('plant', null, { key: 'boiler', retain: true, ifOffset: '7' });
// @ts-expect-error
await parlor.publish('tea', 'hello', { kay: 'boiler' });
const { messages, more } = await parlor.history('tea', { limit: 10 });
const values: (Json | undefined)[] = messages.map((message) => message.data);
const { members } = await parlor.members('tea');
const { rooms } = await parlor.rooms();
await parlor.direct('ben', { any: ['JSON'] });
const welcome: Welcome = await parlor.login({ name: 'ben' });
await parlor.leave('tea');
await parlor.closePerson('eve');
await parlor.emptyRoom('tea');
if (welcome.push) await parlor.push({ endpoint: 'https://push.example/1', rooms: ['plant-*'], kinds: ['alarm'], severity: 'critical' });
// @ts-expect-error
await parlor.push({ endpoint: 'https://push.example/1', kinds: ['alarms'] });
parlor.reconnect();
parlor.close();
try {
  await parlor.join('tea');
} catch (error) {
  if (error instanceof ParlorError) console.log(error.code.toUpperCase(), error.stack, error.current?.from.name);
}
// Who one is may not be known yet, nor what the server allows.
// @ts-expect-error
parlor.you.name;
// @ts-expect-error
parlor.limits.message.toFixed();
console.log(parlor.you?.name, parlor.rights?.admin, parlor.limits.rate ?? 'no limit', parlor.state.phase);
console.log(offset, more, values, members, rooms[0]?.count, welcome.ping_ms ?? 'never');
