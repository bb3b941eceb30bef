import * as z from 'zod/mini';

/*
 * Parts of the schemas of every version. Each is a function: a schema takes memory, so it is made for one reading of
 * the file.
 */

/** The number of a generation, a handover, a hook, or a start of a worker: from 1 on. */
export const number = () => z.int().check(z.positive());
/** A place in a list, a lane, a count: from 0 on. */
export const index = () => z.int().check(z.nonnegative());
/** A time of CLOCK_MONOTONIC (clock_gettime(2)) in milliseconds. All processes of one boot share this clock. */
export const monotonic = () => z.number();
/** A duration in milliseconds. */
export const duration = () => z.number().check(z.nonnegative());
export const text = () => z.string();
export const flag = () => z.boolean();
export const list = <Item extends z.core.$ZodType>(item: Item) => z.array(item);
export const orNull = <Item extends z.core.$ZodType>(item: Item) => z.nullable(item);
/** A boot: /proc/sys/kernel/random/boot_id (proc(5)). */
export const bootId = () => z.string().check(z.minLength(1));
/** An absolute path. */
export const path = () => z.string().check(z.startsWith('/'));

/** Identifies one of the processes that had the same place in a generation one after another. */
export const workerKey = () => ({ generation: number(), worker: index(), incarnation: number() });

export const canaryBy = () => z.enum(['connection', 'address']);
export const restartPolicy = () => z.enum(['always', 'on-failure', 'never']);
export const hookName = () =>
  z.enum([
    'before_reload',
    'after_promote',
    'after_rollback',
    'on_replace',
    'on_crash_loop',
    'on_worker_stalled',
    'on_late_rollback',
    'on_recovery',
  ]);
export const outcome = () =>
  z.enum(['promoted', 'rolled_back', 'failed', 'aborted', 'timed_out', 'superseded', 'in_progress']);
