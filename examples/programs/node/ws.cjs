const { WebSocketServer } = require('ws');

const server = new WebSocketServer({ port: Number(process.env.PORT ?? 8080) });
server.on('connection', (socket) => {
  socket.on('message', (message) => socket.send(message.toString()));
});
