import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { bindSocket, closeFd, listenSocket, localAddress, openSocket } from '../../src/linux/sockets.ts';
import type { Zero } from '../../test/support/zero.ts';
import { now } from '../clock.ts';
import { type Figure, type Run, ratios } from '../figures.ts';
import { withScope } from '../scope.ts';
import { type Supervised, supervise } from '../supervised.ts';

const WORKERS = 64;
const AT_MOST = 1.5;
const BACKLOG = 16;

/**
 * Compares a handover to 64 workers with a direct start: this program starts the same 64 processes, each with one
 * listening socket, and waits until each has answered a connection.
 */
export function directFigures(service: Supervised, { pairs, progress }: Run): Promise<Figure[]> {
  return withScope(async (scope) => {
    const zero = await supervise(scope, { ...service, workers: WORKERS });
    const handovers: number[] = [];
    const direct: number[] = [];
    for (let round = 1; round <= pairs; round += 1) {
      if (round % 2 === 0) direct.push(await startDirectly(service));
      handovers.push(await handOver(zero));
      if (round % 2 === 1) direct.push(await startDirectly(service));
      progress(`${WORKERS} workers, beside a direct start: ${round} of ${pairs}`);
    }
    zero.signal('SIGQUIT');
    await zero.exited;
    return [
      {
        name: `${WORKERS} workers: signal to promotion`,
        unit: 'x direct start',
        target: { atMost: AT_MOST },
        values: ratios(handovers, direct),
        samples: { handover_ms: handovers, direct_ms: direct },
      },
    ];
  });
}

async function handOver(zero: Zero): Promise<number> {
  const { cursor } = zero;
  const begin = now();
  zero.signal('SIGHUP');
  await zero.fact('handover_finished', { outcome: 'promoted' }, cursor);
  const duration = now() - begin;
  await zero.fact('generation_gone', {}, cursor);
  return duration;
}

/** Returns milliseconds. */
async function startDirectly(service: Supervised): Promise<number> {
  const sockets = Array.from({ length: WORKERS }, listen);
  const children: ChildProcess[] = [];
  try {
    const begin = now();
    await Promise.all(
      sockets.map(async ({ fd, port }) => {
        const child = spawn(service.path, service.args, {
          env: { ...process.env, LISTEN_FDS: '1' },
          stdio: ['ignore', 'ignore', 'inherit', fd],
          detached: true,
        });
        children.push(child);
        const socket = connect(port, '127.0.0.1');
        await once(socket, 'data');
        socket.destroy();
      }),
    );
    return now() - begin;
  } finally {
    for (const { fd } of sockets) closeFd(fd);
    const exits = children.map((child) => once(child, 'exit'));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(exits);
  }
}

function listen(): { fd: number; port: number } {
  const fd = openSocket('inet', 'stream');
  bindSocket(fd, { family: 'inet', host: '127.0.0.1', port: 0 });
  listenSocket(fd, BACKLOG);
  const address = localAddress(fd);
  if (address.family === 'unix') throw new TypeError('a Unix socket');
  return { fd, port: address.port };
}
