import * as z from 'zod/mini';
import { type DeepReadonly, failure, lastExit, milliseconds, orNull, usage } from './document-parts.ts';

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

export const statusDocument = z.object({
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
  /** The newest event that is not of the level `debug`. Not sent by earlier releases. */
  last_event: z.exactOptional(
    z.object({ event: z.string(), level: z.string(), message: z.string(), ms_ago: milliseconds }),
  ),
});

export type StatusDocument = DeepReadonly<z.output<typeof statusDocument>>;
export type ServiceStatus = NonNullable<StatusDocument['service']>;
export type GenerationStatus = StatusDocument['generations'][number];
export type WorkerStatus = GenerationStatus['workers'][number];
export type UsageDocument = NonNullable<StatusDocument['usage']>;
export type HandoverStatus = NonNullable<StatusDocument['handover']>;
