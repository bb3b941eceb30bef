import * as z from 'zod/mini';

/*
 * The documents that a supervisor answers with. `version` is that of the protocol (version.ts). A reader ignores fields
 * that it does not know and takes words such as a state or an outcome as open strings, so that a newer supervisor may
 * have more of them. A schema costs memory and time where it is made, and only a reader needs it: the supervisor takes
 * nothing but types from here.
 */

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

const milliseconds = z.number();
const orNull = <T extends z.ZodMiniType>(schema: T) => z.nullable(schema);

const exitStatus = z.object({
  kind: z.string(),
  code: z.exactOptional(z.int()),
  signal: z.exactOptional(z.string()),
  core_dumped: z.exactOptional(z.boolean()),
});

const failure = z.object({
  step: z.string(),
  reason: z.string(),
  /** What the step was performed on. */
  subject: z.exactOptional(z.string()),
  /** The errno's name where a system call refused. */
  errno: z.exactOptional(z.string()),
  generation: z.exactOptional(z.int()),
  worker: z.exactOptional(z.int()),
  exit: z.exactOptional(exitStatus),
  /** The gates of the candidate that have not passed, each with its last failure. */
  gates: z.exactOptional(
    z.array(z.object({ worker: z.int(), gate: z.string(), reason: orNull(z.string()) })),
  ),
  /** The last lines the worker wrote, oldest first. */
  output: z.exactOptional(z.array(z.string())),
});

const usage = z.object({
  /** Over the last `interval_ms`; 100 is one core. */
  cpu_percent: z.number(),
  /** User and system time since the start. */
  cpu_seconds: z.number(),
  /** Resident; pages that several processes share count for each of them. */
  memory_bytes: z.int(),
  interval_ms: milliseconds,
});

/** How a worker last ended without having been asked to; `exit` null: it could not be started. */
const lastExit = {
  exit: orNull(exitStatus),
  reason: z.string(),
  ms_ago: milliseconds,
};

/** Whether the service is up. */
const serviceStatus = z.object({
  /** `starting`, `up`, `degraded`, `down`, `stopping`. */
  state: z.string(),
  /** The same in words, without times. */
  summary: z.string(),
  /** The generation in charge; null where there is none. */
  generation: orNull(z.int()),
  workers: z.int(),
  workers_serving: z.int(),
  /** The newest, of workers that do not serve. */
  last_exit: orNull(z.object({ worker: z.int(), ...lastExit })),
  /** Until the next worker is started; 0: one is being started; null: none will be. */
  retry_in_ms: orNull(milliseconds),
});

const workerStatus = z.object({
  worker: z.int(),
  pid: orNull(z.int()),
  /** `spawning`, `up`, `backoff`, `stopping`, `ended`. */
  state: z.string(),
  uptime_ms: orNull(milliseconds),
  ready: z.boolean(),
  /** Gates that have not passed yet. */
  waiting: z.array(z.string()),
  lane: orNull(z.int()),
  /** Times it was started again. */
  restarts: z.int(),
  /** Until it is started again. Only in state `backoff`; not sent by earlier releases. */
  retry_in_ms: z.exactOptional(milliseconds),
  /** Left out where it has never exited unexpectedly. */
  last_exit: z.exactOptional(z.object(lastExit)),
  /** Connections wait for it, and it accepts none. Left out where it is not hung. */
  hung: z.exactOptional(z.boolean()),
  /** Of all processes of its session. Only where connections were asked for and it has processes. */
  usage: z.exactOptional(usage),
  /** `joining`: it gets connections once it is ready; `leaving`: it is replaced or one too many, and retires. */
  role: z.exactOptional(z.string()),
  /** Why its liveness check fails. */
  unhealthy: z.exactOptional(z.string()),
  /** The worker that has its place when that one is ready. */
  replaced_by: z.exactOptional(z.int()),
  /** Why the kernel refuses every signal to it. Left out where it does not. */
  problem: z.exactOptional(z.string()),
});

