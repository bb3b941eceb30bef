import os from 'node:os';
import path from 'node:path';
import type { Config } from '../config/index.ts';

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

/**
 * The instance that a config describes: given directories as they are, defaults by who runs it
 * (docs/reference/config.md). Throws InstanceError where the default data directory is not known.
 */
export function instanceOf(config: Config): Instance {
  const { data_directory } = config.application;
  const { name } = config.service.runtime;
  return {
    name,
    runtimeDirectory: runtimeDirectoryOf(config),
    dataDirectory: path.resolve(data_directory ?? defaultDataDirectory(name)),
  };
}

/** Where the lock, the sockets and the state of a config's instance are. */
export function runtimeDirectoryOf({ application, service }: Config): string {
  return path.resolve(application.runtime_directory ?? defaultRuntimeDirectory(service.runtime.name));
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

function defaultRuntimeDirectory(name: string): string {
  return path.join(isRoot() ? SYSTEM_RUNTIME : userRuntime(), name);
}

const SYSTEM_RUNTIME = '/run/zero';

function userRuntime(): string {
  const base = process.env.XDG_RUNTIME_DIR;
  return base ? path.join(base, 'zero') : path.join(os.tmpdir(), `zero-${process.geteuid?.()}`);
}

/** Where instances that were given no runtime directory have theirs: this user's first, then root's. */
export function runtimeRoots(): readonly string[] {
  return isRoot() ? [SYSTEM_RUNTIME] : [userRuntime(), SYSTEM_RUNTIME];
}

/** The control socket of an instance whose config names none. */
export function controlSocketIn(runtimeDirectory: string): string {
  return path.join(runtimeDirectory, 'control.sock');
}

/** The control socket that a config describes. */
export function controlSocketOf(config: Config): { path: string; mode: number; group: string | null } {
  const { path: own, mode, group } = config.application.control;
  return {
    path: own === undefined ? controlSocketIn(runtimeDirectoryOf(config)) : path.resolve(own),
    // A group that could not write to the socket could not connect (unix(7)).
    mode: mode ?? (group === undefined ? 0o600 : 0o660),
    group: group ?? null,
  };
}

function defaultDataDirectory(name: string): string {
  if (isRoot()) return path.join('/var/lib/zero', name);
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
