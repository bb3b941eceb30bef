/** Ends a command with a message and an exit code. */
export class CommandError extends Error {
  readonly exitCode: number;
  /** The code in the error document; undefined: the code that belongs to the exit code. */
  readonly code: string | undefined;

  constructor(exitCode: number, message: string, code?: string) {
    super(message);
    this.exitCode = exitCode;
    this.code = code;
  }
}

/** The exit codes of commands. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  noInstance: 3,
  rolledBack: 10,
  timedOut: 11,
  aborted: 12,
  inProgress: 13,
  superseded: 14,
} as const;

const OUTCOMES: ReadonlyMap<string, number> = new Map(
  Object.entries({
    promoted: EXIT.done,
    failed: EXIT.failed,
    rolled_back: EXIT.rolledBack,
    timed_out: EXIT.timedOut,
    aborted: EXIT.aborted,
    in_progress: EXIT.inProgress,
    superseded: EXIT.superseded,
  }),
);

/** The exit code for the outcome of a handover. An unknown outcome of a newer supervisor counts as failed. */
export function exitCodeOf(outcome: string): number {
  return OUTCOMES.get(outcome) ?? EXIT.failed;
}
