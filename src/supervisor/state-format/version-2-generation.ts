import * as z from 'zod/mini';
import {
  canaryBy,
  duration,
  flag,
  index,
  list,
  monotonic,
  number,
  orNull,
  path,
  restartPolicy,
  text,
} from './parts.ts';

/* Version 2: a generation with its settings and workers, and parts that other documents share with a generation. */

export const retry = () => z.object({ at_monotonic_ms: monotonic(), attempts: number() });

const exit = () =>
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('exited'), code: index() }),
    z.object({ kind: z.literal('signaled'), signal: text(), core_dumped: flag() }),
    z.object({ kind: z.literal('unknown') }),
  ]);

export const failure = () =>
  z.object({
    step: text(),
    reason: text(),
    subject: z.exactOptional(text()),
    errno: z.exactOptional(text()),
    generation: z.exactOptional(number()),
    worker: z.exactOptional(index()),
    exit: z.exactOptional(exit()),
    /** The gates that had not passed. */
    gates: z.exactOptional(list(z.object({ worker: index(), gate: text(), reason: orNull(text()) }))),
  });

export const settings = () =>
  z.object({
    path: path(),
    directory: path(),
    /** The number of workers of one generation. */
    workers: number(),
    /** Names of the gates that each worker must pass, besides `uptime`. */
    gates: list(text()),
    reload_uptime_ms: duration(),
    readiness_timeout_ms: duration(),
    shutdown_signal: text(),
    /** 0: SIGKILL is never sent. */
    shutdown_timeout_ms: duration(),
    restart: z.object({
      policy: restartPolicy(),
      initial_ms: duration(),
      factor: z.number(),
      max_ms: duration(),
      reset_after_ms: duration(),
      on_stall: flag(),
      /** Bytes; null or left out: no limit. */
      max_memory: z.exactOptional(orNull(number())),
    }),
    /** The action after a failed liveness check; null or omitted: no check. */
    liveness: z.exactOptional(orNull(z.object({ action: text() }))),
    handover: z.object({
      steered: flag(),
      preview_from: list(text()),
      preview_timeout_ms: duration(),
      canary: list(z.object({ percent: z.number(), for_ms: duration() })),
      canary_by: canaryBy(),
      soak_ms: duration(),
      /** Whether there is a health check; see `verify` of the generation. */
      verify: flag(),
      stall_ms: duration(),
      settle_ms: duration(),
      drain_timeout_ms: duration(),
      max_retiring: index(),
      handshake_ms: duration(),
    }),
    /** The time limit of each hook; null: no hook. */
    hooks: z.object({
      before_reload_timeout_ms: orNull(duration()),
      after_promote_timeout_ms: orNull(duration()),
      after_rollback_timeout_ms: orNull(duration()),
      on_replace_timeout_ms: z.exactOptional(orNull(duration())),
      on_crash_loop_timeout_ms: z.exactOptional(orNull(duration())),
      on_worker_stalled_timeout_ms: z.exactOptional(orNull(duration())),
      on_late_rollback_timeout_ms: z.exactOptional(orNull(duration())),
      on_recovery_timeout_ms: z.exactOptional(orNull(duration())),
    }),
  });

/** The health check of a candidate. */
const verify = () =>
  z.object({
    interval_ms: duration(),
    timeout_ms: duration(),
    failures: number(),
    http: orNull(
      z.object({
        listener: orNull(text()),
        address: orNull(text()),
        path: text(),
        status: text(),
        host: orNull(text()),
        timeout_ms: orNull(duration()),
      }),
    ),
    command: orNull(z.object({ run: list(text()), timeout_ms: orNull(duration()) })),
  });

const stage = () =>
  z.discriminatedUnion('name', [
    z.object({ name: z.literal('starting'), deadline_monotonic_ms: orNull(monotonic()) }),
    z.object({ name: z.literal('ready') }),
    z.object({ name: z.literal('serving') }),
    z.object({ name: z.literal('standby') }),
    z.object({
      name: z.literal('retiring'),
      since_monotonic_ms: monotonic(),
      /** The generation that serves in its place. */
      successor: number(),
      /** The successor was promoted; false: this generation is a candidate that was rolled back. */
      successor_promoted: flag(),
      /** Whether the generation served before. */
      served: flag(),
      /** At least one of its workers received the shutdown signal: zero cannot roll back to it. */
      asked_to_stop: flag(),
    }),
    z.object({ name: z.literal('stopping'), since_monotonic_ms: monotonic(), served: flag() }),
  ]);

