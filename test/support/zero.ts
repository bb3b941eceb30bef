import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import type { FactName } from '../../src/lifecycle/facts.ts';
import { FactLog, type FactOf, type Match } from './fact-log.ts';
import { type Guard, guardProcesses } from './guard.ts';
import { ZERO_COMMAND } from './paths.ts';
import { type Scope, temporaryFolder } from './temporary.ts';
import { type RawConfig, writeConfig } from './zero-config.ts';

/** Options for node:test: the time limit of a test with real processes. */
export const DEADLINE = { timeout: 120_000 } as const;

/** A running zero shows its log this many milliseconds before the time limit. */
const LAST_MOMENT = 5_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ZeroOptions {
  /** Written to the temporary directory and passed as `--config`. */
  readonly config?: RawConfig;
  /**
   * Arguments before `--config FILE` (which is added with `config`), e.g. `['check']`, or all arguments, e.g. `['run',
   * '--listen', '0', '--', ...]`.
   */
  readonly args?: readonly string[];
  /** Added to this process's environment; undefined removes a variable. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** A program other than bin/zero.js of the checkout. */
  readonly command?: readonly [string, ...string[]];
  /** Descriptors that zero gets as 3 and up. */
  readonly descriptors?: readonly number[];
  /** The working directory; default: the temporary one. */
  readonly directory?: string;
  /** Its keeper restarts it, so its log continues after its exit. */
  readonly survives?: boolean;
  /** Replaces the new directory: for a supervisor that takes over the state of an earlier one. */
  readonly folder?: string;
}

/** A running supervisor. */
export interface Zero {
  readonly pid: number;
  readonly process: ChildProcess;
  readonly folder: string;
  /** The config file. `rewrite` changes it. */
  readonly config: string | null;
  /** Resolves when the process has exited and everything that it wrote is in the log. */
  readonly exited: Promise<Exit>;
  /** Every fact so far. */
  readonly log: FactLog;
  /** The position after the newest fact. Facts after `signal` follow the cursor taken before it. */
  readonly cursor: number;
  /**
   * The first matching fact at or after `from`, seen already or later. Rejects with the last lines when zero exits
   * without it.
   */
  fact<N extends FactName>(event: N, match?: Match<N>, from?: number): Promise<FactOf<N>>;
  signal(name: NodeJS.Signals): void;
  /** The address of a listener, from its newest `listener_bound`; for `parseTarget` and `startLoad`. */
  address(listener: string): Promise<string>;
  rewrite(config: RawConfig): void;
}

function environmentWith(changes: ZeroOptions['environment'], folder: string): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    XDG_RUNTIME_DIR: join(folder, 'xdg-run'),
    XDG_STATE_HOME: join(folder, 'xdg-state'),
    // Instances of an ordinary user are linked there. This hides them from other tests.
    TMPDIR: folder,
  };
  // A variable of the test runner for its own children.
  delete environment.NODE_TEST_CONTEXT;
  delete environment.NODE_OPTIONS;
  delete environment.ZERO_CONFIG;
  for (const [key, value] of Object.entries(changes ?? {})) {
    if (value === undefined) delete environment[key];
    else environment[key] = value;
  }
  return environment;
}

function launch(
  scope: Scope,
  options: ZeroOptions,
): { child: ChildProcess; folder: string; config: string | null } {
  const folder = options.folder ?? temporaryFolder(scope);
  const config = options.config === undefined ? null : writeConfig(folder, options.config);
  const [program, ...first] = options.command ?? ZERO_COMMAND;
  const args = [...first, ...(options.args ?? []), ...(config === null ? [] : ['--config', config])];
  mkdirSync(join(folder, 'xdg-run'), { recursive: true });
  const child = spawn(program, args, {
    cwd: options.directory ?? folder,
    env: environmentWith(options.environment, folder),
    stdio: ['ignore', 'pipe', 'pipe', ...(options.descriptors ?? [])],
  });
  return { child, folder, config };
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error(`${child.spawnfile} could not be started`);
  return child.pid;
}

/** Processes that outlive the supervisor. Every reported one is remembered for the end of the test. */
const PROCESSES: ReadonlySet<FactName> = new Set([
  'worker_spawned',
  'worker_pid_changed',
  'worker_adopted',
  'keeper_started',
  'supervisor_started',
]);

function ownProcesses(log: FactLog, guard: Guard): void {
  log.onFact((fact) => {
    if (PROCESSES.has(fact.event) && 'pid' in fact && typeof fact.pid === 'number') guard.own(fact.pid);
  });
}

function readLines(stream: Readable | null, log: FactLog): Promise<void> {
  if (stream === null) return Promise.resolve();
  createInterface({ input: stream }).on('line', (line) => log.line(line));
  return new Promise((resolve) => stream.once('close', resolve));
}

/**
 * Starts bin/zero.js as a process. The end of the test kills the supervisor, the workers and the remaining processes of
 * their sessions, whatever its outcome.
 */
export function startZero(scope: Scope, options: ZeroOptions): Zero {
  // Before the directory, because cleanup runs in this order.
  const guard = guardProcesses(scope);
  const { child, folder, config } = launch(scope, options);
  const pid = pidOf(child);
  guard.own(pid);
  const log = new FactLog();
  ownProcesses(log, guard);
  const read = Promise.all([readLines(child.stdout, log), readLines(child.stderr, log)]);
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      const exit = { code, signal };
      // Node reports the exit before the last output if another child ended at the same time. One whole turn of the
      // event loop reads all that the process has written.
      void turn()
        .then(() => turn())
        .then(() => resolve(exit));
      // The last facts may still be in the pipes. A descendant that holds a pipe open would prevent their end.
      const give = setTimeout(() => closeLog(exit), 2000).unref();
      void read.then(() => {
        clearTimeout(give);
        closeLog(exit);
      });
    });
  });
  const closeLog = ({ code, signal }: Exit): void => {
    if (!options.survives) log.close(`zero exited with ${signal ?? code}`);
  };
  // The time limit of a test ends it without a reason.
  if ('signal' in scope) {
    const show = () => process.stderr.write(`zero ${pid} has run for long. Its last lines:\n${log.text}\n`);
    const late = setTimeout(show, DEADLINE.timeout - LAST_MOMENT).unref();
    child.once('exit', () => clearTimeout(late));
  }

  return {
    pid,
    process: child,
    folder,
    config,
    exited,
    log,
    get cursor() {
      return log.cursor;
    },
    fact: (event, match = {}, from = 0) => log.fact(event, match, from),
    signal(name) {
      if (!child.kill(name)) throw new Error(`kill ${name} ${pid}: zero has exited:\n${log.text}`);
    },
    async address(listener) {
      await log.fact('listener_bound', { listener });
      const newest = log.all('listener_bound', { listener }).at(-1);
      return newest?.address ?? '';
    },
    rewrite(next) {
      writeConfig(folder, next);
    },
  };
}

/** Runs a command until it exits, e.g. `check`. Never rejects; the result contains the exit. */
export async function runZero(
  scope: Scope,
  options: ZeroOptions,
): Promise<Exit & { readonly stdout: string; readonly stderr: string; readonly folder: string }> {
  const guard = guardProcesses(scope);
  const { child, folder } = launch(scope, options);
  guard.own(pidOf(child));
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk;
    });
  }
  const exit = await new Promise<Exit>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal })),
  );
  return { ...exit, ...text, folder };
}
