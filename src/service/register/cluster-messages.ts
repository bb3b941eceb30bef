/**
 * What the primary of a cluster and its workers say to each other. Messages with a `cmd` that starts with NODE_ are
 * events of their own (`internalMessage`), and do not reach the program's handlers of `message` (child_process,
 * `subprocess.send`).
 */
export const DRAIN = 'NODE_ZERODOWN_DRAIN';
export const DRAINED = 'NODE_ZERODOWN_DRAINED';

export interface DrainMessage {
  readonly cmd: typeof DRAIN;
  readonly timeoutMs: number;
  readonly idleMs: number;
}
