import { spawn } from 'node:child_process';
import type dgram from 'node:dgram';
import type fs from 'node:fs';
import type http from 'node:http';
import net, { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type * as library from '../../src/service/index.ts';
import type { Upgrader } from '../../src/service/index.ts';
import { type Guard, guardProcesses } from './guard.ts';
import { Journal } from './journal.ts';
import { fixture } from './paths.ts';
import { type Scope, temporaryFolder } from './temporary.ts';

/** The parameter of a function that runs in a program, see test/fixtures/upgradable.js. */
export interface Remote {
  readonly library: typeof library;
  upgrader: Upgrader;
  readonly servers: Record<string, http.Server>;
  /** Values for later functions. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever the test puts there
  readonly kept: Record<string, any>;
  readonly modules: {
    readonly child_process: typeof import('node:child_process');
    readonly dgram: typeof dgram;
    readonly fs: typeof fs;
    readonly http: typeof http;
    readonly net: typeof net;
  };
  server(name?: string): http.Server;
}

/** The report of a program at its start. */
export interface Beginning {
  readonly pid: number;
  readonly ppid: number;
  readonly argv: readonly string[];
  readonly execArgv: readonly string[];
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** An error of a function that ran in a program. */
class RemoteError extends Error {
  readonly code: string | undefined;
  readonly remoteCause: string | undefined;

  constructor(error: { name: string; message: string; code?: string; cause?: string }) {
    super(error.message);
    this.name = error.name;
    this.code = error.code;
    this.remoteCause = error.cause;
  }
}

/** One process of the program, which the test controls. */
export class Upgradable {
  readonly beginning: Beginning;
  /** Resolves when its connection to the test is closed: it has exited. */
  readonly gone: Promise<void>;
  readonly #socket: Socket;
  readonly #replies = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  #numbered = 0;

  constructor(socket: Socket, beginning: Beginning, guard: Guard) {
    this.#socket = socket;
    this.beginning = beginning;
    guard.own(beginning.pid);
    this.gone = new Promise((resolve) => {
      socket.once('close', () => {
        for (const { reject } of this.#replies.values()) reject(new Error(`process ${beginning.pid} left`));
        this.#replies.clear();
        resolve();
      });
    });
  }

  get pid(): number {
    return this.beginning.pid;
  }

  /**
   * Runs a function in the process. The function can use its parameters, and nothing else of the test. Its result is
   * returned as JSON.
   */
  run<Argument, Result>(
    work: (remote: Remote, argument: Argument) => Result | Promise<Result>,
    argument?: Argument,
  ): Promise<Result> {
    this.#numbered += 1;
    const n = this.#numbered;
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Error(`process ${this.pid} left before`));
      this.#replies.set(n, { resolve, reject });
      this.#socket.write(`${JSON.stringify({ n, code: work.toString(), argument })}\n`);
    });
  }

  /** Makes the process exit without waiting for an answer. */
  exit(code: number): void {
    void this.run((_, status) => process.exit(status), code).catch(() => undefined);
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    process.kill(this.pid, signal);
  }

  /** Called by the reader of the socket. */
  receive(message: { n: number; ok: boolean; result: never; error: never }): void {
    const reply = this.#replies.get(message.n);
    this.#replies.delete(message.n);
    if (message.ok) reply?.resolve(message.result);
    else reply?.reject(new RemoteError(message.error));
  }
}

export interface Program {
  readonly folder: string;
  /** All processes so far, in the order of their connections. */
  readonly all: readonly Upgradable[];
  /** The next process that was not returned yet. The first call returns the one that `startProgram` started. */
  next(): Promise<Upgradable>;
  /** The output of all processes. */
  readonly output: () => string;
}

export interface ProgramStart {
  /** The arguments after the script. */
  readonly args?: readonly string[];
  readonly execArgv?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly directory?: string;
  /** The path of the script on the command line; default: its absolute path. It is a copy of upgradable.js. */
  readonly script?: string;
  /** Replaces the Node executable of this test, as it is written on the command line. */
  readonly executable?: string;
  /** Prefix of the executable. */
  readonly through?: readonly string[];
  /** Starts the program as if by an upgrade. The parent process writes this text, and exits if it is empty. */
  readonly asChild?: string;
}

/** Starts test/fixtures/upgradable.js. The end of the test kills all its processes. */
export async function startProgram(scope: Scope, start: ProgramStart = {}): Promise<Program> {
  const guard = guardProcesses(scope);
  const folder = temporaryFolder(scope);
  const path = join(folder, 'control');
  const connected = new Journal<Upgradable>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    let one: Upgradable | null = null;
    createInterface({ input: socket }).on('line', (line) => {
      const message = JSON.parse(line);
      if (one !== null) {
        one.receive(message);
      } else {
        one = new Upgradable(socket, message, guard);
        connected.push(one);
      }
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  let output = '';
  const { args = [], execArgv = [], executable = process.execPath, through = [] } = start;
  const { script = fixture('upgradable.js') } = start;
  const [command = executable, ...rest] = [...through, executable, ...execArgv, script, ...args];
  const environment: NodeJS.ProcessEnv = { ...process.env, ...start.environment, CONTROL: path };
  if (start.asChild !== undefined) environment.ZERODOWN_UPGRADE = '3:00';
  // A variable of the test runner for its own children.
  delete environment.NODE_TEST_CONTEXT;
  delete environment.NODE_OPTIONS;
  const child = spawn(command, rest, {
    cwd: start.directory ?? folder,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe', start.asChild === undefined ? 'ignore' : 'pipe'],
  });
  const channel = child.stdio[3] as Socket | null;
  if (start.asChild === '') channel?.destroy();
  else channel?.write(start.asChild ?? '');
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  if (child.pid !== undefined) guard.own(child.pid);
  scope.after(() => {
    connected.close(() => new Error('the test is over'));
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  let given = 0;
  return {
    folder,
    all: connected.entries,
    output: () => output,
    next() {
      const index = given;
      given += 1;
      return connected.waitFor((one) => connected.entries[index] === one, index);
    },
  };
}

/** Creates the upgrader of that process. */
export async function createUpgraderIn(
  one: Upgradable,
  options: library.UpgraderOptions = {},
): Promise<void> {
  await one.run(async (remote, given) => {
    remote.upgrader = await remote.library.createUpgrader(given);
  }, options);
}

/** Serves HTTP in that process, on any port by default, and reports readiness. Returns the address. */
export async function serveIn(one: Upgradable, options: library.ListenOptions = {}): Promise<string> {
  await listenIn(one, options);
  await one.run(({ upgrader }) => upgrader.ready());
  return one.run(({ servers }) => {
    const address = servers.http?.address();
    return typeof address === 'object' ? `127.0.0.1:${address?.port}` : (address ?? '');
  });
}

/** Listens without reporting readiness. */
export async function listenIn(one: Upgradable, options: library.ListenOptions = {}): Promise<void> {
  await one.run(
    async (remote, given) => {
      await remote.upgrader.listen(remote.server(), given);
    },
    options.port === undefined && options.path === undefined
      ? { host: '127.0.0.1', port: 0, ...options }
      : options,
  );
}

/** Starts an upgrade in that process. The new process is the program's next one. */
export function upgradeIn(
  one: Upgradable,
  options: library.UpgradeOptions = {},
): Promise<Omit<library.UpgradeReport, 'drained'>> {
  return one.run(async ({ upgrader, kept }, given) => {
    const { drained, ...report } = await upgrader.upgrade(given);
    kept.drained = drained;
    return report;
  }, options);
}

/** Starts an upgrade. The new process has an upgrader and has not used it. `upgraded` settles with the upgrade. */
export async function replace(
  program: Program,
  first: Upgradable,
  options: library.UpgraderOptions = {},
): Promise<{ upgraded: ReturnType<typeof upgradeIn>; second: Upgradable }> {
  const upgraded = upgradeIn(first);
  // It may fail while the test waits for something else.
  upgraded.catch(() => undefined);
  const second = await program.next();
  await createUpgraderIn(second, options);
  return { upgraded, second };
}

export const becomeReady = (one: Upgradable): Promise<void> => one.run(({ upgrader }) => upgrader.ready());

/** For assert.rejects: an error of the library with that code. */
export const failsWith =
  (code: string, message = /./) =>
  (error: unknown): boolean =>
    error instanceof RemoteError && error.code === code && message.test(error.message);
