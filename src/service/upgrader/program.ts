import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

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
    args: [...process.execArgv, ...process.argv.slice(1)],
    directory: directoryAsGiven(),
  };
}

/** $PWD where it is this directory: it keeps the symbolic links, and a release folder may be behind another one at the next upgrade. */
function directoryAsGiven(): string {
  const here = process.cwd();
  const { PWD } = process.env;
  if (PWD === undefined || resolve(PWD) !== PWD) return here;
  const [one, other] = [PWD, here].map((path) => statSync(path, { throwIfNoEntry: false }));
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev ? PWD : here;
}

/** What an upgrade may run instead of what runs now. */
export interface ProgramOptions {
  /** Looked up on $PATH when it has no slash, else meant from `directory`. Default: as this process was called, looked up again. */
  readonly executable?: string;
  /** All arguments, those for Node included. Default: those of this process. */
  readonly args?: readonly string[];
  /** The whole environment. Default: that of this process as it is now. */
  readonly environment?: Readonly<NodeJS.ProcessEnv>;
  /** Default: where this process was started, looked up again. */
  readonly directory?: string;
}

/** What is started. */
export interface Program {
  readonly file: string;
  readonly argv0: string;
  readonly args: readonly string[];
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  readonly directory: string;
}

/** Throws with the name of what is gone. */
export function resolveProgram(origin: Origin, options: ProgramOptions): Program {
  const { environment = process.env, args = origin.args } = options;
  const directory = resolve(origin.directory, options.directory ?? '.');
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory())
    throw new Error(`directory ${directory}: it is not there`);
  const name = options.executable ?? origin.argv0;
  const found = find(name, directory, environment.PATH);
  // A program may have been started under a name that is no file's.
  const file = found ?? (options.executable === undefined ? find(origin.execPath, directory, '') : null);
  if (file === null)
    throw new Error(
      `executable ${options.executable ?? origin.execPath}: it is not there, or may not be executed`,
    );
  return { file, argv0: name, args, environment, directory };
}

function find(name: string, directory: string, path: string | undefined): string | null {
  const places = name.includes('/')
    ? [resolve(directory, name)]
    : (path ?? '').split(delimiter).map((folder) => join(resolve(directory, folder), name));
  return places.find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
