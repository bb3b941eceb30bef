import { isSame } from '../../lifecycle/copy.ts';
import type { FoundWorker, WorkerKey } from '../../lifecycle/events.ts';
import type { Failure } from '../../lifecycle/facts.ts';
import { ListenerError } from '../../listeners/listener-error.ts';
import type { WorkerListener } from '../../workers/conventions/convention.ts';
import { expectsBlocking } from '../../workers/conventions/index.ts';
import { ReleaseError } from '../../workers/spawning/release-error.ts';
import { SpawnError } from '../../workers/spawning/spawner.ts';
import { AcceptLooks, type AcceptLooksContext } from './accept-looks.ts';
import type { CurrentExecutable } from './current-executable.ts';
import type { Prepared } from './prepare.ts';
import type { PreparedReleases } from './prepared-releases.ts';
import { SessionKiller } from './session-killer.ts';
import type { Post, RecoveredProcess, WorkerContext } from './worker-parts.ts';
import { WorkerProcess } from './worker-process.ts';

interface Held {
  readonly processes: Map<string, WorkerProcess>;
  /** The lane of the worker that was started first. */
  firstLane: number | null;
  /** The last reported executable that differs from the one of the release. */
  deviation: Deviation | null;
  /** False when a process that was started from the kept copy of a script did not become ready. */
  isCopyEnough: boolean;
}

/** Restarted workers execute another file than the one that their generation was started with. */
export interface Deviation {
  /** `copy`: the kept copy of that file. `file`: the file on disk now, because zero has no copy. */
  readonly runs: 'copy' | 'file';
  readonly path: string;
  readonly reason: string;
}

/** The processes of each generation. */
export class Generations {
  readonly #context: WorkerContext;
  readonly #releases: PreparedReleases;
  readonly #held = new Map<number, Held>();

