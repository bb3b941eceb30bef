/** A command that ends with a message and an exit code of its own. */
export class CommandError extends Error {
  readonly exitCode: number;
  /** The word in the error document; undefined: that of the exit code. */
  readonly code: string | undefined;

  constructor(exitCode: number, message: string, code?: string) {
    super(message);
    this.exitCode = exitCode;
    this.code = code;
  }
}
