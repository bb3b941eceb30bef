import { isIPv4, isIPv6, type Socket } from 'node:net';
import { formatHostPort, type HostPort } from '../common/host-port.ts';
import { parseInet6 } from '../common/inet.ts';
import type { MetricsProxy } from '../config/values/proxy.ts';

/** Asks the proxy at the other end of a connection to connect to the target. Throws Error with the proxy's answer. */
export function connectThroughProxy(socket: Socket, proxy: MetricsProxy, target: HostPort): Promise<void> {
  return proxy.protocol === 'http'
    ? connectHttp(socket, proxy.user, target)
    : connectSocks(socket, proxy.user, target);
}

/** CONNECT of RFC 9110, section 9.3.6. */
async function connectHttp(socket: Socket, user: MetricsProxy['user'], target: HostPort): Promise<void> {
  const place = formatHostPort(target);
  const credentials = user && Buffer.from(`${user.name}:${user.password}`).toString('base64');
  const authorization = credentials === null ? '' : `Proxy-Authorization: Basic ${credentials}\r\n`;
  socket.write(`CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n${authorization}\r\n`);
  const head = await answer(socket, (received) => (received.includes('\r\n\r\n') ? received.length : null));
  const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(head.toString('latin1')) ?? [];
  if (status === undefined) throw new Error('the proxy does not use HTTP');
  if (!status.startsWith('2')) throw new Error(`the proxy answered CONNECT with ${status}`);
}

const SOCKS_ERRORS: readonly string[] = [
  'succeeded',
  'general failure',
  'not allowed',
  'network unreachable',
  'host unreachable',
  'connection refused',
  'TTL expired',
  'command not supported',
  'address type not supported',
];

/** CONNECT of SOCKS5: RFC 1928, with the password of RFC 1929 if there is one. */
async function connectSocks(socket: Socket, user: MetricsProxy['user'], target: HostPort): Promise<void> {
  socket.write(user === null ? Buffer.of(5, 1, 0) : Buffer.of(5, 2, 0, 2));
  const method = await answer(socket, () => 2);
  if (method[0] !== 5) throw new Error('the proxy does not use SOCKS5');
  if (method[1] === 2 && user !== null) {
    socket.write(Buffer.concat([Buffer.of(1), counted(user.name), counted(user.password)]));
    const verdict = await answer(socket, () => 2);
    if (verdict[1] !== 0) throw new Error('the proxy refused the name and the password');
  } else if (method[1] !== 0) {
    throw new Error(
      user === null ? 'the proxy requires a name and a password' : 'the proxy accepts no password',
    );
  }
  const port = Buffer.alloc(2);
  port.writeUInt16BE(target.port);
  socket.write(Buffer.concat([Buffer.of(5, 1, 0), socksHost(target.host), port]));
  const reply = await answer(socket, socksReplyLength);
  const code = reply[1] ?? 1;
  if (code !== 0) throw new Error(`the proxy could not connect: ${SOCKS_ERRORS[code] ?? `code ${code}`}`);
}

/** The length of VER REP RSV ATYP BND.ADDR BND.PORT, which depends on ATYP. */
function socksReplyLength(received: Buffer): number | null {
  const [, , , type, length] = received;
  if (type === 1) return 10;
  if (type === 4) return 22;
  return type === 3 && length !== undefined ? 7 + length : type === undefined || type === 3 ? null : 4;
}

function socksHost(host: string): Buffer {
  if (isIPv4(host)) return Buffer.of(1, ...host.split('.').map(Number));
  if (isIPv6(host)) return Buffer.concat([Buffer.of(4), parseInet6(host)]);
  return Buffer.concat([Buffer.of(3), counted(host)]);
}

function counted(text: string): Buffer {
  const bytes = Buffer.from(text).subarray(0, 255);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

/**
 * Reads until the answer is complete. `lengthOf` returns its length, or null while that is unknown. A metrics target
 * never sends data.
 */
function answer(socket: Socket, lengthOf: (received: Buffer) => number | null): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const end = (): void => {
      socket.off('data', onData);
      socket.off('error', onError);
      socket.off('close', onClose);
    };
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      const length = lengthOf(received);
      if (length === null || received.length < length) return;
      end();
      resolve(received);
    };
    const onError = (error: Error): void => {
      end();
      reject(error);
    };
    const onClose = (): void => onError(new Error('the proxy closed the connection'));
    socket.on('data', onData);
    socket.on('error', onError);
    socket.on('close', onClose);
  });
}
