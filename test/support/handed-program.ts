import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createDatagramSocket, receiveDatagram } from '../../src/linux/datagrams.ts';
import { reactor } from '../../src/linux/reactor.ts';
import type { SocketAddress } from '../../src/linux/sockaddr.ts';
import { bindSocket, closeFd, listenSocket, localAddress, openSocket } from '../../src/linux/sockets.ts';
import { requireToken } from '../../src/service/register/node-options.ts';
import { guardProcesses } from './guard.ts';
import { ROOT } from './paths.ts';
import { type Scope, temporaryFolder } from './temporary.ts';
import type { Exit } from './zero.ts';

/** The value that `zero run` adds to NODE_OPTIONS. It loads `zerodown/register`. */
export const PRELOAD: string = requireToken(join(ROOT, 'dist', 'service', 'register.cjs'));

/** A listening socket that no process accepts from, held until the end of the test as by a manager. */
export interface HeldSocket {
  readonly fd: number;
  /** `127.0.0.1:8080`, `/path`. */
  readonly address: string;
  /** The address as the program gets it: the digits of the port, or the path. */
  readonly where: string;
}

export function holdSocket(
  scope: Scope,
  address: SocketAddress = { family: 'inet', host: '127.0.0.1', port: 0 },
): HeldSocket {
  const fd = openSocket(address.family, 'stream');
  scope.after(() => closeFd(fd));
  bindSocket(fd, address);
  listenSocket(fd, 511);
  const bound = localAddress(fd);
  if (bound.family === 'unix') return { fd, address: bound.path, where: bound.path };
  const host = bound.family === 'inet6' ? `[${bound.host}]` : bound.host;
  return { fd, address: `${host}:${bound.port}`, where: String(bound.port) };
}

export interface ProgramOptions {
  readonly node?: string;
  readonly args: readonly string[];
  readonly sockets?: readonly HeldSocket[];
  /**
   * Added to this process's environment and to the variables of systemd for the sockets; undefined removes a variable.
   */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export interface Program {
  readonly pid: number;
  readonly process: ChildProcess;
  readonly exited: Promise<Exit>;
  /** The output so far, including standard error. */
  readonly output: () => string;
  /** Resolves to the first line of output that contains this. Rejects when the program exits without one. */
  line(text: string): Promise<string>;
}

/**
 * Starts a Node program with the sockets as descriptors 3 and up, as systemd does. The variables are for its pid only.
 */
export function startProgram(scope: Scope, options: ProgramOptions): Program {
  const { node = process.execPath, args, sockets = [], environment = {} } = options;
  const env: NodeJS.ProcessEnv = { ...process.env, NODE_OPTIONS: PRELOAD };
  delete env.NODE_TEST_CONTEXT;
  if (sockets.length > 0) env.LISTEN_FDS = String(sockets.length);
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined) delete env[name];
    else env[name] = value;
  }
  const pid = environment.LISTEN_PID ?? '$$';
  const setPid = sockets.length > 0 ? `LISTEN_PID=${pid} ` : '';
  const child = spawn('/bin/sh', ['-c', `${setPid}exec "$@"`, 'sh', node, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe', ...sockets.map(({ fd }) => fd)],
  });
  return follow(scope, child);
}

/** The output of a started process, and its exit. */
export function follow(scope: Scope, child: ChildProcess): Program {
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${child.spawnfile} could not be started`);
  guardProcesses(scope).own(pid);
  let text = '';
  let changed = () => {};
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      changed();
    });
  }
  let over = false;
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => {
      over = true;
      resolve({ code, signal });
      changed();
    });
  });
  const line = (wanted: string) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const whole = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
        const found = whole.find((one) => one.includes(wanted));
        if (found !== undefined) resolve(found);
        else if (over) reject(new Error(`it ended without ${wanted}:\n${text}`));
      };
      changed = look;
      look();
    });
  return { pid, process: child, exited, output: () => text, line };
}

/** A NOTIFY_SOCKET. */
export interface Notifications {
  readonly path: string;
  /** Resolves to the next datagram. */
  next(): Promise<string>;
  /** The datagrams so far that `next` has not returned. */
  unread(): readonly string[];
}

export function listenForNotifications(scope: Scope): Notifications {
  const path = join(temporaryFolder(scope), 'notify');
  const fd = createDatagramSocket(path);
  const come: string[] = [];
  let waiting: ((text: string) => void) | null = null;
  const receive = () => {
    for (let datagram = receiveDatagram(fd); datagram !== null; datagram = receiveDatagram(fd)) {
      const text = datagram.data.toString();
      if (waiting === null) come.push(text);
      else waiting(text);
      waiting = null;
    }
  };
  const watch = reactor.watch(fd, receive);
  scope.after(() => {
    watch.close();
    closeFd(fd);
  });
  return {
    path,
    unread() {
      receive();
      return come;
    },
    next: () =>
      new Promise((resolve) => {
        const first = come.shift();
        if (first === undefined) waiting = resolve;
        else resolve(first);
      }),
  };
}
