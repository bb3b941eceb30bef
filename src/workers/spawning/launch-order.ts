import type { RuntimeConfig } from '../../config/schema.ts';
import type { TargetUser } from './target-user.ts';

/** The task of zero's own launcher, node-launcher.ts. All of it is passed over a descriptor, never as arguments. */
export interface LaunchOrder {
  /** Absolute. */
  readonly executable: string;
  /** Including argv[0]. */
  readonly argv: readonly string[];
  /** `NAME=value` each. */
  readonly environment: readonly Buffer[];
  /** Add LISTEN_PID. */
  readonly listenPid: boolean;
  /** Add WATCHDOG_PID. */
  readonly watchdogPid?: boolean;
  readonly user: Pick<TargetUser, 'uid' | 'gid' | 'groups'> | null;
  /** No executed program gains privileges. */
  readonly noNewPrivileges?: boolean;
  /** The numbers of the only capabilities. Default: those of the user. */
  readonly capabilities?: readonly number[];
  readonly limits: RuntimeConfig['limits'];
  /** Permission bits; undefined keeps the launcher's umask. */
  readonly umask: number | undefined;
}

/** An order and the descriptors for the program. */
export interface CompleteOrder extends LaunchOrder {
  readonly descriptors: readonly number[];
}

/** node:v8 takes 2 ms to load, and few services need it. */
const v8 = () => process.getBuiltinModule('node:v8');

/** Encodes the order for the same or a later version of Node. */
export function encodeOrder(order: CompleteOrder): Buffer {
  return v8().serialize(order);
}

export function decodeOrder(bytes: Buffer): CompleteOrder {
  return v8().deserialize(bytes);
}
