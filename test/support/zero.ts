import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { FactName } from '../../src/lifecycle/facts.ts';
import { FactLog, type FactOf, type Match } from './fact-log.ts';
import { type Guard, guardProcesses } from './guard.ts';
import { ZERO_COMMAND } from './paths.ts';
import { type Scope, temporaryFolder } from './temporary.ts';
import { type RawConfig, writeConfig } from './zero-config.ts';

/** For node:test's options: no test of real processes takes longer. */
export const DEADLINE = { timeout: 120_000 } as const;

/** So long before it, in milliseconds, a zero that still runs shows its log. */
const LAST_MOMENT = 5_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ZeroOptions {
  /** Written to the temporary folder and given as `--config`. */
  readonly config?: RawConfig;
  /** In front of `--config FILE` (which is there when `config` is given), e.g. `['check']`, or alone, e.g. `['run', '--listen', '0', '--', ...]`. */
  readonly args?: readonly string[];
  /** Added to this process's environment; undefined takes a variable away. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Another program than bin/zero.js of the checkout. */
  readonly command?: readonly [string, ...string[]];
  /** Descriptors that zero gets as 3 and up. */
  readonly descriptors?: readonly number[];
  /** Where it is started; default: the folder. */
  readonly directory?: string;
  /** Its keeper starts it again: its log goes on when it has died. */
  readonly survives?: boolean;
  /** Another folder than a new one: for a supervisor that takes over what an earlier one left. */
  readonly folder?: string;
}

/** A running supervisor. */
export interface Zero {
  readonly pid: number;
  readonly process: ChildProcess;
  readonly folder: string;
  /** The config file; write it again with `rewrite`. */
  readonly config: string | null;
  readonly exited: Promise<Exit>;
  /** Everything seen so far. */
  readonly log: FactLog;
  /** The position behind the newest fact: what comes after `signal` is what comes after the cursor taken before it. */
  readonly cursor: number;
  /** The first such fact at or behind `from`, seen already or still to come; rejects with the last lines when zero exits without it. */
  fact<N extends FactName>(event: N, match?: Match<N>, from?: number): Promise<FactOf<N>>;
  signal(name: NodeJS.Signals): void;
  /** Where a listener is reached, from its newest `listener_bound`; for `parseTarget` and `startLoad`. */
  address(listener: string): Promise<string>;
  rewrite(config: RawConfig): void;
}

function environmentWith(changes: ZeroOptions['environment'], folder: string): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    XDG_RUNTIME_DIR: join(folder, 'xdg-run'),
    XDG_STATE_HOME: join(folder, 'xdg-state'),
    // Where an ordinary user's instances elsewhere are made known: not to other tests.
    TMPDIR: folder,
  };
  // What the runner of these tests sets for its own children.
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

/** They outlive the supervisor, so everything that a fact tells of is remembered for the end of the test. */
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
 * Starts bin/zero.js as a process of its own. Supervisor, workers and what is left of their sessions are killed at the end of the test,
 * whatever its outcome.
 */
export function startZero(scope: Scope, options: ZeroOptions): Zero {
  // Before the folder, because what is left to do at the end of a test is done in this order.
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
      resolve(exit);
      // The last facts may still be in the pipes; a descendant that holds a pipe open would keep them from ending.
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
  // The time limit of a test ends it without the reason.
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
      if (!child.kill(name)) throw new Error(`kill ${name} ${pid}: zero is gone:\n${log.text}`);
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

/** Runs a command to its end, e.g. `check`; rejects never, the exit says it all. */
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
