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
 * Version 2, the version that zero writes. A later zero may add fields without a new number, because readers ignore
 * unknown fields. A new name of a stage, a state or a step needs a new number, because a supervisor cannot proceed from
 * an unknown state.
 *
 * `_monotonic_ms` is a time of CLOCK_MONOTONIC, `_ms` a duration, both in milliseconds. `_ticks` is a time in clock
 * ticks since boot.
 */

export const VERSION = 2;

/** A pid and its start time together identify one process. */
const process = () => ({ pid: number(), start_time_ticks: index() });

const optionalProcess = () => ({
  pid: z.exactOptional(number()),
  start_time_ticks: z.exactOptional(index()),
});

const callers = () =>
  list(
    z.object({
      by: text(),
      /** Identifies its answer; null: the caller expects none, as with a signal. */
      id: orNull(text()),
      timeout_ms: orNull(duration()),
      deadline_monotonic_ms: orNull(monotonic()),
    }),
  );

const request = () =>
  z.object({
    /** The number of its handover, also while the request waits. Earlier versions of zero do not write it. */
    handover: z.exactOptional(number()),
    preview: flag(),
    /** `to` null: the release that served before the current one. */
    rollback: orNull(z.object({ to: orNull(number()) })),
    /** The label of the requested release. Omitted: none. */
    label: z.exactOptional(text()),
    since_monotonic_ms: monotonic(),
    callers: callers(),
  });

