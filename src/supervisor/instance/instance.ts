import path from 'node:path';
import { homeDirectory } from '../../common/files.ts';
import type { Config } from '../../config/index.ts';
import { defaultName, type Origin } from './default-name.ts';
import { defaultRoot, processOwner } from './instance-roots.ts';

/** The instance cannot start. The message says why and what to do. */
export class InstanceError extends Error {}

/** The name and the directories of one running zero. */
export interface Instance {
  readonly name: string;
  /** Lock, notify sockets, state. */
  readonly runtimeDirectory: string;
  /** History. */
  readonly dataDirectory: string;
}

/**
 * The name of the instance that a config describes.
 * @param origin the source of the config
 */
export function instanceName({ service: { runtime } }: Config, origin: Origin): string {
  return runtime.name ?? defaultName(runtime, origin);
}

/**
 * The instance that a config describes.
 * @param origin the source of the config
 */
export function instanceOf(config: Config, origin: Origin): Instance {
  return instanceNamed(instanceName(config, origin), config);
}

/**
 * The instance of this name. Uses the configured directories, otherwise defaults that depend on the user
 * (docs/reference/config.md). Throws InstanceError if the default data directory is unknown.
 */
export function instanceNamed(name: string, config: Config): Instance {
  const { data_directory } = config.application;
  return {
    name,
    runtimeDirectory: runtimeDirectoryOf(config, name),
    dataDirectory: path.resolve(data_directory ?? defaultDataDirectory(name)),
  };
}

/** The directory of the lock, the sockets and the state of an instance of this name. */
export function runtimeDirectoryOf({ application }: Config, name: string): string {
  return path.resolve(application.runtime_directory ?? path.join(defaultRoot(processOwner()), name));
}

/** The file in a runtime directory that the supervisor has locked while it runs. */
export const LOCK = 'lock';

/** The default control socket of an instance. */
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
    // connect(2) needs write permission to the socket (unix(7)), so a group needs it too.
    mode: mode ?? (group === undefined ? 0o600 : 0o660),
    group: group ?? null,
  };
}

/** The default history directory of an instance for this user. */
export function defaultDataDirectory(name: string): string {
  if (process.geteuid?.() === 0) return path.join('/var/lib/zero', name);
  return path.join(process.env.XDG_STATE_HOME || path.join(requireHome(), '.local/state'), 'zero', name);
}

/** Throws InstanceError if the home directory is unknown. */
function requireHome(): string {
  const home = homeDirectory();
  if (home !== null) return home;
  throw new InstanceError(
    `data directory: HOME is not set, and uid ${process.geteuid?.()} has no home directory in the password database. Set HOME, XDG_STATE_HOME or application.data_directory.`,
  );
}
