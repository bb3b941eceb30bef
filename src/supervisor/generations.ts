import type { WorkerKey } from '../lifecycle/events.ts';
import type { Failure } from '../lifecycle/facts.ts';
import { ListenerError } from '../listeners/listener-error.ts';
import { ReleaseError } from '../workers/release-error.ts';
import { SpawnError } from '../workers/spawner.ts';
import type { Prepared } from './prepare.ts';
import type { PreparedReleases } from './prepared-releases.ts';
import { type Post, type WorkerContext, WorkerProcess } from './worker-process.ts';

interface Held {
  readonly processes: Map<string, WorkerProcess>;
  /** Of the worker that was started first. */
  firstLane: number | null;
}

/** The processes of each generation. */
export class Generations {
  readonly #context: WorkerContext;
  readonly #releases: PreparedReleases;
  readonly #held = new Map<number, Held>();

  constructor(context: WorkerContext, releases: PreparedReleases) {
    this.#context = context;
    this.#releases = releases;
  }

  add(generation: number): void {
    this.#held.set(generation, { processes: new Map(), firstLane: null });
    this.#context.output.open(generation);
    this.#context.files.open(generation, this.prepared(generation)?.config.service.output);
  }

  prepared(generation: number): Prepared | undefined {
    return this.#releases.ofGeneration(generation);
  }

  /** Starts one process; its pid, or why there is none. */
  spawn(key: WorkerKey, { lane, relief }: Omit<Post, 'first'>): number | Failure {
    const held = this.#held.get(key.generation);
    const prepared = this.prepared(key.generation);
    if (!held || !prepared) throw new Error(`generation ${key.generation} is not held`);
    if (!relief) held.firstLane ??= lane;
    const post = { lane, relief, first: relief ? undefined : (held.firstLane ?? lane) };
    try {
      const process = new WorkerProcess(key, post, prepared, this.#context);
      forgetEarlier(held.processes, key);
      held.processes.set(nameOf(key), process);
      return process.pid;
    } catch (error) {
      const { generation, worker } = key;
      const failure = { step: 'spawn', generation, worker };
      if (error instanceof SpawnError) return { ...failure, reason: error.message, errno: error.code };
      if (error instanceof ReleaseError || error instanceof ListenerError) {
        return { ...failure, reason: error.message };
      }
      throw error;
    }
  }

  find(key: WorkerKey): WorkerProcess | undefined {
    return this.#held.get(key.generation)?.processes.get(nameOf(key));
  }

  /** Every process that is there, or has left something behind; oldest generation first. */
  processes(): WorkerProcess[] {
    return this.#all().filter(({ ended }) => !ended);
  }

  /** A failure of a candidate, with what its process and its gates know of it. */
  explain(failure: Failure): Failure {
    const { generation, worker, output, step } = failure;
    if (generation === undefined || output !== undefined) return failure;
    const process = this.#all().findLast(
      ({ key }) => key.generation === generation && key.worker === (worker ?? 0),
    );
    if (!process) return failure;
    const reasons = step === 'readiness.timeout' ? process.reasons() : [];
    const reason = reasons.length > 0 ? `${failure.reason} (${reasons.join('; ')})` : failure.reason;
    return { ...failure, reason, output: process.lines() };
  }

  /** Releases everything of a generation, its listeners included. */
  release(generation: number): void {
    const held = this.#held.get(generation);
    this.#held.delete(generation);
    for (const process of held?.processes.values() ?? []) process.close();
    this.#releases.release(generation);
    this.#context.output.close(generation);
    this.#context.files.close(generation);
  }

  #all(): WorkerProcess[] {
    return [...this.#held.values()].flatMap(({ processes }) => [...processes.values()]);
  }
}

/** The last one in each place is kept after its end, for what it wrote. */
function forgetEarlier(processes: Map<string, WorkerProcess>, { worker }: WorkerKey): void {
  for (const [name, process] of processes)
    if (process.key.worker === worker && process.ended) processes.delete(name);
}

function nameOf({ worker, incarnation }: WorkerKey): string {
  return `${worker}.${incarnation}`;
}
