import { statSync } from 'node:fs';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { findCommand, isExecutable } from '../../common/find-command.ts';
import { directoryAsGiven } from '../as-given.ts';
import { platform } from '../platform/index.ts';

/** How this process was started. Taken when the library is loaded, before the program changes its directory. */
export interface Origin {
  readonly argv0: string;
  readonly execPath: string;
  readonly args: readonly string[];
  readonly directory: string;
}

export function originOfThisProcess(): Origin {
  return {
    argv0: process.argv0,
    execPath: process.execPath,
    args: argumentsAsGiven(process, process.cwd(), platform.commandLine()),
    directory: directoryAsGiven(),
  };
}

/** From `process`. Node makes the script's path in `argv` absolute and resolves the symbolic links of the directory. */
interface Arguments {
  readonly argv0: string;
  readonly execArgv: readonly string[];
  readonly argv: readonly string[];
}

/**
 * The arguments with the script's path as it was given, so that a later process resolves the path again: a release
 * folder may have been replaced. If the command line is unknown or was overwritten (`process.title`), a script below
 * the working directory becomes relative to that directory.
 */
export function argumentsAsGiven(
  { argv0, execArgv, argv }: Arguments,
  directory: string,
  commandLine: readonly string[] | null,
): readonly string[] {
  const [, script, ...rest] = argv;
  if (commandLine !== null && isIntact(commandLine, argv0, rest)) return commandLine.slice(1);
  if (script === undefined) return execArgv;
  const below = isAbsolute(script) ? relative(directory, script) : '..';
  const isBelow = below !== '' && below !== '..' && !below.startsWith(`..${sep}`) && !isAbsolute(below);
  return [...execArgv, isBelow ? `.${sep}${below}` : script, ...rest];
}

function isIntact([program, ...given]: readonly string[], argv0: string, rest: readonly string[]): boolean {
  const tail = given.slice(given.length - rest.length);
  return program === argv0 && given[0] !== '' && rest.every((argument, index) => argument === tail[index]);
}

/** What an upgrade runs, if not the same program again. */
export interface ProgramOptions {
  /**
   * Looked up in $PATH if it has no slash, otherwise relative to `directory`. Default: that of this process, looked up
   * again.
   */
  readonly executable?: string;
  /** All arguments, those for Node included. Default: those of this process. */
  readonly args?: readonly string[];
  /** The whole environment. Default: that of this process as it is now. */
  readonly environment?: Readonly<NodeJS.ProcessEnv>;
  /** Default: the directory in which this process was started, looked up again. */
  readonly directory?: string;
}

/** The program to start. */
export interface Program {
  readonly file: string;
  readonly argv0: string;
  readonly args: readonly string[];
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  readonly directory: string;
}

/** Throws with the path that does not exist. */
export function resolveProgram(origin: Origin, options: ProgramOptions): Program {
  const { environment = process.env, args = origin.args } = options;
  const directory = resolve(origin.directory, options.directory ?? '.');
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory())
    throw new Error(`directory ${directory}: it does not exist`);
  const name = options.executable ?? origin.argv0;
  const found = find(name, directory, environment.PATH);
  // A program may have been started under a name that is not the name of a file.
  const file = found ?? (options.executable === undefined ? find(origin.execPath, directory, '') : null);
  if (file === null)
    throw new Error(
      `executable ${options.executable ?? origin.execPath}: it does not exist, or may not be executed`,
    );
  return { file, argv0: name, args, environment, directory };
}

function find(name: string, directory: string, path: string | undefined): string | null {
  if (!name.includes('/')) return findCommand(name, path ?? '', directory);
  const file = resolve(directory, name);
  return isExecutable(file) ? file : null;
}