const generationStatus = z.object({
  id: z.int(),
  /** `starting`, `ready`, `serving`, `standby`, `retiring`, `stopping`. */
  stage: z.string(),
  release: z.object({
    path: z.string(),
    directory: z.string(),
    /** Its name. Left out where it has none. */
    label: z.exactOptional(z.string()),
  }),
  /**
   * What its workers are started again from, because its executable has changed: the kept `copy`, or the `file` that is
   * there now. Left out where it has not changed.
   */
  executable_changed: z.exactOptional(z.object({ runs: z.string(), path: z.string(), reason: z.string() })),
  since_ms_ago: milliseconds,
  workers: z.array(workerStatus),
  /** Accepted and not closed; null where it is not known. Only where it was asked for. */
  connections: z.exactOptional(orNull(z.int())),
});

const handoverStatus = z.object({
  id: z.int(),
  /** Who asked for it and still waits: commands, signals, `watch`. Not sent by earlier releases. */
  by: z.exactOptional(z.array(z.string())),
  /** `resolving`, `waiting`, `starting`, `preview`, `canary`, `soak`. */
  step: z.string(),
  candidate: orNull(z.int()),
  incumbent: orNull(z.int()),
  since_ms_ago: milliseconds,
  canary: z.exactOptional(z.object({ percent: z.number() })),
  /** How much longer the step lasts. */
  until_ms: z.exactOptional(milliseconds),
  /** What the step waits for: gates, or generations that have to be gone first. */
  waiting_for: z.exactOptional(z.array(z.string())),
});

const listenerStatus = z.object({
  name: z.string(),
  address: z.string(),
  steered: z.boolean(),
  /** Connections that nobody accepted yet, over all lanes; null where it is not known. */
  queue: orNull(z.int()),
  lanes: z.int(),
});

const steeringStatus = z.object({
  main: z.array(z.int()),
  canary: orNull(z.object({ percent: z.number(), by: z.string(), lanes: z.array(z.int()) })),
  preview: orNull(z.array(z.int())),
});

const statusDocument = z.object({
  version: z.int(),
  name: z.string(),
  pid: z.int(),
  uptime_ms: milliseconds,
  /** The supervisor's version. */
  zero: z.string(),
  /** The config file that the instance was started from; null: it was given as arguments. */
  config_file: z.exactOptional(orNull(z.object({ path: z.string(), device: z.string(), inode: z.string() }))),
  /** `running`, `stopping`. */
  mode: z.string(),
  /**
   * How often the service got another supervisor: after a crash, and by an upgrade in place. `started_by`: `manual`,
   * `keeper`, `service_manager`, `upgrade`. Not sent by earlier releases.
   */
  supervisor: z.exactOptional(
    z.object({
      restarts: z.int(),
      upgrades: z.int(),
      started_by: z.string(),
      /** Its keeper or a service manager starts it again. Not sent by earlier releases. */
      restarted_when_killed: z.exactOptional(z.boolean()),
    }),
  ),
  /** The process that holds the sockets while no supervisor runs; null: none runs. Not sent by earlier releases. */
  keeper: z.exactOptional(orNull(z.object({ pid: z.int(), sockets: z.int() }))),
  /** Not sent by earlier releases. */
  service: z.exactOptional(serviceStatus),
  incumbent: orNull(z.int()),
  handover: orNull(handoverStatus),
  /** One more handover follows. */
  pending: z.boolean(),
  /** That handover, where there is one. Not sent by earlier releases. */
  pending_handover: z.exactOptional(z.object({ id: z.int(), by: z.array(z.string()) })),
  generations: z.array(generationStatus),
  /** Of all workers together. Only where connections were asked for. */
  usage: z.exactOptional(usage),
  listeners: z.array(listenerStatus),
  steering: orNull(steeringStatus),
  /** Steps that failed and are attempted again. Not sent by supervisors from before the header Zero-Protocol. */
  problems: z.exactOptional(z.array(failure)),
  retiring: z.array(z.int()),
});

