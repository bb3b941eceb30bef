import { spawn } from 'node:child_process';
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Finished } from './command.ts';
import { guardProcesses } from './guard.ts';
import { installZero } from './installed.ts';
import { ZERO_COMMAND } from './paths.ts';
import { type Account, account, asAccount, IS_ROOT, sharedFolder } from './privileges.ts';
import type { Scope } from './temporary.ts';
import { startZero, type Zero } from './zero.ts';

/** A user of zero: an account, and the environment of a login, of cron or of sudo. */
export interface Operator {
  /** null: the user that runs this test. */
  readonly account: Account | null;
  /** argv of zero. */
  readonly zero: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** argv that runs zero as that operator. */
export function zeroAs({ account, zero }: Operator): [string, ...string[]] {
  return account === null ? [...zero] : [...asAccount(account), ...zero];
}

/** An ordinary user with directories below a new one. It is nobody if root runs the test. */
export function ordinaryUser(scope: Scope): { readonly me: Operator; readonly folder: string } {
  const folder = sharedFolder(scope);
  const environment = {
    TMPDIR: folder,
    XDG_RUNTIME_DIR: join(folder, 'xdg'),
    XDG_STATE_HOME: join(folder, 'state'),
  };
  mkdirSync(environment.XDG_RUNTIME_DIR);
  const own = { account: null, zero: ZERO_COMMAND, environment };
  if (!IS_ROOT) return { me: own, folder };
  const nobody = account('nobody');
  for (const directory of [folder, environment.XDG_RUNTIME_DIR]) chownSync(directory, nobody.uid, nobody.gid);
  return { me: { ...own, account: nobody, zero: installZero(scope).command }, folder };
}

/** A directory with a program that only waits. Returns the path of the program. */
export function writeService({ account }: Operator, directory: string, script = 'app.js'): string {
  const file = join(directory, script);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, 'setInterval(() => {}, 2 ** 30);\n');
  if (account !== null) chownSync(directory, account.uid, account.gid);
  return file;
}

/** A config without a name and without directories, for such a program. */
export function writeUnnamedConfig(file: string, args: readonly string[], more: object = {}): string {
  const config = {
    application: { logging: { format: 'json' } },
    service: {
      runtime: { path: process.execPath, args, directory: dirname(file) },
      options: { reload_uptime: '0s' },
    },
    ...more,
  };
  writeFileSync(file, `${JSON.stringify(config)}\n`);
  return file;
}

/** Starts zero in a directory, and waits until its service runs. */
export async function startIn(
  scope: Scope,
  operator: Operator,
  folder: string,
  ...args: readonly string[]
): Promise<{ readonly zero: Zero; readonly name: string }> {
  const { environment } = operator;
  const zero = startZero(scope, { folder, command: zeroAs(operator), args, environment });
  const { name } = await zero.fact('supervisor_started');
  await zero.fact('generation_promoted');
  return { zero, name };
}

/** Runs `zero ARGS` in a directory until it exits. */
export async function runIn(
  scope: Scope,
  operator: Operator,
  cwd: string,
  ...args: readonly string[]
): Promise<Finished> {
  const [first, ...rest] = zeroAs(operator);
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1', ...operator.environment };
  for (const name of ['ZERO_CONFIG', 'NODE_OPTIONS', 'NODE_TEST_CONTEXT']) delete env[name];
  for (const [name, value] of Object.entries(env)) if (value === undefined) delete env[name];
  const child = spawn(first, [...rest, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  if (child.pid !== undefined) guardProcesses(scope).own(child.pid);
  const text = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (chunk: string) => {
      text[stream] += chunk;
    });
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, ...text }));
  });
}
