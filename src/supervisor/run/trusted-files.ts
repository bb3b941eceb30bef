import { findCommand } from '../../common/find-command.ts';
import type { Config, Path } from '../../config/index.ts';
import type { Failure } from '../../lifecycle/facts.ts';
import { type Opening, openToEverybody, openToUser } from '../../linux/files/writable-path.ts';
import { absolute } from '../../workers/spawning/release.ts';
import type { TargetUser } from '../../workers/spawning/target-user.ts';
import { namedFiles, scriptsOf } from './release-file.ts';

/*
 * As root, zero refuses files that it obeys or executes if every user can write to them. A user who can write to such a
 * file can become root, or the user of the service.
 */

/** A file that zero obeys or executes. */
export interface ObeyedFile {
  /** For messages, such as `script`. */
  readonly what: string;
  readonly path: string;
  /** The key of the config that refers to the file; null for the config itself. */
  readonly key: Path | null;
  /** The step of the handover that fails because of the file. */
  readonly step: string;
}

/** A file that another user can change. `message` is one line with the reason and the command that corrects it. */
export interface OpenFile extends ObeyedFile {
  readonly message: string;
}

/** The directories and search paths that a config refers to. */
export interface FilePlaces {
  /** Where zero was started. */
  readonly startDirectory: string;
  /** PATH of zero. zero finds hooks in it. */
  readonly ownPath: string | undefined;
  /** PATH of the service. zero finds the commands of gates in it. */
  readonly servicePath: string | undefined;
  /** The executable of an earlier generation, instead of that of the config. Absolute. */
  readonly executable?: string;
}

/** Every file that a config makes zero read or execute, except the config itself. Skips files that are not found. */
export function obeyedFiles(config: Config, places: FilePlaces): ObeyedFile[] {
  const { runtime, hooks } = config.service;
  const { startDirectory, ownPath, servicePath } = places;
  const directory = absolute(runtime.directory, startDirectory);
  const executable = places.executable ?? absolute(runtime.path, directory);
  const inRuntime = (key: string): Path => ['service', 'runtime', key];
  const path = { key: inRuntime('path'), step: 'release.path' };
  const files: ObeyedFile[] = [
    { what: 'executable', path: executable, ...path },
    ...scriptsOf(executable, runtime.args, directory).map((script) => ({
      what: 'script',
      path: script.path,
      key: inRuntime('args'),
      step: 'release.path',
    })),
  ];
  if (runtime.environment_file !== undefined)
    files.push({
      what: 'environment_file',
      path: absolute(runtime.environment_file, directory),
      key: inRuntime('environment_file'),
      step: 'release.environment_file',
    });
  for (const [name, hook] of Object.entries(hooks)) {
    const key = ['service', 'hooks', name, 'run'];
    const place = { path: ownPath, directory: startDirectory };
    if (hook) files.push(...commandFiles('hook', hook.run, place, { key, step: `hook.${name}` }));
  }
  for (const [key, run] of checksOf(config)) {
    const about = { key: ['service', ...key, 'run'], step: key.join('.') };
    files.push(...commandFiles('command', run, { path: servicePath, directory }, about));
  }
  return files;
}

function checksOf({ service }: Config): [string[], readonly string[]][] {
  const { readiness, handover, liveness } = service;
  const all: [string[], readonly string[] | undefined][] = [
    [['readiness', 'command'], readiness.command?.run],
    [['handover', 'verify', 'command'], handover.verify?.command?.run],
    [['liveness', 'command'], liveness?.command?.run],
  ];
  return all.flatMap(([key, run]) => (run === undefined ? [] : [[key, run]]));
}

/** The program of a command, and the files that its arguments name: a script may read or execute them. */
function commandFiles(
  what: string,
  [program = '', ...args]: readonly string[],
  { path = '/usr/bin:/bin', directory }: { readonly path: string | undefined; readonly directory: string },
  about: Pick<ObeyedFile, 'key' | 'step'>,
): ObeyedFile[] {
  const found = findCommand(program, path);
  return [
    ...(found === null ? [] : [{ what, path: absolute(found, directory), ...about }]),
    ...namedFiles(args, directory).map((file) => ({ what: `${what} file`, path: file.path, ...about })),
  ];
}

/** The config file itself. */
export function configAsFile(path: string): ObeyedFile {
  return { what: 'config', path, key: null, step: 'config' };
}

const isRoot = () => process.geteuid?.() === 0;

/** Files that every user can change or replace. Empty if zero does not run as root. */
export function openFiles(files: readonly ObeyedFile[]): OpenFile[] {
  if (!isRoot()) return [];
  return files.flatMap((file) => {
    const opening = openToEverybody(file.path);
    return opening === null ? [] : [{ ...file, message: messageOf(file, opening, 'every user') }];
  });
}

/**
 * Files that the user of the service can change or replace. Empty if zero does not run as root, or the service runs as
 * root.
 */
export function serviceOpenFiles(
  files: readonly ObeyedFile[],
  user: Pick<TargetUser, 'name' | 'uid' | 'gid' | 'groups'> | null,
): OpenFile[] {
  if (!isRoot() || user === null) return [];
  return files.flatMap((file) => {
    const opening = openToUser(file.path, user);
    const who = `${user.name}, the user of the service,`;
    return opening === null ? [] : [{ ...file, message: messageOf(file, opening, who) }];
  });
}

/** The failure of a handover because of such files; null without one. */
export function openFileFailure(files: readonly ObeyedFile[]): Failure | null {
  const [first, ...more] = openFiles(files);
  if (first === undefined) return null;
  const { step, path } = first;
  return { step, subject: path, reason: [first, ...more].map(({ message }) => message).join('; ') };
}

function messageOf({ what, path }: ObeyedFile, opening: Opening, who: string): string {
  const { kind, by, uid, mode } = opening;
  const bits = mode.toString(8);
  const right = by === 'owner' ? `owner uid ${uid}` : `mode ${bits}`;
  const advice =
    by === 'owner'
      ? `chown${kind === 'link' ? ' -h' : ''} root ${opening.path}`
      : `chmod ${by === 'group' ? 'g' : 'o'}-w ${opening.path}`;
  const how =
    kind === 'file'
      ? `${who} can write to it (${right})`
      : `${who} can replace it through the ${kind === 'link' ? 'symbolic link' : 'directory'} ${opening.path} (${right})`;
  return `${what} ${path}: ${how}. Run: ${advice}`;
}
