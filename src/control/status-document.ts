import * as z from 'zod/mini';
import { type DeepReadonly, failure, lastExit, milliseconds, orNull, usage } from './document-parts.ts';

/** Whether the service is up. */
const serviceStatus = z.object({
  /** `starting`, `up`, `degraded`, `down`, `stopping`. */
  state: z.string(),
  /** The state in words, without times. */
  summary: z.string(),
  /** The incumbent; null if there is none. */
  generation: orNull(z.int()),
  workers: z.int(),
  workers_serving: z.int(),
  /** The newest exit of a worker that does not serve. */
  last_exit: orNull(z.object({ worker: z.int(), ...lastExit })),
  /** Time until the next worker is started; 0: one is being started; null: none will be. */
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
  /** Number of restarts. */
  restarts: z.int(),
  /** Time until the restart. Only in state `backoff`; not sent by earlier releases. */
  retry_in_ms: z.exactOptional(milliseconds),
  /** Omitted if it has never exited unexpectedly. */
  last_exit: z.exactOptional(z.object(lastExit)),
  /** Connections wait for the worker, and it accepts none. Omitted if it is not hung. */
  hung: z.exactOptional(z.boolean()),
  /** Usage of all processes in its session. Only if connections were requested and it has processes. */
  usage: z.exactOptional(usage),
  /** `joining`: it gets connections when it is ready; `leaving`: it is being replaced or removed, and retires. */
  role: z.exactOptional(z.string()),
  /** Why its liveness check fails. */
  unhealthy: z.exactOptional(z.string()),
  /** The worker that takes its place when it is ready. */
  replaced_by: z.exactOptional(z.int()),
  /** Why the kernel refuses every signal to it. Omitted if signals work. */
  problem: z.exactOptional(z.string()),
});

const generationStatus = z.object({
  id: z.int(),
  /** `starting`, `ready`, `serving`, `standby`, `retiring`, `stopping`. */
  stage: z.string(),
  release: z.object({
    path: z.string(),
    directory: z.string(),
    /** Its label. Omitted if it has none. */
    label: z.exactOptional(z.string()),
  }),
  /**
   * The executable for restarted workers, because the original one has changed: the kept `copy`, or the current `file`.
   * Omitted if it has not changed.
   */
  executable_changed: z.exactOptional(z.object({ runs: z.string(), path: z.string(), reason: z.string() })),
  since_ms_ago: milliseconds,
  workers: z.array(workerStatus),
  /** Accepted and open connections; null if unknown. Only on request. */
  connections: z.exactOptional(orNull(z.int())),
});

const handoverStatus = z.object({
  id: z.int(),
  /** Who requested it and still waits: commands, signals, `watch`. Not sent by earlier releases. */
  by: z.exactOptional(z.array(z.string())),
  /** `resolving`, `waiting`, `starting`, `preview`, `canary`, `soak`. */
  step: z.string(),
  candidate: orNull(z.int()),
  incumbent: orNull(z.int()),
  since_ms_ago: milliseconds,
  canary: z.exactOptional(z.object({ percent: z.number() })),
  /** The remaining time of the step. */
  until_ms: z.exactOptional(milliseconds),
  /** What the step waits for: gates, or generations that must end first. */
  waiting_for: z.exactOptional(z.array(z.string())),
});

const listenerStatus = z.object({
  name: z.string(),
  address: z.string(),
  steered: z.boolean(),
  /** Connections that no process has accepted yet, over all lanes; null if unknown. */
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
  /** The config file that the instance was started from; null: the config was given as arguments. */
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
      /** Its keeper or a service manager restarts it. Not sent by earlier releases. */
      restarted_when_killed: z.exactOptional(z.boolean()),
    }),
  ),
  /** The process that holds the sockets while no supervisor runs; null: none runs. Not sent by earlier releases. */
  keeper: z.exactOptional(orNull(z.object({ pid: z.int(), sockets: z.int() }))),
  /** Not sent by earlier releases. */
  service: z.exactOptional(serviceStatus),
  incumbent: orNull(z.int()),
  handover: orNull(handoverStatus),
  /** Whether another handover follows. */
  pending: z.boolean(),
  /** That handover, if there is one. Not sent by earlier releases. */
  pending_handover: z.exactOptional(z.object({ id: z.int(), by: z.array(z.string()) })),
  generations: z.array(generationStatus),
  /** Usage of all workers together. Only if connections were requested. */
  usage: z.exactOptional(usage),
  listeners: z.array(listenerStatus),
  steering: orNull(steeringStatus),
  /** Failed steps that zero retries. Not sent by supervisors that are older than the header Zero-Protocol. */
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