  /** @param context `batch`: see Engine.batch */
  constructor(
    context: Omit<WorkerContext, 'workers' | 'accepts' | 'sessions'> & AcceptLooksContext,
    releases: PreparedReleases,
  ) {
    this.#context = {
      ...context,
      workers: () => this.processes(),
      accepts: new AcceptLooks(context),
      sessions: new SessionKiller(context.kernel),
    };
    this.#releases = releases;
  }

  add(generation: number): void {
    this.#held.set(generation, {
      processes: new Map(),
      firstLane: null,
      deviation: null,
      isCopyEnough: true,
    });
    this.#context.output.open(generation);
    this.#context.files.open(generation, this.prepared(generation)?.config.service.output);
  }

  prepared(generation: number): Prepared | undefined {
    return this.#releases.ofGeneration(generation);
  }

  /**
   * Starts one process. Returns its pid or the failure.
   * @param joins the process joins running workers: another executable than that of the generation is refused
   */
  spawn(key: WorkerKey, { lane, rescue }: Pick<Post, 'lane' | 'rescue'>, joins = false): number | Failure {
    const held = this.#held.get(key.generation);
    const prepared = this.prepared(key.generation);
    if (!held || !prepared) throw new Error(`generation ${key.generation} is not held`);
    if (!rescue) held.firstLane ??= lane;
    const post = { lane, rescue, first: rescue ? undefined : (held.firstLane ?? lane) };
    const current = this.#executableFor(key, held, prepared);
    const refusal = joins ? refuseToDeploy(key, current) : refuseOther(key, prepared, rescue, current);
    if (refusal !== null) return refusal;
    this.#reportDeviation(key, held, current);
    const { executable } = current;
    try {
      const sockets = this.#socketsFor(prepared, lane, post.first);
      const process = WorkerProcess.spawn(key, { ...post, executable, sockets }, prepared, this.#context);
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

  /**
   * Takes over a process that another supervisor started. Add the generation first. Throws SpawnError or ListenerError;
   * the process is unchanged then.
   */
  adopt(recovered: RecoveredProcess): FoundWorker {
    const { key, lane, rescue, first } = recovered;
    const held = this.#held.get(key.generation);
    const prepared = this.prepared(key.generation);
    if (!held || !prepared) throw new Error(`generation ${key.generation} is not held`);
    held.firstLane ??= first ?? null;
    const sockets = prepared.acquired.listeners.flatMap((listener) => {
      const fd = listener.regain(lane, first);
      return fd === null ? [] : [{ ...listener, fd }];
    });
    const { executable } = prepared.release;
    const post = { lane, rescue, first, sockets, executable };
    const { worker, found } = WorkerProcess.adopt(recovered, post, prepared, this.#context);
    held.processes.set(nameOf(key), worker);
    return found;
  }

  find(key: WorkerKey): WorkerProcess | undefined {
    return this.#held.get(key.generation)?.processes.get(nameOf(key));
  }

  /** Every worker with a running or remaining process, oldest generation first. */
  processes(): WorkerProcess[] {
    return this.#all().filter(({ ended }) => !ended);
  }

  /** A failure of a candidate, with the reasons that its process and its gates know. */
  explain(failure: Failure): Failure {
    const { generation, worker = 0, output, step } = failure;
    if (generation === undefined) return failure;
    const processOf = (index: number) =>
      this.#all().findLast(({ key }) => key.generation === generation && key.worker === index);
    const gates = failure.gates?.map((open) => ({
      ...open,
      reason: processOf(open.worker)?.gateReason(open.gate) ?? null,
    }));
    const process = processOf(worker);
    const reasons = step === 'readiness.timeout' ? (process?.reasons() ?? []) : [];
    const lines = output ?? process?.lines();
    return {
      ...failure,
      ...(reasons.length > 0 && { reason: `${failure.reason} (${reasons.join('; ')})` }),
      ...(gates && { gates }),
      ...(lines && { output: lines }),
    };
  }

  /** Releases every resource of a generation, including its listeners. */
  release(generation: number): void {
    const held = this.#held.get(generation);
    this.#held.delete(generation);
    for (const process of held?.processes.values() ?? []) process.close();
    this.#releases.release(generation);
    this.#context.output.close(generation);
    this.#context.files.close(generation);
  }

  /** The other executable that restarted workers of a generation run; null if there is none. */
  deviationOf(generation: number): Deviation | null {
    return this.#held.get(generation)?.deviation ?? null;
  }

  /**
   * A script may need files next to it, which its copy does not have. zero therefore does not use a copy again that did
   * not become ready.
   */
  #executableFor(
    { generation, worker }: WorkerKey,
    held: Held,
    { record, release, settings }: Prepared,
  ): CurrentExecutable {
    const current = this.#releases.executableOf(generation);
    if (current.answer !== 'kept copy' || record.kind !== 'script') return current;
    const copy = current.executable;
    const before = [...held.processes.values()].findLast(({ key }) => key.worker === worker);
    const wasReady = (before?.lasted ?? -1) >= settings.reloadUptime;
    if (before?.post.executable === copy && !wasReady) held.isCopyEnough = false;
    if (held.isCopyEnough) return current;
    const reason = `${current.reason}, and its copy ${copy} did not become ready`;
    return { answer: 'changed, no copy', executable: release.executable, reason };
  }

  /** Reports once per change. */
  #reportDeviation({ generation, worker }: WorkerKey, held: Held, current: CurrentExecutable): void {
    const before = held.deviation;
    held.deviation = deviationFrom(current);
    if (held.deviation === null || isSame(held.deviation, before)) return;
    const fact = { event: 'executable_changed', generation, worker, ...held.deviation } as const;
    const { boundary, report } = this.#context;
    boundary.run('report', () => report(fact));
  }

  /**
   * The listening sockets of a worker, in the mode that its program expects. An earlier program may have changed
   * O_NONBLOCK (libuv sets it), which is a flag of the socket itself. A worker that still has the socket may depend on
   * the flag: without the flag, its event loop would block in accept(2). Throws ListenerError.
   */
  #socketsFor({ acquired, config }: Prepared, lane: number, first: number | undefined): WorkerListener[] {
    const held = new Set(this.processes().flatMap(({ post }) => post.sockets.map(({ fd }) => fd)));
    const blocking = expectsBlocking(config.service.runtime.protocols);
    return acquired.listeners.map((listener) => {
      const fd = listener.fdOf(lane, first);
      if (!held.has(fd)) this.#context.kernel.setBlocking(fd, blocking);
      return { ...listener, fd };
    });
  }

  #all(): WorkerProcess[] {
    return [...this.#held.values()].flatMap(({ processes }) => [...processes.values()]);
  }
}

/**
 * A rollback specifies a release. If that release changed after it was found, the other one must not serve in its
 * place.
 */
function refuseOther(
  { generation, worker, incarnation }: WorkerKey,
  { rollbackTo }: Prepared,
  rescue: boolean,
  current: CurrentExecutable,
): Failure | null {
  if (rollbackTo === null || incarnation > 1 || rescue || current.answer !== 'changed, no copy') return null;
  const reason = `the release of generation ${rollbackTo} has changed since the rollback began: ${current.reason}`;
  return { step: 'spawn', reason, generation, worker };
}

/** A worker that joins running workers must not deploy a release that the user did not request. */
function refuseToDeploy({ generation, worker }: WorkerKey, current: CurrentExecutable): Failure | null {
  if (current.answer !== 'changed, no copy') return null;
  const reason = `${current.reason}. zero deploys another release only by a handover: run "zero reload"`;
  return { step: 'release', reason, generation, worker };
}

function deviationFrom(current: CurrentExecutable): Deviation | null {
  if (current.answer === 'same') return null;
  const { answer, executable: path, reason } = current;
  return { runs: answer === 'kept copy' ? 'copy' : 'file', path, reason };
}

/** Keeps the last ended process of each place, for its output. */
function forgetEarlier(processes: Map<string, WorkerProcess>, { worker }: WorkerKey): void {
  for (const [name, process] of processes)
    if (process.key.worker === worker && process.ended) processes.delete(name);
}

function nameOf({ worker, incarnation }: WorkerKey): string {
  return `${worker}.${incarnation}`;
}
