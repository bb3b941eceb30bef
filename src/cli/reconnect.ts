import type { ControlClient } from '../control/client.ts';
import { ClientError, type ClientProblem } from '../control/client-error.ts';
import type { AnswerOf, StatusDocument } from '../control/protocol.ts';
import type { CommandContext } from './with-instance.ts';

/** Milliseconds to wait for a new supervisor. The keeper waits up to 30 s after repeated crashes. */
const PATIENCE = 60_000;

/** Milliseconds between two attempts. */
const PAUSE = 100;

/** No supervisor answers yet: it has died, or is just starting. */
const NOT_YET: ReadonlySet<ClientProblem> = new Set(['no_instance', 'gone', 'silent']);

/** Whether the supervisor has died, or does not answer yet after its start. */
export function isAway(error: unknown): boolean {
  return error instanceof ClientError && NOT_YET.has(error.problem);
}

/**
 * Whether the supervisor has exited. A supervisor that does not answer may still run, and its connections stay open.
 */
export function isGone(error: unknown): boolean {
  return error instanceof ClientError && (error.problem === 'gone' || error.problem === 'no_instance');
}

/** The time that a command waits for a supervisor to return. It starts anew with each loss of the connection. */
export class Patience {
  readonly #context: Pick<CommandContext, 'clock' | 'interrupted'>;
  readonly #tell: (text: string) => void;
  #until: number | null = null;

  /** @param tell receives one line when the supervisor is lost, and one when it answers again */
  constructor(
    context: Pick<CommandContext, 'clock' | 'interrupted'>,
    tell: (text: string) => void = () => {},
  ) {
    this.#context = context;
    this.#tell = tell;
  }

  /** Called when the supervisor has answered. */
  answered(): void {
    if (this.#until !== null) this.#tell('the supervisor is running again');
    this.#until = null;
  }

  /** Waits briefly before the next attempt. Resolves to false if the supervisor has been away for too long. */
  async next(): Promise<boolean> {
    const { clock, interrupted } = this.#context;
    if (this.#until === null) {
      this.#until = clock.now() + PATIENCE;
      this.#tell(`connection lost. Waiting up to ${PATIENCE / 1000} s for the supervisor to run again`);
    }
    if (interrupted.aborted || clock.now() >= this.#until) return false;
    await new Promise<void>((resolve) => clock.after(PAUSE, resolve));
    return !interrupted.aborted;
  }
}

/** The supervisor that a command follows. */
export interface Followed {
  /** Differs between any two supervisors of an instance. */
  readonly identity: string;
  /** Whether another supervisor is started when this one is killed. */
  readonly isRestarted: boolean;
}

export function followedOf({ pid, supervisor }: StatusDocument): Followed {
  const { restarts = 0, upgrades = 0, restarted_when_killed: isRestarted = false } = supervisor ?? {};
  return { identity: `${pid}.${restarts}.${upgrades}`, isRestarted };
}

/** How the events of a supervisor ended. `enough`: the caller stopped reading; `stopped`: zero stopped its service. */
export type EventsEnd = 'enough' | 'stopped' | Lost;

/** `upgraded`: another zero runs in the same process; `died`: the connection broke. */
export type Lost = 'upgraded' | 'died';

/**
 * Follows the events of a supervisor to their end. Rejects with the reason of `signal`, and with ClientError if the
 * supervisor sends anything else.
 * @param isEnough called with each event
 */
export async function followEvents(
  client: ControlClient,
  signal: AbortSignal,
  isEnough: (fact: AnswerOf<'events'>) => boolean,
): Promise<EventsEnd> {
  let isUpgrade = false;
  try {
    for await (const fact of client.events(signal)) {
      // An error follows if an upgrade has failed.
      if ('event' in fact) {
        if (fact.event === 'supervisor_upgrading') isUpgrade = true;
        else if (fact.event === 'error' && fact.step === 'upgrade') isUpgrade = false;
      }
      if (isEnough(fact)) return 'enough';
    }
  } catch (error) {
    if (signal.aborted || !isGone(error)) throw error;
    return isUpgrade ? 'upgraded' : 'died';
  }
  return isUpgrade ? 'upgraded' : 'stopped';
}

/**
 * Waits for the supervisor that follows the lost one. Resolves to null if Ctrl-C ended the wait. Rejects with
 * ClientError if no supervisor follows: nothing starts it, or it does not run in time.
 */
export async function nextSupervisor(
  client: ControlClient,
  { isRestarted }: Followed,
  lost: Lost,
  context: Pick<CommandContext, 'clock' | 'interrupted' | 'terminal'>,
): Promise<Followed | null> {
  const { interrupted, terminal } = context;
  if (!isRestarted && lost !== 'upgraded') throw unexpectedEnd();
  const patience = new Patience(context, (text) => terminal.err(`zero: ${text}\n`));
  while (await patience.next()) {
    const status = await client.status(interrupted).catch((error: unknown) => {
      if (interrupted.aborted || isAway(error)) return null;
      throw error;
    });
    if (status === null) continue;
    patience.answered();
    return followedOf(status);
  }
  if (interrupted.aborted) return null;
  throw new ClientError('gone', 'zero exited and was not started again in time. Check its log.');
}

export function unexpectedEnd(): ClientError {
  return new ClientError('gone', 'zero exited unexpectedly. Check its log.');
}
