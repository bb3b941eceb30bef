import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { guardProcesses } from './guard.ts';
import { fixture } from './paths.ts';
import type { Scope } from './temporary.ts';

/** A typical simple manager: to deploy, it stops the service and starts it again. */
export interface NaiveManager {
  /** The address of the service, which the service binds itself at each start. */
  readonly address: string;
  /** Stops the service, waits for its exit, starts it again, and waits until it listens. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

/**
 * `listen`: HOST:PORT (0 for a free port, kept over restarts) or a path. `service`: a program that reads $LISTEN,
 * default graceful.js.
 */
export interface NaiveOptions {
  readonly listen?: string;
  readonly service?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * The control experiment: the load that loses nothing in a handover must lose requests here. Otherwise it would detect
 * nothing.
 */
export async function startNaiveManager(scope: Scope, options: NaiveOptions = {}): Promise<NaiveManager> {
  const { listen = '127.0.0.1:0', service = fixture('graceful.js'), environment = {} } = options;
  const guard = guardProcesses(scope);
  let generation = 0;
  let address = listen;
  let child: ChildProcess | null = null;

  async function start(): Promise<void> {
    generation += 1;
    const started = spawn(process.execPath, [service], {
      env: { ...process.env, ...environment, LISTEN: address, ZERO_GENERATION: String(generation) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child = started;
    if (started.pid !== undefined) guard.own(started.pid);
    address = await listeningLine(started);
  }

  async function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const running = child;
    if (running === null || running.exitCode !== null || running.signalCode !== null) return;
    const exited = new Promise((resolve) => running.once('exit', resolve));
    running.kill(signal);
    await exited;
  }

  await start();
  return {
    get address() {
      return address;
    },
    async restart(signal = 'SIGTERM') {
      await stop(signal);
      await start();
    },
    stop: () => stop(),
  };
}

function listeningLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`the service left before it listened: ${signal ?? code}`)),
    );
    if (child.stdout === null) return reject(new Error('the service has no stdout'));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, address] = /^listening (.+)$/.exec(line) ?? [];
      if (address !== undefined) resolve(address);
    });
  });
}
