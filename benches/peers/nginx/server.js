// The peer "nginx": echo or lines as njs filters.
const LINE_MAX_BYTES = 64 * 1024;

// Sends to the client instead of on to the upstream.
const BACK = { from_upstream: true };

function echo(s) {
  s.on('upstream', (data, flags) => {
    if (data.length) s.send(data, BACK);
    if (flags.last) s.send('', { last: true });
  });
}

function line(s) {
  let partial = '';
  s.on('upload', (data, flags) => {
    const end = data.lastIndexOf('\n') + 1;
    if (end) {
      s.send((partial + data.slice(0, end)).toUpperCase(), BACK);
      partial = data.slice(end);
    } else if (data.length) {
      partial += data;
      if (partial.length > LINE_MAX_BYTES) s.deny();
    }
    if (flags.last) s.send('', flags);
  });
}

// Never decides, and so keeps the connection open.
function silent(s) {
  s.on('upload', () => {});
}

export default { echo, line, silent };
