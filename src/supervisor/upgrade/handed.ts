/*
 * What a supervisor hands to the program that replaces it in the same process, by a variable of the environment. The
 * descriptors stay open over execve(2).
 */

const VARIABLE = 'ZERO_UPGRADE';

/** Descriptors are of type int. */
const MAX_DESCRIPTOR = 2 ** 31 - 1;

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

/**
 * Reads and removes the variable; null: this process was started in another way, or the variable has a value that zero
 * never writes.
 */
export function takeHanded(environment: NodeJS.ProcessEnv): Handed | null {
  const { [VARIABLE]: text } = environment;
  delete environment[VARIABLE];
  if (text === undefined) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isHanded(value) ? value : null;
  } catch {
    return null;
  }
}

function isHanded(value: unknown): value is Handed {
  if (typeof value !== 'object' || value === null) return false;
  const { from, since, lock, fifo, vault, sockets, runtimeDirectory } = value as Record<
    keyof Handed,
    unknown
  >;
  return (
    typeof from === 'string' &&
    typeof since === 'number' &&
    typeof runtimeDirectory === 'string' &&
    (fifo === null || isDescriptor(fifo)) &&
    Array.isArray(sockets) &&
    [lock, vault, ...sockets].every(isDescriptor)
  );
}

function isDescriptor(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_DESCRIPTOR;
}

/** An environment without the variable, which services do not get. */
export function withoutHanded(environment: readonly Buffer[]): Buffer[] {
  return environment.filter((entry) => !entry.toString('latin1').startsWith(`${VARIABLE}=`));
}
