import { ClientError, type ClientProblem } from '../control/client-error.ts';
import type { CommandContext } from './with-instance.ts';

/** Milliseconds that a supervisor which is started again may take: its keeper waits up to 30 s after repeated crashes. */
const PATIENCE = 60_000;

/** Milliseconds between two attempts. */
const PAUSE = 100;

/** Nobody answers yet: a supervisor that has died, or one that is just starting. */
const NOT_YET: ReadonlySet<ClientProblem> = new Set(['no_instance', 'gone', 'silent']);

/** Whether the supervisor has died, or does not answer yet after its start. */
export function isAway(error: unknown): boolean {
  return error instanceof ClientError && NOT_YET.has(error.problem);
}

/** The time that a command gives a supervisor to come back. It begins anew with each loss of the connection. */
export class Patience {
  readonly #context: Pick<CommandContext, 'clock' | 'interrupted'>;
  #until: number | null = null;

  constructor(context: Pick<CommandContext, 'clock' | 'interrupted'>) {
    this.#context = context;
  }

  /** The supervisor has answered. */
  answered(): void {
    this.#until = null;
  }

  /** Waits a moment before the next attempt. Resolves to false when the supervisor has been away for too long. */
  async next(): Promise<boolean> {
    const { clock, interrupted } = this.#context;
    this.#until ??= clock.now() + PATIENCE;
    if (interrupted.aborted || clock.now() >= this.#until) return false;
    await new Promise<void>((resolve) => clock.after(PAUSE, resolve));
    return !interrupted.aborted;
  }
}