const workerState = () =>
  z.discriminatedUnion('name', [
    z.object({ name: z.literal('spawning') }),
    z.object({
      name: z.literal('up'),
      pid: number(),
      since_monotonic_ms: monotonic(),
      gates_passed: list(text()),
      gates_waiting: list(text()),
      /** When the worker passed its last gate. */
      ready_monotonic_ms: orNull(monotonic()),
      hung: flag(),
      /** Why its liveness check fails. */
      unhealthy: z.exactOptional(orNull(text())),
      sigkill_sent: flag(),
      /** The worker drains its own connections once it is asked to stop (X_ZERO_DRAINS=1). */
      drains: flag(),
    }),
    z.object({ name: z.literal('backoff'), until_monotonic_ms: monotonic() }),
    /** The worker received its shutdown signal. */
    z.object({
      name: z.literal('stopping'),
      pid: number(),
      since_monotonic_ms: monotonic(),
      /** When SIGKILL is due, or, after it was sent, when zero stops waiting; null: never. */
      deadline_monotonic_ms: orNull(monotonic()),
      sigkill_sent: flag(),
      /** The last signal could not be sent; zero sends it again. */
      retry: orNull(retry()),
      /** Why the kernel refuses every signal to it. */
      signals_refused: orNull(text()),
    }),
    /** `exit` null: not restarted while its generation is stopped or retiring. */
    z.object({ name: z.literal('ended'), exit: orNull(exit()) }),
  ]);

const worker = () =>
  z.object({
    worker: index(),
    lane: index(),
    /** The worker only serves the connections that wait in its lane. */
    rescue: flag(),
    /**
     * `member`, `joining` or `leaving`. The last two mark a worker that is added or removed alone. Omitted: `member`.
     */
    membership: z.exactOptional(text()),
    /** The number of its starts; 0: not started yet. */
    incarnation: index(),
    /** Consecutive restarts. */
    attempts: index(),
    state: workerState(),
    /**
     * The worker is retiring and exits when its connections have ended. `unreachable_since` null: new connections may
     * still reach the worker.
     */
    leaving: orNull(z.object({ unreachable_since_monotonic_ms: orNull(monotonic()) })),
    /** The last unexpected exit; `exit` null: the worker could not be started. Omitted: none. */
    last_exit: z.exactOptional(
      z.object({ at_monotonic_ms: monotonic(), exit: orNull(exit()), reason: text() }),
    ),
  });

/** getrusage(2). */
const usage = () =>
  z.object({
    user_seconds: z.number(),
    system_seconds: z.number(),
    max_rss_bytes: z.number(),
    minor_faults: z.number(),
    major_faults: z.number(),
    disk_reads: z.number(),
    disk_writes: z.number(),
    signals: z.number(),
    voluntary_context_switches: z.number(),
    involuntary_context_switches: z.number(),
  });

export const generation = () =>
  z.object({
    generation: number(),
    since_monotonic_ms: monotonic(),
    /** The label of its release. Omitted: none. */
    label: z.exactOptional(text()),
    stage: stage(),
    settings: settings(),
    /** null: no health check, or a file of version 1, which did not record the check. */
    verify: orNull(verify()),
    workers: list(worker()),
    /** Its workers have the socket of this lane of a Unix listener. Omitted: the lane of worker 0. */
    first_lane: z.exactOptional(index()),
    /** Its worker is a process that another program than zero has started. Omitted: false. */
    adopted: z.exactOptional(flag()),
    /** No worker of the generation is replaced before this time. */
    replacement_pause: z.exactOptional(orNull(retry())),
    /** Workers that have exited and left processes in their session. */
    remaining_processes: list(
      z.object({
        worker: index(),
        incarnation: number(),
        sigkill_monotonic_ms: monotonic(),
        retry: orNull(retry()),
      }),
    ),
    /** Resources used by the worker that exited last. */
    usage: orNull(usage()),
    /** The backlog of its listeners could not be set; zero sets it again. */
    backlog_retry: orNull(retry()),
  });
