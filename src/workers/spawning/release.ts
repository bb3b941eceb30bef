import { readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { reasonOf } from '../../common/errors.ts';
import type { RuntimeConfig } from '../../config/schema.ts';
import { mayExecute, maySearch } from '../../linux/users.ts';
import { tools } from './commands.ts';
import { buildEnvironment, type Environment, environmentNames } from './environment.ts';
import { EnvironmentFileError, parseEnvironmentFile } from './environment-file.ts';
import { requireCapabilities } from './privileges.ts';
import { ReleaseError, type ReleaseStep } from './release-error.ts';
import { scriptProblem } from './script.ts';
import type { TargetUser } from './target-user.ts';

/**
 * Distinguishes one build of an executable from another. The modification time is in milliseconds, the size in bytes.
 */
export interface ReleaseIdentity {
  readonly device: number;
  readonly inode: number;
  readonly size: number;
  readonly mtimeMs: number;
}

/**
 * The program of a generation, resolved once: a restarted worker gets the same, even if symlinks have changed by then.
 */
export interface Release {
  /** Absolute, as in the config. */
  readonly path: string;
  /** The path to execute: symlinks of the directories resolved, the last component as written. Also argv[0]. */
  readonly executable: string;
  /** The working directory, with its symlinks resolved. */
  readonly directory: string;
  readonly identity: ReleaseIdentity;
  /** Contains secrets: must never be printed or stored. */
  readonly environment: Environment;
  /** The names of the environment, which may be printed and stored. */
  readonly environmentNames: readonly string[];
}

/** The program of an earlier generation, used instead of the config. */
export interface EarlierRelease {
  /** Absolute: its own file, or a copy of it. */
  readonly executable: string;
  readonly directory: string;
}

export interface ReleaseContext {
  readonly user: TargetUser | null;
  readonly earlier?: EarlierRelease | null;
  /** zero's own environment, from rawEnvironment() at its start. */
  readonly base: readonly Buffer[];
  /** The directory where zero was started, with its symlinks as the user wrote them. */
  readonly startDirectory: string;
}

/**
 * Finds the program of a new generation and checks it as the target user. Relative paths start at `directory`, a
 * relative `directory` at zero's start directory. An earlier release gets the current environment. Throws ReleaseError.
 */
export function resolveRelease(
  runtime: RuntimeConfig,
  { user, base, startDirectory, earlier = null }: ReleaseContext,
): Release {
  const written = absolute(runtime.directory, startDirectory);
  const directory = resolveDirectory(earlier?.directory ?? written, user);
  const path = earlier?.executable ?? absolute(runtime.path, written);
  const executable = resolveExecutable(path, directory, user);
  if (Object.keys(runtime.limits).length > 0) requireTool('prlimit', 'limits');
  requirePrivileges(runtime, user);
  const environment = buildEnvironment({ runtime, base, user, file: readEnvironmentFile(runtime, written) });
  return {
    path,
    executable: executable.path,
    directory,
    identity: executable.identity,
    environment,
    environmentNames: environmentNames(environment),
  };
}

/**
 * Everything that currently prevents a start of the service, each part checked separately. Checks that depend on a
 * missing part are left out.
 */
export function releaseProblems(runtime: RuntimeConfig, user: TargetUser | null): ReleaseError[] {
  const written = absolute(runtime.directory, process.cwd());
  const problems: ReleaseError[] = [];
  const collect = <Result>(act: () => Result): Result | null => {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof ReleaseError)) throw error;
      problems.push(error);
      return null;
    }
  };
  const directory = collect(() => resolveDirectory(written, user));
  const isBelow = (path: string | undefined) => path !== undefined && !path.startsWith('/');
  if (directory !== null || !isBelow(runtime.path))
    collect(() => resolveExecutable(absolute(runtime.path, written), directory ?? written, user));
  if (directory !== null || !isBelow(runtime.environment_file))
    collect(() => readEnvironmentFile(runtime, written));
  if (Object.keys(runtime.limits).length > 0) collect(() => requireTool('prlimit', 'limits'));
  // Nothing more can be checked for an unknown user.
  if (user !== null || runtime.user === undefined) collect(() => requirePrivileges(runtime, user));
  return problems;
}

