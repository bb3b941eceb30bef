import os from 'node:os';
import path from 'node:path';
import type { Config } from '../../config/index.ts';
import { defaultName, type Origin } from './default-name.ts';
import { defaultPlace, processOwner } from './places.ts';

/** A supervisor that cannot be one: the message says what and what to do. */
export class InstanceError extends Error {}

/** Where one running zero keeps what belongs to it. */
export interface Instance {
  readonly name: string;
  /** Lock, notify sockets, state. */
  readonly runtimeDirectory: string;
  /** History. */
  readonly dataDirectory: string;
}

/** The name of the instance that a config from there describes. */
export function instanceName({ service: { runtime } }: Config, origin: Origin): string {
  return runtime.name ?? defaultName(runtime, origin);
}

/** The instance that a config from there describes. */
export function instanceOf(config: Config, origin: Origin): Instance {
  return instanceNamed(instanceName(config, origin), config);
}

/**
 * Given directories as they are, defaults by who runs it (docs/reference/config.md). Throws InstanceError where the
 * default data directory is not known.
 */
export function instanceNamed(name: string, config: Config): Instance {
  const { data_directory } = config.application;
  return {
    name,
    runtimeDirectory: runtimeDirectoryOf(config, name),
    dataDirectory: path.resolve(data_directory ?? defaultDataDirectory(name)),
  };
}

/** Where the lock, the sockets and the state of an instance of this name are. */
export function runtimeDirectoryOf({ application }: Config, name: string): string {
  return path.resolve(application.runtime_directory ?? path.join(defaultPlace(processOwner()), name));
}

/** The control socket of an instance whose config names none. */
export function controlSocketIn(runtimeDirectory: string): string {
  return path.join(runtimeDirectory, 'control.sock');
}

/** The control socket that the config of an instance describes. */
export function controlSocketOf(
  { application }: Config,
  { runtimeDirectory }: Pick<Instance, 'runtimeDirectory'>,
): { path: string; mode: number; group: string | null } {
  const { path: own, mode, group } = application.control;
  return {
    path: own === undefined ? controlSocketIn(runtimeDirectory) : path.resolve(own),
    // A group that could not write to the socket could not connect (unix(7)).
    mode: mode ?? (group === undefined ? 0o600 : 0o660),
    group: group ?? null,
  };
}

/** Where the instance of this name has its history, as this user. */
export function defaultDataDirectory(name: string): string {
  if (process.geteuid?.() === 0) return path.join('/var/lib/zero', name);
  return path.join(process.env.XDG_STATE_HOME || path.join(homeDirectory(), '.local/state'), 'zero', name);
}

/** $HOME, else the one of the password database. Throws InstanceError where neither is known. */
function homeDirectory(): string {
  let home = '';
  try {
    home = os.homedir();
  } catch {
    // uv_os_homedir: the user's number has no entry in passwd(5), as in many containers.
  }
  if (home !== '') return home;
  throw new InstanceError(
    `data directory: HOME is not set, and uid ${process.geteuid?.()} has no home directory in the password database. Set HOME, XDG_STATE_HOME or application.data_directory.`,
  );
}
