import { isConventionName } from '../../common/socket-variables.ts';
import type { RuntimeConfig } from '../../config/schema.ts';
import type { Variables } from '../conventions/index.ts';
import type { TargetUser } from './target-user.ts';

/**
 * Variables in the order they were set. The environment of a process is bytes without an encoding (environ(7)), so names are their
 * bytes as latin1, which keeps each byte apart, and values are Buffers.
 */
export type Environment = ReadonlyMap<string, Buffer>;

export interface EnvironmentSources {
  readonly runtime: Pick<RuntimeConfig, 'environment' | 'inherit_environment'>;
  /** zero's own environment, `NAME=VALUE` each, as the kernel gave it. */
  readonly base: readonly Buffer[];
  /** What environment_file says, or null where there is none. */
  readonly file: Environment | null;
  /** Whom the service runs as, where that was asked for. */
  readonly user: Pick<TargetUser, 'name' | 'home' | 'shell'> | null;
}

/**
 * The environment of a generation, without what the conventions add. Later ones win: zero's own (where inherited), HOME, USER, LOGNAME
 * and SHELL of the user (where inherited), the file, the list. A listed variable with an empty value is a copy of zero's own, and empty
 * where zero has none. What zero was told about its own sockets and manager is never passed on.
 */
export function buildEnvironment({ runtime, base, file, user }: EnvironmentSources): Environment {
  const own = parseBase(base);
  const result = new Map<string, Buffer>(runtime.inherit_environment ? own : []);
  if (runtime.inherit_environment && user !== null) {
    // As systemd.exec(5) sets them for User=: zero's own would send the service to the home of somebody else.
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

/** The environment of one worker: what the config says explicitly is stronger than a convention. */
export function withConventions(environment: Environment, variables: Variables): Environment {
  const result = new Map(environment);
  for (const [name, value] of Object.entries(variables)) {
    if (!result.has(name)) result.set(name, Buffer.from(value));
  }
  return result;
}

/** `NAME=VALUE` each, as execve(2) takes them. */
export function toEntries(environment: Environment): Buffer[] {
  return [...environment].map(([name, value]) => toEntry(name, value));
}

export function toEntry(name: string, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${name}=`, 'latin1'), value]);
}

/** The names, for status and state: values never leave this room. */
export function environmentNames(environment: Environment): string[] {
  return [...environment.keys()].map((name) => Buffer.from(name, 'latin1').toString()).sort();
}

// zero's own never changes, and every generation wants it.
const parsed = new WeakMap<readonly Buffer[], ReadonlyMap<string, Buffer>>();

// An entry without a name cannot be set again through env(1) and is nothing that getenv(3) would find. Of two with one name getenv(3)
// finds the first.
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
