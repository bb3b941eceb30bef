import { writeSync } from 'node:fs';
import type { TestContext } from 'node:test';
import type { Steering } from '../../../../src/lifecycle/steering.ts';
import {
  acceptSocket,
  bindSocket,
  closeFd,
  connectSocket,
  localAddress,
  openSocket,
} from '../../../../src/linux/sockets.ts';
import type { AcquiredListener } from '../../../../src/listeners/listeners.ts';
import { portOf } from '../fixture.ts';

/** Steers everything to these lanes, except as given in `more`. */
export function to(main: readonly number[], more: Partial<Steering> = {}): Steering {
  return { main, canary: null, preview: null, previewFrom: [], ...more };
}

/** Connects from an address. Returns the lane of the connection; -1: none of them. */
export function laneOf(
  listener: AcquiredListener,
  lanes: readonly number[],
  { from = null, host = '127.0.0.1' }: { from?: string | null; host?: string } = {},
): number {
  const family = host.includes(':') ? 'inet6' : 'inet';
  const client = openSocket(family, 'stream');
  try {
    if (from !== null) bindSocket(client, { family, host: from, port: 0 });
    // Over loopback the handshake is complete when connect returns.
    connectSocket(client, { family, host, port: portOf(listener) });
    const local = localAddress(client);
    for (const lane of lanes) {
      const accepted = acceptSocket(listener.fdOf(lane));
      if (accepted === null) continue;
      closeFd(accepted.fd);
      if (local.family === 'unix' || accepted.peer.family === 'unix' || accepted.peer.port !== local.port)
        throw new Error('another client connected');
      return lane;
    }
    return -1;
  } finally {
    closeFd(client);
  }
}

const BATCH = 250;

/** The number of connections in each of the lanes, out of this total. Throws if one arrives elsewhere. */
export function tally(
  listener: AcquiredListener,
  lanes: readonly number[],
  count: number,
  { host = '127.0.0.1' }: { host?: string } = {},
): number[] {
  const family = host.includes(':') ? 'inet6' : 'inet';
  const sockets = lanes.map((lane) => listener.fdOf(lane));
  const counts = lanes.map(() => 0);
  for (let left = count; left > 0; left -= BATCH) {
    const clients = Array.from({ length: Math.min(left, BATCH) }, () => {
      const client = openSocket(family, 'stream');
      connectSocket(client, { family, host, port: portOf(listener) });
      // A close with unread data sends a reset (RFC 2525, section 2.17), so no TIME_WAIT remains.
      writeSync(client, 'x');
      return client;
    });
    for (const [index, socket] of sockets.entries()) counts[index] = (counts[index] ?? 0) + emptied(socket);
    for (const client of clients) closeFd(client);
  }
  const found = counts.reduce((sum, one) => sum + one, 0);
  if (found !== count) throw new Error(`${count - found} of ${count} connections strayed`);
  return counts;
}

/** Accepts and closes all waiting connections. Returns their number. */
export function emptied(socket: number): number {
  let count = 0;
  for (let one = acceptSocket(socket); one !== null; one = acceptSocket(socket)) {
    closeFd(one.fd);
    count += 1;
  }
  return count;
}

/** Closes the descriptor at the end of the test. */
export function keepOpen(t: TestContext, fd: number): number {
  t.after(() => closeFd(fd));
  return fd;
}
