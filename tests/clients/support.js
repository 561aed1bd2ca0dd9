// What the clients share: a wire to the server that can be cut, and a client of the JSON door.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

import { startServer } from '../parlor.mjs';

/** A server of a test's own, gone when the test is done. */
export async function serve(test, ...args) {
  const server = await startServer({ args });
  test.after(() => server.stop());
  return server;
}

/** Between clients and a server: counts what the server says, and can be cut. */
export class Wire {
  static async to(server, test) {
    const wire = new Wire();
    wire.received = 0;
    wire.sockets = new Set();
    wire.listener = createServer((client) => wire.#join(client, connect(server.port, '127.0.0.1')));
    await once(wire.listener.listen(0, '127.0.0.1'), 'listening');
    wire.host = `127.0.0.1:${wire.listener.address().port}`;
    test.after(() => {
      wire.cut();
      wire.listener.close();
    });
    return wire;
  }

  #join(client, server) {
    server.on('data', (bytes) => { this.received += bytes.length; });
    for (const [from, to] of [[client, server], [server, client]]) {
      this.sockets.add(from.setNoDelay());
      from.pipe(to);
      from.on('error', () => {});
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
    }
  }

  /** Everyone's connection is lost, without a word. */
  cut() {
    for (const socket of this.sockets) socket.destroy();
  }
}

/** Things that happen, each taken by one who waits for it. */
export class Queue {
  #happened = [];
  #waiting = [];

  put(event) {
    const index = this.#waiting.findIndex(({ matches }) => matches(event));
    if (index < 0) this.#happened.push(event);
    else this.#waiting.splice(index, 1)[0].resolve(event);
  }

  /** The first that matches, when it is there; the others stay. */
  take(matches) {
    const index = this.#happened.findIndex(matches);
    if (index >= 0) return Promise.resolve(this.#happened.splice(index, 1)[0]);
    return new Promise((resolve) => { this.#waiting.push({ matches, resolve }); });
  }
}

/** A client of the JSON door, on any WebSocket. */
export class Client {
  #events = new Queue();
  #lastId = 0;

  static async enter(socket) {
    const client = new Client(socket);
    client.welcome = await client.hear('welcome');
    return client;
  }

  constructor(socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => { socket.addEventListener('close', resolve); });
    socket.addEventListener('message', ({ data }) => this.#events.put(JSON.parse(data)));
    socket.addEventListener('error', () => {});
  }

  hear(type) {
    return this.#events.take((event) => event.type === type);
  }

  /** Sends a command, and resolves to its answer. */
  ask(type, fields = {}) {
    const id = ++this.#lastId;
    this.socket.send(JSON.stringify({ type, id, ...fields }));
    return this.#events.take((event) => event.id === id);
  }

  /** Hears so many messages of a room, and gives what they say. */
  async hearMessages(count) {
    const messages = [];
    while (messages.length < count) messages.push(await this.hear('message'));
    return messages;
  }
}
