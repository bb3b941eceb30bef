import { type ChildProcess, spawn } from 'node:child_process';
import { guardProcesses } from './guard.ts';
import { ZERO_COMMAND } from './paths.ts';
import type { Scope } from './temporary.ts';
import type { Exit, Zero } from './zero.ts';

export interface Finished extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** An operator's command that runs next to the supervisor. */
export interface Command {
  readonly finished: Promise<Finished>;
  /**
   * Resolves when the command has written this text to standard output. Rejects with the whole output when it ends
   * before.
   */
  shown(text: string): Promise<void>;
  signal(name: NodeJS.Signals): void;
}

/** Starts `zero ARGS`. With `zero`, `--config` selects that instance. `more`: environment variables. */
export function startCommand(
  scope: Scope,
  zero: Pick<Zero, 'config'> | null,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Command {
  const [program, ...first] = ZERO_COMMAND;
  const instance = zero?.config ? ['--config', zero.config] : [];
  const environment = { ...process.env, ZERO_CONFIG: '', NO_COLOR: '1', ...more };
  const child = spawn(program, [...first, ...args, ...instance], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child.pid !== undefined) guardProcesses(scope).own(child.pid);
  const text = { stdout: '', stderr: '' };
  const finished = ended(child, text);
  return {
    finished,
    signal: (name) => void child.kill(name),
    shown: (wanted) =>
      new Promise((resolve, reject) => {
        const look = (): boolean => text.stdout.includes(wanted);
        child.stdout.on('data', () => look() && resolve());
        if (look()) resolve();
        void finished.then(() => reject(new Error(`it ended without ${wanted}: ${JSON.stringify(text)}`)));
      }),
  };
}

/** Runs the command until it exits. */
export function command(
  scope: Scope,
  zero: Pick<Zero, 'config'> | null,
  ...args: readonly string[]
): Promise<Finished> {
  return startCommand(scope, zero, args).finished;
}

async function ended(child: ChildProcess, text: { stdout: string; stderr: string }): Promise<Finished> {
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk;
    });
  }
  const exit = await new Promise<Exit>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal })),
  );
  return { ...exit, ...text };
}
