import os from 'node:os';
import path from 'node:path';
import type { Config } from '../config/index.ts';

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
 * (docs/reference/config.md).
 */
export function instanceOf(config: Config): Instance {
  const { runtime_directory, data_directory } = config.application;
  const { name } = config.service.runtime;
  return {
    name,
    runtimeDirectory: path.resolve(runtime_directory ?? defaultRuntimeDirectory(name)),
    dataDirectory: path.resolve(data_directory ?? defaultDataDirectory(name)),
  };
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
    path: own === undefined ? controlSocketIn(instanceOf(config).runtimeDirectory) : path.resolve(own),
    // A group that could not write to the socket could not connect (unix(7)).
    mode: mode ?? (group === undefined ? 0o600 : 0o660),
    group: group ?? null,
  };
}

function defaultDataDirectory(name: string): string {
  if (isRoot()) return path.join('/var/lib/zero', name);
  return path.join(process.env.XDG_STATE_HOME || path.join(os.homedir(), '.local/state'), 'zero', name);
}
