import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import type { Scope } from '../../test/support/temporary.ts';
import { now, pause } from '../clock.ts';

/** How the service reacts to the signal that stops it: it answers all accepted requests, or exits at once. */
export type Behaviour = 'graceful' | 'dies';

/** A running service under a manager. */
export interface Running {
  readonly port: number;
  /** When it first answered a request, in milliseconds of clock.ts. */
  readonly since: number;
  /** The manager's process, which must not die; null: there is only the service. */
  readonly manager: number | null;
  /** The processes that accept connections now. */
  workers(): number[];
  /**
   * Starts a new version, which is the same program, in the way that the manager documents. Resolves when the old
   * processes have exited.
   */
  reload(): Promise<void>;
}

export interface Peer {
  readonly name: string;
  /** The missing program and how to install it; null: nothing is missing. */
  missing(): string | null;
  /** false: the peer cannot start a new version, and `reload` is not called. */
  readonly reloads: boolean;
  /** The behaviours of the services that the peer can run: a server of its own cannot be changed to exit at once. */
  readonly behaviours: readonly Behaviour[];
  start(scope: Scope, behaviour: Behaviour): Promise<Running>;
}

export const HOST = '127.0.0.1';

const MAX_WAIT = 20_000;

/** Waits until `holds`. Throws Error after 20 s. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = now() + MAX_WAIT;
  while (!(await holds())) {
    if (now() > end) throw new Error(`${what}: not within ${MAX_WAIT} ms`);
    await pause(5);
  }
}

/** Resolves to the time of the first response of a service on the port. */
export async function untilAnswering(port: number): Promise<number> {
  await until(() => answers(port), `a service on port ${port}`);
  return now();
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, agent: false }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode === 200));
    });
    request.once('error', () => resolve(false));
  });
}

/** Resolves when `ask` has replaced every worker. */
export async function replaceWorkers(
  workers: () => readonly number[],
  ask: () => void | Promise<void>,
): Promise<void> {
  const before = new Set(workers());
  await ask();
  await until(() => {
    const after = workers();
    return after.length > 0 && after.every((pid) => !before.has(pid));
  }, 'new workers');
}

/**
 * Starts a program in its own process group, which is killed at the end: it also contains the children of a killed
 * master. Returns the pid.
 */
export function startGroup(scope: Scope, [path = '', ...args]: readonly string[]): number {
  const { pid } = spawn(path, args, { stdio: 'ignore', detached: true });
  if (pid === undefined) throw new Error(`${path} could not be started`);
  scope.after(() => kill(-pid));
  return pid;
}

/** Sends SIGKILL to a process, or to a process group (negative). Has no effect if it does not exist. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** What is missing, for Peer.missing. */
export function missing(path: string, debianPackage: string): string | null {
  return existsSync(path) ? null : `${path} is missing: apt-get install ${debianPackage}`;
}

/** A word that only the command lines of one service contain. */
export function newMarker(): string {
  return `zero-bench-${randomBytes(6).toString('hex')}`;
}

/** Processes with a word in their command line, by pid. */
export function processesWith(marker: string): number[] {
  return allPids().filter((pid) => read(`/proc/${pid}/cmdline`).includes(marker));
}

export function childrenOf(parent: number): number[] {
  return allPids().filter((pid) => {
    const stat = read(`/proc/${pid}/stat`);
    return Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]) === parent;
  });
}

function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Empty where the process has exited. */
function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
