const { createServer } = require('node:http');
const { Server } = require('socket.io');

const http = createServer();
new Server(http).on('connection', (socket) => {
  socket.on('echo', (text, answer) => answer(text));
});
http.listen(Number(process.env.PORT ?? 8080));
