import { type ChildProcess, spawn } from 'node:child_process';
import { guardProcesses } from './guard.ts';
import { HttpConnection } from './http-connection.ts';
import { identify, type KnownProcess } from './processes.ts';
import { parseTarget } from './target.ts';
import type { Scope } from './temporary.ts';

/** A service that was not started by zero. */
export interface RunningService {
  readonly pid: number;
  readonly process: ChildProcess;
  readonly known: KnownProcess;
  /** Resolves when the process has exited. */
  readonly exited: Promise<number | null>;
}

export interface StartOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly directory?: string;
  /** Whether it leads its own session, as with setsid(1). */
  readonly session?: boolean;
}

const MAX_WAIT = 20_000;
const PAUSE = 25;

/**
 * Starts a service as a user would in a shell, and waits until it answers at the address. The end of the test kills it
 * with its descendants.
 */
export async function startByHand(
  scope: Scope,
  [program = '', ...args]: readonly string[],
  address: string,
  { environment = {}, directory, session = false }: StartOptions = {},
): Promise<RunningService> {
  const guard = guardProcesses(scope);
  const { PATH = '/usr/local/bin:/usr/bin:/bin' } = process.env;
  const child = spawn(program, args, {
    env: { PATH, ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: session,
    ...(directory !== undefined && { cwd: directory }),
  });
  const { pid } = child;
  const known = pid === undefined ? null : guard.own(pid);
  if (pid === undefined || known === null) throw new Error(`${program} could not be started`);
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  let hasExited = false;
  void exited.then(() => {
    hasExited = true;
  });
  await whenAnswering(address, () => hasExited);
  return { pid, process: child, known: identify(pid) ?? known, exited };
}

/** Waits by connecting, because a foreign program does not report when it listens. */
export async function whenAnswering(address: string, hasExited: () => boolean = () => false): Promise<void> {
  for (let waited = 0; !(await answers(address)); waited += PAUSE) {
    if (hasExited() || waited > MAX_WAIT) throw new Error(`nothing answers on ${address}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

async function answers(address: string): Promise<boolean> {
  const connection = new HttpConnection(parseTarget(address));
  const request = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  const exchange = await connection.exchange(request, 5_000);
  connection.close();
  return exchange.kind !== 'failed';
}