/** `kind`: `exited` with `code`, `signaled` with `signal` and `core_dumped`, or `unknown`. */
const historyDocument = z.object({
  version: z.int(),
  /** Oldest first. */
  generations: z.array(
    z.object({
      generation: z.int(),
      /** When it was started: ISO 8601, UTC. */
      at: z.string(),
      /** The handover that started it; null where the history does not say. Not sent by earlier releases. */
      handover: z.exactOptional(orNull(z.int())),
      serving: z.boolean(),
      /** The generation whose release it was started from, by a rollback. */
      rollback_to: orNull(z.int()),
      /** How its handover ended; null: it goes on, or nobody saw the end. */
      outcome: orNull(z.string()),
      failure: orNull(z.object({ step: z.string(), reason: z.string() })),
      /** Of its handover. */
      duration_ms: orNull(milliseconds),
      /** How long it served; null: never. */
      served_ms: orNull(milliseconds),
      release: orNull(
        z.object({
          path: z.string(),
          args: z.array(z.string()),
          directory: z.string(),
          /** null: not computed, or not yet. */
          sha256: orNull(z.string()),
          /** Its name. Left out where it has none. */
          label: z.exactOptional(z.string()),
        }),
      ),
      /** Where `zero rollback --to` would take it from: `file`, `copy`, or nowhere and why. */
      rollback: z.object({ from: orNull(z.string()), reason: orNull(z.string()) }),
    }),
  ),
  /** Every handover that has ended, oldest first, also without a generation. Not sent by earlier releases. */
  handovers: z.exactOptional(
    z.array(
      z.object({
        handover: z.int(),
        /** When it ended: ISO 8601, UTC. */
        at: z.string(),
        outcome: z.string(),
        generation: orNull(z.int()),
        incumbent: orNull(z.int()),
        duration_ms: milliseconds,
        failure: orNull(z.object({ step: z.string(), reason: z.string() })),
      }),
    ),
  ),
});

const verdictDocument = z.object({
  /** Not sent by supervisors from before the header Zero-Protocol. */
  version: z.exactOptional(z.int()),
  /** `promoted`, `rolled_back`, `failed`, `aborted`, `timed_out`, `superseded`, `in_progress`. */
  outcome: z.string(),
  /** The incumbent has no worker that runs; how long until one is started again, null for never. Since protocol 1. */
  down: z.exactOptional(orNull(z.object({ retry_in_ms: orNull(milliseconds) }))),
  handover: orNull(z.int()),
  generation: orNull(z.int()),
  incumbent: orNull(z.int()),
  /** The name of the release that was asked for. Left out where it has none. */
  label: z.exactOptional(z.string()),
  duration_ms: milliseconds,
  failure: orNull(failure),
  /** The hook that ran after it failed. */
  hook: z.exactOptional(failure),
});

/** What happened, with the fields of the JSON log. */
const factDocument = z.looseObject({ event: z.string() });

/**
 * The supervisor is started again when it is killed: a command whose connection breaks asks the next supervisor for the
 * verdict. Left out: it is not.
 */
const restarts = z.exactOptional(z.literal(true));

/** In this order: one `accepted`, any number of `fact`, and one `verdict` unless nobody waits for it. */
const reloadLine = z.union([
  z.object({ accepted: z.object({ ticket: z.string(), handover: z.exactOptional(z.int()), restarts }) }),
  z.object({ fact: factDocument }),
  z.object({ verdict: verdictDocument }),
]);

/** In this order: one `accepted`, any number of `fact`, and one `verdict`. */
const waitLine = z.union([
  z.object({ accepted: z.object({ handover: z.int(), restarts }) }),
  z.object({ fact: factDocument }),
  z.object({ verdict: verdictDocument }),
]);

const scaleDocument = z.object({
  version: z.int(),
  /** `done`, `failed`, `aborted`, `timed_out`, `superseded`, `in_progress`. */
  outcome: z.string(),
  /** The generation that serves; null where none does. */
  generation: orNull(z.int()),
  from: z.int(),
  to: z.int(),
  /** How many workers the generation has now, without those that leave. */
  workers: z.int(),
  duration_ms: milliseconds,
  failure: orNull(failure),
});

