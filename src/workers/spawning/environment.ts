import { isConventionName } from '../../common/socket-variables.ts';
import type { RuntimeConfig } from '../../config/schema.ts';
import type { Variables } from '../conventions/index.ts';
import type { TargetUser } from './target-user.ts';

/**
 * Variables in the order in which they were set. The environment of a process is bytes without an encoding
 * (environ(7)). So names are their bytes as latin1, which keeps all bytes distinct, and values are Buffers.
 */
export type Environment = ReadonlyMap<string, Buffer>;

export interface EnvironmentSources {
  readonly runtime: Pick<RuntimeConfig, 'environment' | 'inherit_environment'>;
  /** zero's own environment, one `NAME=VALUE` each, as the kernel gave it. */
  readonly base: readonly Buffer[];
  /** The content of environment_file, or null if there is none. */
  readonly file: Environment | null;
  /** The user that the service runs as, if one is configured. */
  readonly user: Pick<TargetUser, 'name' | 'home' | 'shell'> | null;
}

/**
 * The environment of a generation, without the variables of the conventions. Later sources win: zero's own (if
 * inherited), HOME, USER, LOGNAME and SHELL of the user (if inherited), the file, the list. A listed variable with an
 * empty value is a copy of zero's own, or empty if zero has none. Variables about zero's own sockets and service
 * manager are never passed on.
 */
export function buildEnvironment({ runtime, base, file, user }: EnvironmentSources): Environment {
  const own = parseBase(base);
  const result = new Map<string, Buffer>(runtime.inherit_environment ? own : []);
  if (runtime.inherit_environment && user !== null) {
    // As systemd.exec(5) sets them for User=: zero's own HOME would send the service to another user's directory.
    for (const name of ['USER', 'LOGNAME']) result.set(name, Buffer.from(user.name));
    result.set('HOME', Buffer.from(user.home));
    result.set('SHELL', Buffer.from(user.shell));
  }
  for (const [name, value] of file ?? []) result.set(name, value);
  for (const { key, value } of runtime.environment) {
    const name = Buffer.from(key).toString('latin1');
    if (value !== '') result.set(name, Buffer.from(value));
    else if (!isConventionName(key)) result.set(name, own.get(name) ?? Buffer.alloc(0));
  }
  return result;
}

/** The environment of one worker. Explicit settings of the config override conventions. */
export function withConventions(environment: Environment, variables: Variables): Environment {
  const result = new Map(environment);
  for (const [name, value] of Object.entries(variables)) {
    if (!result.has(name)) result.set(name, Buffer.from(value));
  }
  return result;
}

/** One `NAME=VALUE` each, as execve(2) expects them. */
export function toEntries(environment: Environment): Buffer[] {
  return [...environment].map(([name, value]) => toEntry(name, value));
}

export function toEntry(name: string, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${name}=`, 'latin1'), value]);
}

/** The names, for status and state. Values never leave this module. */
export function environmentNames(environment: Environment): string[] {
  return [...environment.keys()].map((name) => Buffer.from(name, 'latin1').toString()).sort();
}

// zero's own environment never changes, and every generation needs it.
const parsed = new WeakMap<readonly Buffer[], ReadonlyMap<string, Buffer>>();

// An entry without a name cannot be set again with env(1), and getenv(3) would not find it. Of two entries with the
// same name getenv(3) finds the first.
function parseBase(base: readonly Buffer[]): ReadonlyMap<string, Buffer> {
  const known = parsed.get(base);
  if (known !== undefined) return known;
  const own = new Map<string, Buffer>();
  for (const entry of base) {
    const equals = entry.indexOf('=');
    if (equals <= 0) continue;
    const name = entry.subarray(0, equals).toString('latin1');
    if (!own.has(name) && !isConventionName(name)) own.set(name, entry.subarray(equals + 1));
  }
  parsed.set(base, own);
  return own;
}
