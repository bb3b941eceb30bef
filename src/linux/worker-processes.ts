/** What identifies the processes of one worker. */
export interface WorkerProcesses {
  /** The pid of its main process. */
  readonly pid: number;
  /** The session in which the worker runs (setsid(2)). */
  readonly session: number;
  /** Its other processes, which may have left the session. */
  readonly relatives: readonly number[];
}

/** Finds the worker that a process belongs to. */
export class WorkerFinder<W extends WorkerProcesses> {
  readonly #byPid: ReadonlyMap<number, W>;
  readonly #bySession: ReadonlyMap<number, W>;

  constructor(workers: readonly W[]) {
    this.#byPid = new Map(
      workers.flatMap((worker) => [worker.pid, ...worker.relatives].map((pid) => [pid, worker])),
    );
    this.#bySession = new Map(workers.map((worker) => [worker.session, worker]));
  }

  /** The worker of a process with this pid and session. */
  find(pid: number, session: number | undefined): W | undefined {
    return this.#byPid.get(pid) ?? (session === undefined ? undefined : this.#bySession.get(session));
  }
}

/**
 * The pids of the processes of each worker: its main process, those of its session, and its relatives.
 * @param running every running process, zombies included
 */
export function membersOf<W extends WorkerProcesses>(
  running: readonly { readonly pid: number; readonly session: number }[],
  workers: readonly W[],
): Map<W, Set<number>> {
  const finder = new WorkerFinder(workers);
  const members = new Map(workers.map((worker) => [worker, new Set([worker.pid, ...worker.relatives])]));
  for (const { pid, session } of running) {
    const worker = finder.find(pid, session);
    if (worker !== undefined) members.get(worker)?.add(pid);
  }
  return members;
}
