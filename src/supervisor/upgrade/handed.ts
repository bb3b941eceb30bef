/*
 * What a supervisor hands to the program that replaces it in the same process, by a variable of the environment. The
 * descriptors stay open over execve(2).
 */

const VARIABLE = 'ZERO_UPGRADE';

export interface Handed {
  /** The release that hands over. */
  readonly from: string;
  /** CLOCK_MONOTONIC in milliseconds. */
  readonly since: number;
  /** The lock of the instance, which is never free meanwhile. */
  readonly lock: number;
  /** By the open end of this FIFO the keeper knows that a supervisor lives; null: there is no keeper. */
  readonly fifo: number | null;
  readonly vault: number;
  /** Every listening socket. */
  readonly sockets: readonly number[];
  readonly runtimeDirectory: string;
}

export function handedVariable(handed: Handed): Buffer {
  return Buffer.from(`${VARIABLE}=${JSON.stringify(handed)}`);
}

/** Reads and removes the variable; null where this process was started in another way. */
export function takeHanded(environment: NodeJS.ProcessEnv): Handed | null {
  const { [VARIABLE]: text } = environment;
  delete environment[VARIABLE];
  return text === undefined ? null : JSON.parse(text);
}

/** An environment without the variable, which services do not get. */
export function withoutHanded(environment: readonly Buffer[]): Buffer[] {
  return environment.filter((entry) => !entry.toString('latin1').startsWith(`${VARIABLE}=`));
}
