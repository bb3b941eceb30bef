/*
 * The data that a supervisor passes to the next program in the same process, in a variable of the environment. The
 * descriptors stay open over execve(2).
 */
import * as z from 'zod/mini';

const VARIABLE = 'ZERO_UPGRADE';

/** Descriptors are of type int. */
const MAX_DESCRIPTOR = 2 ** 31 - 1;

/** A schema takes memory, so it is made for one reading. */
function schema() {
  const descriptor = z.int().check(z.minimum(0), z.maximum(MAX_DESCRIPTOR));
  return z.object({
    /** The version of the previous program. */
    from: z.string(),
    /** CLOCK_MONOTONIC in milliseconds. */
    since: z.number(),
    /** The lock of the instance, which stays locked throughout. */
    lock: descriptor,
    /** The open end of this FIFO shows the keeper that a supervisor lives; null without a keeper. */
    fifo: z.nullable(descriptor),
    vault: descriptor,
    /** Every listening socket. */
    sockets: z.readonly(z.array(descriptor)),
    runtimeDirectory: z.string(),
  });
}

export type Handed = Readonly<z.output<ReturnType<typeof schema>>>;

export function handedVariable(handed: Handed): Buffer {
  return Buffer.from(`${VARIABLE}=${JSON.stringify(handed)}`);
}

/**
 * Reads and removes the variable; null if this process was started in another way, or the variable has a value that
 * zero never writes.
 */
export function takeHanded(environment: NodeJS.ProcessEnv): Handed | null {
  const { [VARIABLE]: text } = environment;
  delete environment[VARIABLE];
  if (text === undefined) return null;
  try {
    return schema().safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/** An environment without the variable, which services do not receive. */
export function withoutHanded(environment: readonly Buffer[]): Buffer[] {
  return environment.filter((entry) => !entry.toString('latin1').startsWith(`${VARIABLE}=`));
}
