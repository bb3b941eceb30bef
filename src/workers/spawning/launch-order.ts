import type { RuntimeConfig } from '../../config/schema.ts';
import type { TargetUser } from './target-user.ts';

/**
 * What zero's own launcher, node-launcher.ts, is to do: the whole of it comes over a descriptor, never as arguments.
 */
export interface LaunchOrder {
  /** Absolute. */
  readonly executable: string;
  /** The first one included. */
  readonly argv: readonly string[];
  /** `NAME=value` each. */
  readonly environment: readonly Buffer[];
  /** Add LISTEN_PID. */
  readonly listenPid: boolean;
  /** Add WATCHDOG_PID. */
  readonly watchdogPid?: boolean;
  readonly user: Pick<TargetUser, 'uid' | 'gid' | 'groups'> | null;
  /** Nothing that is executed gains privileges. */
  readonly noNewPrivileges?: boolean;
  /** Numbers of the only capabilities; left out: those that follow from the user. */
  readonly capabilities?: readonly number[];
  readonly limits: RuntimeConfig['limits'];
  /** Permission bits; undefined keeps those of the launcher. */
  readonly umask: number | undefined;
}

/** An order together with the descriptors that the program is to have. */
export interface CompleteOrder extends LaunchOrder {
  readonly descriptors: readonly number[];
}

/** node:v8, which takes 2 ms to load: few services need it. */
const v8 = () => process.getBuiltinModule('node:v8');

/** As bytes that the same or a later Node reads. */
export function encodeOrder(order: CompleteOrder): Buffer {
  return v8().serialize(order);
}

export function decodeOrder(bytes: Buffer): CompleteOrder {
  return v8().deserialize(bytes);
}