/** Why an earlier release could not be started as this user. Null: no problem was found. */
export function earlierProblem(
  { executable, directory }: EarlierRelease,
  user: TargetUser | null,
): string | null {
  try {
    resolveExecutable(executable, resolveDirectory(directory, user), user);
    return null;
  } catch (error) {
    if (error instanceof ReleaseError) return error.message;
    throw error;
  }
}

/**
 * Makes a path of the config absolute, relative to a directory. Paths are joined as text and resolved by realpath(3):
 * `current/../bin` is resolved as the kernel does, while Node's path functions, and its own realpath, remove the `..`
 * before they follow symlinks.
 */
export function absolute(path: string, directory: string): string {
  if (path.startsWith('/')) return path;
  return path === '' ? directory : `${directory === '/' ? '' : directory}/${path}`;
}

function resolveDirectory(written: string, user: TargetUser | null): string {
  const directory = attempt('directory', `directory ${written}`, () => realpathSync.native(written));
  const stats = attempt('directory', `directory ${written}`, () => statSync(directory));
  if (!stats.isDirectory())
    throw new ReleaseError('directory', `directory ${written}: ENOTDIR: it is not a directory`);
  // The launcher enters it as root, but the service could not access it.
  const problem = maySearch(directory, user);
  if (problem !== null) throw new ReleaseError('directory', `directory ${written}: ${problem}`);
  return directory;
}

function resolveExecutable(
  path: string,
  directory: string,
  user: TargetUser | null,
): { path: string; identity: ReleaseIdentity } {
  const subject = `executable ${path}`;
  const folder = attempt('path', subject, () => realpathSync.native(dirname(path)));
  const executable = `${folder === '/' ? '' : folder}/${basename(path)}`;
  const stats = attempt('path', subject, () => statSync(executable));
  const forbidden = mayExecute(executable, user);
  if (forbidden !== null)
    throw new ReleaseError(
      'path',
      `${subject}: ${forbidden}${user === null ? '' : ` (as user ${user.name})`}`,
    );
  const problem = scriptProblem(executable, directory);
  if (problem !== null) throw new ReleaseError('path', `${subject}: ${problem}`);
  return { path: executable, identity: identityOf(stats) };
}

function readEnvironmentFile(runtime: RuntimeConfig, directory: string): Environment | null {
  if (runtime.environment_file === undefined) return null;
  const path = absolute(runtime.environment_file, directory);
  const content = attempt('environment_file', `environment_file ${path}`, () => readFileSync(path));
  try {
    return parseEnvironmentFile(content);
  } catch (error) {
    if (!(error instanceof EnvironmentFileError)) throw error;
    throw new ReleaseError('environment_file', `environment_file ${path}:${error.line}: ${error.message}`);
  }
}

function identityOf(stats: Stats): ReleaseIdentity {
  return { device: stats.dev, inode: stats.ino, size: stats.size, mtimeMs: stats.mtimeMs };
}

/** Checks that user, capabilities and no_new_privs can be set. */
function requirePrivileges(runtime: RuntimeConfig, user: TargetUser | null): void {
  if (user?.switches) requireTool('setpriv', 'user');
  if (runtime.no_new_privs) requireTool('setpriv', 'no_new_privs');
  requireCapabilities(runtime, user);
  if (runtime.capabilities.length > 0) requireTool('setpriv', 'capabilities');
}

function requireTool(name: 'setpriv' | 'prlimit', step: ReleaseStep): void {
  try {
    tools.find(name);
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    throw new ReleaseError(step, `${step} cannot be set: ${error.message}`);
  }
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  ENOTDIR: 'a part of the path is not a directory',
  EACCES: 'zero may not read it',
  ELOOP: 'its symbolic links form a loop',
};

function attempt<Result>(step: ReleaseError['step'], subject: string, act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    const code = reasonOf(error);
    throw new ReleaseError(step, `${subject}: ${code}${WHY[code] === undefined ? '' : `: ${WHY[code]}`}`);
  }
}
