/**
 * The reason of a failed upgrade, for programs:
 * - `NOT_READY`: this process has not called `ready()` yet
 * - `PARENT_ALIVE`: the process that this one replaces has not released its sockets yet
 * - `IN_PROGRESS`: another upgrade is in progress
 * - `STOPPED`: `stop()` was called
 * - `SUPERVISED`: a manager starts new versions here; the message has its command
 * - `ALREADY_UPGRADED`: another process has taken over from this one
 * - `CHILD_EXITED`: the new process could not be started, exited before it had taken over, or sent invalid messages
 * - `TIMED_OUT`: the new process was not ready in time
 * - `INVALID_STATE`: the `state` is not a structured-cloneable value, or has more than 16 MiB
 * - `NOT_SUPPORTED`: not on this platform, not in this thread, not with this listener
 */
export type UpgradeErrorCode =
  | 'NOT_READY'
  | 'PARENT_ALIVE'
  | 'IN_PROGRESS'
  | 'STOPPED'
  | 'SUPERVISED'
  | 'ALREADY_UPGRADED'
  | 'CHILD_EXITED'
  | 'TIMED_OUT'
  | 'INVALID_STATE'
  | 'NOT_SUPPORTED';

/** An upgrade that failed. This process keeps serving. `cause` is the underlying error, if there is one. */
export class UpgradeError extends Error {
  override readonly name = 'UpgradeError';
  readonly code: UpgradeErrorCode;

  constructor(code: UpgradeErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
