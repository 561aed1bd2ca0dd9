// The broadcast room on npm's ws, as its own documentation writes it.
'use strict';

const { WebSocket, WebSocketServer } = require('ws');

const server = new WebSocketServer({
  port: Number(process.argv[2] ?? 0),
  host: '127.0.0.1',
  path: '/ws',
  perMessageDeflate: false,
  backlog: 4096,
});

server.on('listening', () => console.log(`listening on ${server.address().port}`));

server.on('connection', (socket) => {
  socket.on('error', () => socket.terminate());
  socket.on('message', (data, isBinary) => {
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN) {
        client.send(data, { binary: isBinary });
      }
    }
  });
});
