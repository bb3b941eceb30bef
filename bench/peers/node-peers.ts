import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../test/support/free-address.ts';
import { installPeer } from '../../test/support/peers.ts';
import { PM2 } from '../../test/support/pm2.ts';
import { type Scope, temporaryFolder } from '../../test/support/temporary.ts';
import { startZero } from '../../test/support/zero.ts';
import { environmentList } from '../../test/support/zero-config.ts';
import { type Behaviour, newMarker, type Peer, processesWith, until, untilAnswering } from './peer.ts';

/* Managers that run the same service in Node. */

const SERVICE = fileURLToPath(new URL('./service.js', import.meta.url));
const HOST = '127.0.0.1';
const BOTH = ['graceful', 'dies'] as const;
const STARTER = '/usr/bin/start_server';
const ACTIVATE = '/usr/bin/systemd-socket-activate';

const wordsOf = (marker: string, port: number, behaviour: Behaviour): string[] => [
  SERVICE,
  marker,
  String(port),
  ...(behaviour === 'dies' ? ['dies'] : []),
];

/** Ends every process of a service, and its manager. */
function endAll(scope: Scope, marker: string, manager: () => number | null): void {
  scope.after(() => {
    for (const pid of [manager(), ...processesWith(marker)]) {
      if (pid !== null) kill(pid);
    }
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has exited.
  }
}

/** A manager in the foreground. Returns its pid. */
function run(command: readonly string[], options: { readonly env?: NodeJS.ProcessEnv } = {}): number {
  const [path = '', ...args] = command;
  const { pid } = spawn(path, args, { stdio: 'ignore', ...options });
  if (pid === undefined) throw new Error(`${path} could not be started`);
  return pid;
}

/** Resolves when a signal has replaced every process of the service. */
async function replace(workers: () => number[], ask: () => void | Promise<void>): Promise<void> {
  const before = new Set(workers());
  await ask();
  await until(() => {
    const after = workers();
    return after.length > 0 && after.every((pid) => !before.has(pid));
  }, 'new processes of the service');
}

export const bare: Peer = {
  name: 'bare',
  missing: () => null,
  reloads: false,
  behaviours: BOTH,
  async start(scope, behaviour) {
    const marker = newMarker();
    const port = await freePort(HOST);
    endAll(scope, marker, () => null);
    run([process.execPath, ...wordsOf(marker, port, behaviour)]);
    const since = await untilAnswering(port);
    return { port, since, manager: null, workers: () => processesWith(marker), reload: async () => {} };
  },
};

export const zero: Peer = {
  name: 'zero',
  missing: () => null,
  reloads: true,
  behaviours: BOTH,
  async start(scope, behaviour) {
    const marker = newMarker();
    const port = await freePort(HOST);
    const supervisor = startZero(scope, {
      config: {
        service: {
          listeners: [{ name: 'http', address: `${HOST}:${port}` }],
          runtime: {
            path: process.execPath,
            args: wordsOf(marker, port, behaviour),
            environment: environmentList({}),
          },
          options: { reload_uptime: '1ms' },
          handover: { settle: '100ms', drain_timeout: '1s' },
        },
      },
    });
    const since = await untilAnswering(port);
    await supervisor.fact('handover_finished', { outcome: 'promoted' });
    return {
      port,
      since,
      manager: supervisor.pid,
      workers: () => processesWith(marker),
      reload: async () => {
        const gone = supervisor.fact('generation_gone', {}, supervisor.cursor);
        supervisor.signal('SIGHUP');
        await gone;
      },
    };
  },
};

/** pm2 in fork mode (one process) or in cluster mode. */
export const pm2 = (count: number): Peer => ({
  name: count === 1 ? 'pm2, fork' : `pm2, cluster of ${count}`,
  missing: () => null,
  reloads: true,
  behaviours: BOTH,
  async start(scope, behaviour) {
    const marker = newMarker();
    const port = await freePort(HOST);
    const program = join(installPeer('pm2', PM2), 'bin', 'pm2');
    let manager: number | null = null;
    // Before the folder: the processes end first.
    endAll(scope, marker, () => manager);
    const home = temporaryFolder(scope);
    const env = { PATH: process.env.PATH, HOME: home, PM2_HOME: home };
    const command = (args: readonly string[]) =>
      new Promise<void>((resolve, reject) => {
        const child = spawn(process.execPath, [program, ...args], { stdio: 'ignore', env });
        child.once('error', reject);
        child.once('exit', (code) =>
          code === 0 ? resolve() : reject(new Error(`pm2 ${args[0]} exited with ${code}`)),
        );
      });
    const [path = '', ...args] = wordsOf(marker, port, behaviour);
    const mode = count === 1 ? [] : ['-i', String(count)];
    await command(['start', path, '--name', 'app', ...mode, '--', ...args]);
    manager = Number(readFileSync(join(home, 'pm2.pid'), 'utf8'));
    const since = await untilAnswering(port);
    // In cluster mode the command line of a worker is pm2's own, which has the arguments in its environment only.
    const workers = () => workersOf(home, marker);
    await until(() => workers().length === count, `${count} processes of pm2`);
    return { port, since, manager, workers, reload: () => command(['reload', 'app']) };
  },
});

/** pm2 writes the pid of each process of an app to a file. */
function workersOf(home: string, marker: string): number[] {
  const named = processesWith(marker).filter((pid) => !read(pid).includes('pm2 start'));
  if (named.length > 0) return named;
  return [0, 1, 2, 3].flatMap((index) => {
    const file = join(home, 'pids', `app-${index}.pid`);
    return existsSync(file) ? [Number(readFileSync(file, 'utf8'))] : [];
  });
}

function read(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

export const serverStarter: Peer = {
  name: 'Server::Starter',
  missing: () => missing(STARTER, 'libserver-starter-perl'),
  reloads: true,
  behaviours: BOTH,
  async start(scope, behaviour) {
    const marker = newMarker();
    const port = await freePort(HOST);
    const service = wordsOf(marker, port, behaviour);
    const options = ['--port', `${HOST}:${port}`, '--interval', '0', '--', process.execPath];
    const manager = run([STARTER, ...options, ...service]);
    endAll(scope, marker, () => manager);
    const since = await untilAnswering(port);
    const workers = () => processesWith(marker).filter((pid) => pid !== manager);
    await until(() => workers().length > 0, 'a service of start_server');
    return {
      port,
      since,
      manager,
      workers,
      reload: () => replace(workers, () => void process.kill(manager, 'SIGHUP')),
    };
  },
};

/** systemd's sockets: systemd-socket-activate becomes the service with the first connection, and starts no second one. */
export const socketActivate: Peer = {
  name: 'systemd-socket-activate',
  missing: () => missing(ACTIVATE, 'systemd'),
  reloads: false,
  behaviours: BOTH,
  async start(scope, behaviour) {
    const marker = newMarker();
    const port = await freePort(HOST);
    endAll(scope, marker, () => null);
    run([ACTIVATE, '--listen', `${HOST}:${port}`, process.execPath, ...wordsOf(marker, port, behaviour)]);
    const since = await untilAnswering(port);
    return { port, since, manager: null, workers: () => processesWith(marker), reload: async () => {} };
  },
};

export function missing(path: string, debianPackage: string): string | null {
  return existsSync(path) ? null : `${path} is missing: apt-get install ${debianPackage}`;
}
