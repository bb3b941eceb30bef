export interface CommandErrorDetails {
  /** The word in the error document; left out: that of the exit code. */
  readonly code?: string;
  /** Problems of a config, each as `file:line:column: message`. */
  readonly problems?: readonly string[];
}

/** A command that ends with a message and an exit code of its own. */
export class CommandError extends Error {
  readonly exitCode: number;
  readonly code: string | undefined;
  readonly problems: readonly string[] | undefined;

  constructor(exitCode: number, message: string, { code, problems }: CommandErrorDetails = {}) {
    super(message);
    this.exitCode = exitCode;
    this.code = code;
    this.problems = problems;
  }
}
