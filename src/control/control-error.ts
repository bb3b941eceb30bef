/** A control socket that cannot be opened. The message says which, why, and what to do. */
export class ControlError extends Error {
  constructor(path: string, why: string, cause?: unknown) {
    super(`control socket ${path}: ${why}`, { cause });
  }
}
