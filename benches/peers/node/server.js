// The peer "node": echo or lines on Node's net module.
'use strict';
const net = require('node:net');

const NEWLINE = 0x0a;
// A longer line ends its connection.
const LINE_MAX_BYTES = 64 * 1024;

function echo(socket) {
  socket.on('data', (data) => pushBack(socket, data));
}

function upperCase(socket) {
  let partial = '';
  socket.on('data', (data) => {
    const end = data.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      partial += data.latin1Slice();
      if (partial.length > LINE_MAX_BYTES) socket.destroy();
      return;
    }
    // Upper-casing touches no newline, so that complete lines can be answered together.
    pushBack(socket, (partial + data.latin1Slice(0, end)).toUpperCase());
    partial = data.latin1Slice(end);
  });
}

// While the peer does not read, neither do we.
function pushBack(socket, answer) {
  if (!socket.write(answer, 'latin1')) {
    socket.pause();
    socket.once('drain', () => socket.resume());
  }
}

const serve = process.argv[2] === 'line' ? upperCase : echo;
const server = net.createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  serve(socket);
});
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  console.log(`listening on tcp:127.0.0.1:${server.address().port}`);
});
