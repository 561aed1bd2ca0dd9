// ws, jose and @microsoft/fetch-event-source; see libraries.py.

import { fetchEventSource } from '@microsoft/fetch-event-source';
import { SignJWT } from 'jose';
import WebSocket from 'ws';

const [base, secret, room] = process.argv.slice(2);
const report = (what) => console.log(JSON.stringify(what));
const claims = { sub: 'ws', subscribe: [room], publish: [room] };
const token = await new SignJWT(claims)
  .setProtectedHeader({ alg: 'HS256' })
  .setExpirationTime('1m')
  .sign(new TextEncoder().encode(secret));
const headers = { Authorization: `Bearer ${token}` };
const address = `${base.replace('http', 'ws')}/ws/${room}`;

await new Promise((resolve, reject) => {
  const socket = new WebSocket(address, 'parlor.v1.json', { headers });
  socket.on('error', reject);
  socket.on('close', resolve);
  socket.on('message', (text) => {
    const event = JSON.parse(text);
    if (event.type === 'welcome') report({ name: event.you.name });
    if (event.type === 'joined') {
      report({ joined: event.room });
      socket.send(JSON.stringify({ type: 'publish', room, data: 'hello 茶' }));
    }
    if (event.type === 'message') {
      report({ heard: event.data });
      socket.close(1000);
    }
  });
});

// It is written for pages.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
const stop = new AbortController();
await fetchEventSource(`${base}/rooms/${room}/events?last=1`, {
  headers,
  signal: stop.signal,
  openWhenHidden: true,
  onmessage({ event, data }) {
    const { type, data: said } = JSON.parse(data);
    if (event === '' && type === 'message') {
      report({ event: said });
      stop.abort();
    }
  },
  onerror(error) {
    throw error;
  },
});

await new Promise((resolve, reject) => {
  const socket = new WebSocket(address, { headers });
  socket.on('error', reject);
  socket.on('open', () => socket.send('plainly'));
  socket.on('message', (text) => {
    report({ plain: text.toString() });
    socket.send('x'.repeat(5000));
  });
  socket.on('close', (code, reason) => {
    report({ closed: code, reason: reason.toString() });
    resolve();
  });
});
