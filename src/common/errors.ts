/** The text of an error in a message: its own message. A thrown value that is not an Error is shown as it is. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A thrown value as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** The code of an error: the errno name (`EACCES`) of a failed call, or a code of Node. Null if it has none. */
export function errorCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/** The reason of a failure, in one word if possible: the code of the error, else its message. */
export function reasonOf(error: unknown): string {
  // A connection to a host name with several addresses fails with one error for all of them, whose message is empty.
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  return errorCode(error) ?? errorText(error);
}

/** True for a failed system call of zero or of Node: its `code` is the errno name, its `syscall` the step. */
export function isSystemFailure(error: unknown): error is Error & { code: string; syscall: string } {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    'syscall' in error &&
    typeof error.syscall === 'string'
  );
}

const OUT_OF_REACH: readonly string[] = ['ENOENT', 'ESRCH', 'EACCES', 'EPERM'];

/**
 * Whether reading a file of /proc/PID failed because the process has exited, or because this user may not read it
 * (proc(5)). Any other failure, such as EMFILE, says nothing about the process.
 */
export function isOutOfReach(error: unknown): boolean {
  return isSystemFailure(error) && OUT_OF_REACH.includes(error.code);
}

/** Whether no descriptor is free, in this process (EMFILE) or on the machine (ENFILE). */
export function isOutOfDescriptors(error: unknown): boolean {
  return ['EMFILE', 'ENFILE'].includes(errorCode(error) ?? '');
}
