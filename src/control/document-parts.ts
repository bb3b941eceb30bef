import * as z from 'zod/mini';

/* Parts that several documents share; see documents.ts. */

export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

export const milliseconds = z.number();
export const orNull = <T extends z.ZodMiniType>(schema: T) => z.nullable(schema);

export const exitStatus = z.object({
  kind: z.string(),
  code: z.exactOptional(z.int()),
  signal: z.exactOptional(z.string()),
  core_dumped: z.exactOptional(z.boolean()),
});

export const failure = z.object({
  step: z.string(),
  reason: z.string(),
  /** The object of the step. */
  subject: z.exactOptional(z.string()),
  /** The name of the errno if a system call failed. */
  errno: z.exactOptional(z.string()),
  generation: z.exactOptional(z.int()),
  worker: z.exactOptional(z.int()),
  exit: z.exactOptional(exitStatus),
  /** The candidate's gates that have not passed, each with its last failure. */
  gates: z.exactOptional(
    z.array(z.object({ worker: z.int(), gate: z.string(), reason: orNull(z.string()) })),
  ),
  /** The last output lines of the worker, oldest first. */
  output: z.exactOptional(z.array(z.string())),
});

export const usage = z.object({
  /** Over the last `interval_ms`; 100 is one core. */
  cpu_percent: z.number(),
  /** User and system time since the start. */
  cpu_seconds: z.number(),
  /** Resident memory. Pages that several processes share count for each of them. */
  memory_bytes: z.int(),
  interval_ms: milliseconds,
});

/** How a worker last ended unexpectedly; `exit` null: it could not be started. */
export const lastExit = {
  exit: orNull(exitStatus),
  reason: z.string(),
  ms_ago: milliseconds,
};
