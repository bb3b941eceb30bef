import * as z from 'zod/mini';
import {
  bootId,
  canaryBy,
  duration,
  flag,
  hookName,
  index,
  list,
  monotonic,
  number,
  orNull,
  outcome,
  path,
  text,
  workerKey,
} from './parts.ts';
import { failure, generation, retry, settings } from './version-2-generation.ts';

/*
 * Version 2, the one that is written. A later release may add fields without a new number: readers ignore those that
 * they do not know. A new word for a stage, a state or a step needs a new number, because a supervisor cannot proceed
 * from a state that it does not know.
 *
 * `_monotonic_ms` is a time of CLOCK_MONOTONIC, `_ms` a duration, both in milliseconds. `_ticks` is a time in clock
 * ticks since boot.
 */

export const VERSION = 2;

/** A pid and its start time together name one process. */
const process = () => ({ pid: number(), start_time_ticks: index() });

const optionalProcess = () => ({
  pid: z.exactOptional(number()),
  start_time_ticks: z.exactOptional(index()),
});

const callers = () =>
  list(
    z.object({
      by: text(),
      /** Names its answer; null: it expects none, such as a signal. */
      id: orNull(text()),
      timeout_ms: orNull(duration()),
      deadline_monotonic_ms: orNull(monotonic()),
    }),
  );

const request = () =>
  z.object({
    /** The number of its handover, also while it waits. Not written by earlier releases. */
    handover: z.exactOptional(number()),
    preview: flag(),
    /** `to` null: the release that served before the one that serves. */
    rollback: orNull(z.object({ to: orNull(number()) })),
    /** The name of the release that is asked for. Left out: none. */
    label: z.exactOptional(text()),
    since_monotonic_ms: monotonic(),
    callers: callers(),
  });

const step = () => {
  const candidate = number();
  const until_monotonic_ms = monotonic();
  /** The newest check of `verify` passed in this step, or there is no `verify`. Left out: unknown. */
  const verified = z.exactOptional(flag());
  return z.discriminatedUnion('name', [
    z.object({ name: z.literal('resolving') }),
    z.object({ name: z.literal('waiting'), settings: settings() }),
    z.object({ name: z.literal('before_reload'), settings: settings(), hook: number() }),
    z.object({ name: z.literal('starting'), candidate }),
    z.object({ name: z.literal('preview'), candidate, until_monotonic_ms }),
    /** `canary`: the place of the current share in `canary` of the candidate's settings. */
    z.object({ name: z.literal('canary'), candidate, canary: index(), until_monotonic_ms, verified }),
    z.object({ name: z.literal('promoting'), candidate }),
    z.object({ name: z.literal('soak'), candidate, until_monotonic_ms, verified }),
  ]);
};

const handover = () =>
  z.object({
    handover: number(),
    since_monotonic_ms: monotonic(),
    /** The generation that keeps serving if the candidate fails. */
    incumbent: orNull(number()),
    step: step(),
    request: request(),
  });

const owedVerdict = () =>
  z.object({
    callers: callers(),
    outcome: outcome(),
    handover: orNull(number()),
    generation: orNull(number()),
    incumbent: orNull(number()),
    duration_ms: duration(),
    /** The name of the release that was asked for. Left out: none. */
    label: z.exactOptional(text()),
    failure: orNull(failure()),
    /** The failure of the hook after the handover. */
    hook_failure: orNull(failure()),
    /** The hook that has to end first. */
    waits_for_hook: orNull(number()),
    /** The old generation that has to be asked to stop first. */
    waits_for_generation: orNull(number()),
  });

const hook = () =>
  z.object({
    hook: number(),
    name: hookName(),
    /** Whose config has the command: that of a generation, or the one that was read for a handover. */
    config: z.discriminatedUnion('of', [
      z.object({ of: z.literal('generation'), generation: number() }),
      z.object({ of: z.literal('handover'), handover: number() }),
    ]),
    handover: orNull(number()),
    generation: number(),
    path: path(),
    incumbent: orNull(number()),
    /** `replaced`: of `on_replace`. */
    outcome: orNull(z.union([outcome(), z.literal('replaced')])),
    /** Of `on_replace`. */
    replacement: z.exactOptional(
      z.object({ worker: index(), replacement: index(), cause: text(), reason: text() }),
    ),
    /** Of the other notifications. */
    notice: z.exactOptional(z.object({ worker: orNull(index()), cause: orNull(text()), reason: text() })),
    timeout_ms: duration(),
    /** null: it waits for the hook before it. */
    running: orNull(
      z.object({
        since_monotonic_ms: monotonic(),
        until_monotonic_ms: monotonic(),
        sigkill_sent: flag(),
        /** Its process. Left out: not known. */
        ...optionalProcess(),
      }),
    ),
  });

const lane = () => {
  /** A connection was seen in its queue, or its process has exited and the queue was not read since. */
  const connections_waiting = flag();
  /** A service had its sockets before zero. Left out: false. */
  const taken = z.exactOptional(flag());
  return z.discriminatedUnion('state', [
    z.object({ state: z.literal('unused'), connections_waiting, taken }),
    z.object({ state: z.literal('reached'), connections_waiting, taken }),
    z.object({ state: z.literal('away'), since_monotonic_ms: monotonic(), connections_waiting, taken }),
  ]);
};