const step = () => {
  const candidate = number();
  const until_monotonic_ms = monotonic();
  /** The newest check of `verify` passed in this step, or there is no `verify`. Omitted: unknown. */
  const verified = z.exactOptional(flag());
  return z.discriminatedUnion('name', [
    z.object({ name: z.literal('resolving') }),
    z.object({ name: z.literal('waiting'), settings: settings() }),
    z.object({ name: z.literal('before_reload'), settings: settings(), hook: number() }),
    z.object({ name: z.literal('starting'), candidate }),
    z.object({ name: z.literal('preview'), candidate, until_monotonic_ms }),
    /** `canary`: the index of the current share in `canary` of the candidate's settings. */
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
    /** The label of the requested release. Omitted: none. */
    label: z.exactOptional(text()),
    failure: orNull(failure()),
    /** The failure of the hook after the handover. */
    hook_failure: orNull(failure()),
    /** The hook that must end first. */
    waits_for_hook: orNull(number()),
    /** The old generation that must be asked to stop first. */
    waits_for_generation: orNull(number()),
  });

const hook = () =>
  z.object({
    hook: number(),
    name: hookName(),
    /** The config with the command: that of a generation, or the one that was read for a handover. */
    config: z.discriminatedUnion('of', [
      z.object({ of: z.literal('generation'), generation: number() }),
      z.object({ of: z.literal('handover'), handover: number() }),
    ]),
    handover: orNull(number()),
    generation: number(),
    path: path(),
    incumbent: orNull(number()),
    /** `replaced` belongs to `on_replace`. */
    outcome: orNull(z.union([outcome(), z.literal('replaced')])),
    /** Only for `on_replace`. */
    replacement: z.exactOptional(
      z.object({ worker: index(), replacement: index(), cause: text(), reason: text() }),
    ),
    /** Only for the other notifications. */
    notice: z.exactOptional(z.object({ worker: orNull(index()), cause: orNull(text()), reason: text() })),
    timeout_ms: duration(),
    /** null: the hook waits for its predecessor. */
    running: orNull(
      z.object({
        since_monotonic_ms: monotonic(),
        until_monotonic_ms: monotonic(),
        sigkill_sent: flag(),
        /** Its process. Omitted: unknown. */
        ...optionalProcess(),
      }),
    ),
  });

const lane = () => {
  /** A connection was seen in its queue, or its process has exited and the queue was not read since. */
  const connections_waiting = flag();
  /** A service had its sockets before zero. Omitted: false. */
  const taken = z.exactOptional(flag());
  return z.discriminatedUnion('state', [
    z.object({ state: z.literal('unused'), connections_waiting, taken }),
    z.object({ state: z.literal('reached'), connections_waiting, taken }),
    z.object({ state: z.literal('away'), since_monotonic_ms: monotonic(), connections_waiting, taken }),
  ]);
};

const steering = () =>
  z.object({
    /** The number of the last requested change; 0: none. */
    change: index(),
    /** Whether the kernel has installed that change. `failed`: some listeners may have installed it. */
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
 * An effect of the last step that may be incomplete if the supervisor died. Only in the copy of the document that the
 * keeper process holds.
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
    /** null: a service from command line arguments (`zero run`). */
    config_file: orNull(path()),
    boot_id: bootId(),
    /** Counts the documents of this service. The one with the highest number is the newest. */
    sequence: z.exactOptional(number()),
    /** Inode of /proc/self/ns/pid. In another namespace a pid means another process. */
    pid_namespace: z.exactOptional(number()),
    supervisor: z.object({
      ...process(),
      /** How often the service got another supervisor: after a crash, and by an upgrade in place. */
      restarts: z.exactOptional(index()),
      upgrades: z.exactOptional(index()),
      /** When the first of them was started. */
      first_started_monotonic_ms: z.exactOptional(monotonic()),
    }),
    /** The process that holds the sockets; null or omitted: none. */
    keeper: z.exactOptional(orNull(z.object(process()))),
    recorded_monotonic_ms: monotonic(),
    next_numbers: z.object({
      generation: number(),
      handover: number(),
      hook: number(),
      /** For zero's own commands. Omitted: unknown. */
      command: z.exactOptional(number()),
    }),
    /** The first generation of this supervisor. */
    first_generation: number(),
    /** The generation that serves, or the first candidate before it is ready. */
    incumbent: orNull(number()),
    generations: list(generation()),
    handover: orNull(handover()),
    pending_request: orNull(request()),
    owed_verdicts: list(owedVerdict()),
    hooks: list(hook()),
    /** Hooks that block no step. Omitted: none. */
    notifications: z.exactOptional(list(hook())),
    stop: orNull(z.object({ since_monotonic_ms: monotonic(), sigkill_sent: flag() })),
    /** Milliseconds that a handshake may take to complete after the kernel has answered it. */
    handshake_ms: duration(),
    /** By lane number. */
    lanes: list(lane()),
    steering: steering(),
    write_failures: z.object({ state: writeFailure(), history: writeFailure() }),
    /** Every running process that zero has started. `session` is its pid at the start. */
    processes: list(
      z.object({
        ...workerKey(),
        ...process(),
        session: number(),
        /** The inodes of its output pipes. Omitted: unknown. */
        stdout_inode: z.exactOptional(number()),
        stderr_inode: z.exactOptional(number()),
        /** The pipe of the gate `ready_fd`, with its descriptor in the worker. Omitted: no pipe. */
        ready: z.exactOptional(z.object({ fd: index(), inode: number() })),
        /** The WATCHDOG_USEC of the worker; 0: no watchdog. Omitted: that of the config. */
        watchdog_ms: z.exactOptional(duration()),
      }),
    ),
    /** Processes of zero's own commands: gates, `verify`, hashes. Omitted: unknown. */
    commands: z.exactOptional(list(z.object(process()))),
    in_progress: z.exactOptional(list(inProgress())),
    listeners: list(
      z.object({
        name: text(),
        /** The address in the config, normalised. */
        config_address: text(),
        /** The bound address. */
        address: socketAddress(),
        ...socket(),
        /** The sockets of a steered listener by lane. A TCP listener has one more at the end. */
        lanes: list(z.object(socket())),
        /** The lanes in the order of the kernel's index; null: a foreign socket. Omitted: unknown. */
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

/** The data that another supervisor needs. */
export type Document = Frozen<z.output<ReturnType<typeof schema>>>;
export type GenerationDocument = Document['generations'][number];
export type HandoverDocument = NonNullable<Document['handover']>;
