import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../test/support/free-address.ts';
import { installPeer } from '../../test/support/peers.ts';
import { PM2 } from '../../test/support/pm2.ts';
import { temporaryFolder } from '../../test/support/temporary.ts';
import { startZero } from '../../test/support/zero.ts';
import { environmentList } from '../../test/support/zero-config.ts';
import {
  type Behaviour,
  HOST,
  kill,
  missing,
  newMarker,
  type Peer,
  processesWith,
  replaceWorkers,
  startGroup,
  until,
  untilAnswering,
} from './peer.ts';

/* Managers that run the same service in Node. */

const SERVICE = fileURLToPath(new URL('./service.js', import.meta.url));
const BOTH = ['graceful', 'dies'] as const;
const STARTER = '/usr/bin/start_server';
const ACTIVATE = '/usr/bin/systemd-socket-activate';

const wordsOf = (marker: string, port: number, behaviour: Behaviour): string[] => [
  SERVICE,
  marker,
  String(port),
  ...(behaviour === 'dies' ? ['dies'] : []),
];

interface Started {
  /** The command that starts the service. */
  readonly command: (port: number, service: readonly string[]) => readonly string[];
  /** The signal that makes the manager start a new version; null: the command becomes the service itself. */
  readonly reload: NodeJS.Signals | null;
  readonly missing?: () => string | null;
}

/** A manager in the foreground, or the service without a manager. */
const started = (name: string, { command, reload, missing: lacks = () => null }: Started): Peer => ({
  name,
  missing: lacks,
  reloads: reload !== null,
  behaviours: BOTH,
  async start(scope, behaviour) {
    const marker = newMarker();
    const port = await freePort(HOST);
    const pid = startGroup(scope, command(port, [process.execPath, ...wordsOf(marker, port, behaviour)]));
    const since = await untilAnswering(port);
    const manager = reload === null ? null : pid;
    const workers = () => processesWith(marker).filter((one) => one !== manager);
    const ask = () => void (reload !== null && process.kill(pid, reload));
    return { port, since, manager, workers, reload: () => replaceWorkers(workers, ask) };
  },
});

export const bare = started('bare', { command: (_port, service) => service, reload: null });

/** Uses the default interval: a new process must run that long before the old one is stopped. */
export const serverStarter = started('Server::Starter', {
  command: (port, service) => [STARTER, '--port', `${HOST}:${port}`, '--', ...service],
  reload: 'SIGHUP',
  missing: () => missing(STARTER, 'libserver-starter-perl'),
});

/** Holds the sockets as systemd does: it executes the service at the first connection, and starts no second one. */
export const socketActivate = started('systemd-socket-activate', {
  command: (port, service) => [ACTIVATE, '--listen', `${HOST}:${port}`, ...service],
  reload: null,
  missing: () => missing(ACTIVATE, 'systemd'),
});

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
    // Registered before the folder, so that the processes end first. pm2 starts each process in its own session.
    scope.after(() => {
      if (manager !== null) kill(manager);
      for (const pid of processesWith(marker)) kill(pid);
    });
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
    // In cluster mode the command line of a worker is pm2's own, and only its environment contains the arguments.
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
