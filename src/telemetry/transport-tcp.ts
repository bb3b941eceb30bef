import type { Socket } from 'node:net';
import type { Timers } from '../common/clock.ts';
import { formatDuration } from '../common/duration.ts';
import type { HostPort } from '../common/host-port.ts';
import type { MetricsProxy } from '../config/values/proxy.ts';
import type { Peer } from './transport.ts';

const CONNECT_TIMEOUT = 10_000;
// Bytes. A target that reads too slowly loses metrics and does not use more memory.
const BUFFER_LIMIT = 1024 * 1024;

/** A TCP connection to the target, directly or through a proxy. Throws Error if it cannot be established. */
export async function openTcp(
  target: HostPort,
  proxy: MetricsProxy | undefined,
  timers: Timers,
  failed: (error: unknown, gone: boolean) => void,
): Promise<Peer> {
  const { connect } = await import('node:net');
  const through = proxy && { proxy, ...(await import('./proxy.ts')) };
  const socket = connect(proxy === undefined ? place(target) : place(proxy));
  socket.unref();
  const timer = timers.set(CONNECT_TIMEOUT, () =>
    socket.destroy(new Error(`no answer within ${formatDuration(CONNECT_TIMEOUT)}`)),
  );
  try {
    await connected(socket);
    if (through) await through.connectThroughProxy(socket, through.proxy, target);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    timers.clear(timer);
  }
  // Node detects the end of the connection only while the socket is read.
  socket.resume();
  socket.on('error', (error) => failed(error, true));
  socket.on('end', () => failed(new Error('the target closed the connection'), true));
  return {
    send(line) {
      if (socket.writableLength < BUFFER_LIMIT) socket.write(line);
    },
    close: () =>
      new Promise((resolve) => {
        socket.on('close', () => resolve());
        socket.end(() => socket.destroy());
      }),
  };
}

function place({ host, port }: HostPort): HostPort {
  return { host, port };
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve();
    });
  });
}