/** In this order: one `accepted`, any number of `fact`, and one `result`. */
const scaleLine = z.union([
  z.object({ accepted: z.object({ ticket: z.string() }) }),
  z.object({ fact: factDocument }),
  z.object({ result: scaleDocument }),
]);

/** In this order: one `accepted`, any number of `fact`, one `stopped`; the connection ends with the supervisor's process. */
const stopLine = z.union([
  z.object({ accepted: z.object({ pid: z.int(), restarts }) }),
  z.object({ fact: factDocument }),
  z.object({ stopped: z.literal(true) }),
]);

/** In this order: one `accepted`, any number of `fact`, and one of the others. */
const upgradeLine = z.union([
  z.object({ accepted: z.object({ pid: z.int(), zero: z.string() }) }),
  z.object({ fact: factDocument }),
  /** The new program passed its dry run and replaces the old one next: ask again on a new connection. */
  z.object({ upgrading: z.object({ zero: z.string(), node: z.string() }) }),
  /** The old program stays. */
  z.object({ refused: z.object({ message: z.string() }) }),
]);

const signalDocument = z.object({
  generation: z.int(),
  signal: z.string(),
  workers: z.array(z.object({ worker: z.int(), pid: z.int() })),
});

/** The data of a server-sent event: a fact with its time (RFC 3339, UTC); of a `gap`, how many events were missed, null where nobody knows. */
const eventData = z.union([
  z.catchall(z.object({ time: z.string(), event: z.string() }), z.unknown()),
  z.object({ missed: orNull(z.int()) }),
]);

/** What one source wrote, as text or, where it is none, as Base64; or how much before the next line is not kept. */
const outputLine = z.union([
  z.object({
    output: z.object({
      /** When zero read it: RFC 3339, UTC. Not sent by earlier releases of version 1. */
      time: z.exactOptional(z.string()),
      generation: z.int(),
      worker: z.int(),
      /** `stdout`, `stderr`. */
      stream: z.string(),
      text: z.exactOptional(z.string()),
      base64: z.exactOptional(z.string()),
    }),
  }),
  z.object({ gap: z.object({ bytes: z.int() }) }),
  /** The first line where the output is in files: the path of the current one. */
  z.object({ file: z.object({ path: z.string() }) }),
  /** The last line where the supervisor is replaced by another zero, in its own process: ask that one for the rest. */
  z.object({ upgrading: z.literal(true) }),
]);

export const errorDocument = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    /** The field of the request that is wrong. */
    field: z.exactOptional(z.string()),
  }),
});

/** What each route answers: one document, or the lines of a stream. */
export const answers = {
  status: statusDocument,
  reload: reloadLine,
  rollback: reloadLine,
  wait: waitLine,
  scale: scaleLine,
  history: historyDocument,
  promote: z.object({}),
  abort: z.object({}),
  stop: stopLine,
  upgrade: upgradeLine,
  signal: signalDocument,
  events: eventData,
  logs: outputLine,
};

export type AnswerOf<R extends keyof typeof answers> = DeepReadonly<z.output<(typeof answers)[R]>>;

export type StatusDocument = DeepReadonly<z.output<typeof statusDocument>>;
export type HistoryDocument = DeepReadonly<z.output<typeof historyDocument>>;
export type ServiceStatus = NonNullable<StatusDocument['service']>;
export type GenerationStatus = StatusDocument['generations'][number];
export type WorkerStatus = GenerationStatus['workers'][number];
export type UsageDocument = NonNullable<StatusDocument['usage']>;
export type HandoverStatus = NonNullable<StatusDocument['handover']>;
export type VerdictDocument = DeepReadonly<z.output<typeof verdictDocument>>;
export type ScaleDocument = DeepReadonly<z.output<typeof scaleDocument>>;
export type FailureDocument = NonNullable<VerdictDocument['failure']>;
export type ExitDocument = NonNullable<FailureDocument['exit']>;
export type OutputDocument = DeepReadonly<z.output<typeof outputLine>>;
export type FactDocument = DeepReadonly<z.output<typeof factDocument>>;