const steering = () =>
  z.object({
    /** The number of the change that was requested last; 0: none. */
    change: index(),
    /** Whether the kernel has installed that change. `failed`: the change may be installed on some listeners. */
    status: z.enum(['requested', 'installed', 'failed']),
    failed: orNull(z.object({ failure: failure(), retry: retry() })),
    wanted: orNull(
      z.object({
        main: list(index()),
        canary: orNull(z.object({ percent: z.number(), by: canaryBy(), lanes: list(index()) })),
        preview: orNull(list(index())),
        preview_from: list(text()),
      }),
    ),
  });

const writeFailure = () =>
  orNull(z.object({ failure: failure(), since_monotonic_ms: monotonic(), retry: retry() }));

/**
 * An effect of the last step that may not have been performed when the supervisor died. Only in the copy of the document
 * that the keeper process holds.
 */
const inProgress = () =>
  z.discriminatedUnion('effect', [
    z.object({ effect: z.literal('spawn'), ...workerKey() }),
    z.object({ effect: z.literal('signal'), ...workerKey(), signal: text() }),
    z.object({ effect: z.literal('kill'), ...workerKey() }),
    z.object({ effect: z.literal('run_hook'), hook: number() }),
    z.object({ effect: z.literal('kill_hook'), hook: number(), ...optionalProcess() }),
    z.object({ effect: z.literal('conclude'), verdict: owedVerdict() }),
  ]);

const socket = () => ({ fd: index(), inode: number() });

const socketAddress = () =>
  z.discriminatedUnion('family', [
    z.object({
      family: z.enum(['inet', 'inet6']),
      host: text(),
      port: index(),
      scope_id: z.exactOptional(index()),
    }),
    /** `@name` is an abstract name. */
    z.object({ family: z.literal('unix'), path: text() }),
  ]);

export function schema() {
  return z.object({
    version: z.literal(VERSION),
    zero_version: text(),
    instance: text(),
    /** null: the service was given as arguments (`zero run`). */
    config_file: orNull(path()),
    boot_id: bootId(),
    /** Counts the documents that this service has written. The one with the highest number is the newest. */
    sequence: z.exactOptional(number()),
    /** Inode of /proc/self/ns/pid: in another namespace a pid names another process. */
    pid_namespace: z.exactOptional(number()),
    supervisor: z.object({
      ...process(),
      /** How often the service got another supervisor after a crash, and by an upgrade in place. */
      restarts: z.exactOptional(index()),
      upgrades: z.exactOptional(index()),
      /** When the first of them was started. */
      first_started_monotonic_ms: z.exactOptional(monotonic()),
    }),
    /** The process that holds the sockets; null or left out: there is none. */
    keeper: z.exactOptional(orNull(z.object(process()))),
    recorded_monotonic_ms: monotonic(),
    next_numbers: z.object({
      generation: number(),
      handover: number(),
      hook: number(),
      /** Of zero's own commands. Left out: not known. */
      command: z.exactOptional(number()),
    }),
    /** The first generation of this supervisor. */
    first_generation: number(),
    /** The generation that serves, or, before one has become ready, the one that is to serve. */
    incumbent: orNull(number()),
    generations: list(generation()),
    handover: orNull(handover()),
    pending_request: orNull(request()),
    owed_verdicts: list(owedVerdict()),
    hooks: list(hook()),
    /** Hooks that nothing waits for. Left out: none. */
    notifications: z.exactOptional(list(hook())),
    stop: orNull(z.object({ since_monotonic_ms: monotonic(), sigkill_sent: flag() })),
    /** A handshake that was answered before a steering change can complete this much later. */
    handshake_ms: duration(),
    /** By number. */
    lanes: list(lane()),
    steering: steering(),
    write_failures: z.object({ state: writeFailure(), history: writeFailure() }),
    /** Every process that zero has started and that has not ended. `session` is the pid with which it was started. */
    processes: list(
      z.object({
        ...workerKey(),
        ...process(),
        session: number(),
        /** Inodes of the pipes that its output was given. Left out: not known. */
        stdout_inode: z.exactOptional(number()),
        stderr_inode: z.exactOptional(number()),
        /** The pipe of the gate `ready_fd`: its descriptor in the worker. Left out: there is none. */
        ready: z.exactOptional(z.object({ fd: index(), inode: number() })),
        /** What it has set with WATCHDOG_USEC, 0: no watchdog. Left out: that of the config. */
        watchdog_ms: z.exactOptional(duration()),
      }),
    ),
    /** Processes of zero's own commands: gates, `verify`, hashes. Left out: not known. */
    commands: z.exactOptional(list(z.object(process()))),
    in_progress: z.exactOptional(list(inProgress())),
    listeners: list(
      z.object({
        name: text(),
        /** As in the config, normalised. */
        config_address: text(),
        /** As bound. */
        address: socketAddress(),
        ...socket(),
        /** The sockets of a steered listener by lane, and one more at the end of a TCP listener. */
        lanes: list(z.object(socket())),
        /** The lanes in the order of the kernel's index; null: a socket of somebody else. Left out: not known. */
        order: z.exactOptional(list(orNull(index()))),
        /** The name of a socket that was passed to zero. */
        passed_name: z.exactOptional(text()),
      }),
    ),
  });
}

type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;

/** What another supervisor must know. */
export type Document = Frozen<z.output<ReturnType<typeof schema>>>;
export type GenerationDocument = Document['generations'][number];
export type HandoverDocument = NonNullable<Document['handover']>;
