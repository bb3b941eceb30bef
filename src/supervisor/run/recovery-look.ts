import type { WorkerKey } from '../../lifecycle/events.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { SocketInodes } from '../../linux/socket-inodes.ts';
import { membersOf } from '../../linux/worker-processes.ts';
import type { Probe } from '../../listeners/diagnosis/probe.ts';
import type { Timers } from '../../readiness/index.ts';
import type { Generations } from './generations.ts';

/**
 * Milliseconds until the first reading, and between two. A service that serves one connection at a time waits that long
 * for a request that never comes.
 */
const PAUSE = 20;

/** A test connection that no process has accepted after so many readings is left. */
const READINGS = 5;

export interface RecoveryContext {
  readonly generations: Generations;
  readonly kernel: Pick<Kernel, 'listProcesses'>;
  readonly timers: Timers;
  /** The sockets that each of these processes has open, see socketInodes(). */
  readonly socketsOf: (pids: readonly number[]) => Promise<SocketInodes[]>;
}

/**
 * Finds the test connections that one worker has accepted, while another one accepts from the same sockets: its
 * processes have their inodes open. They stay open meanwhile, because the kernel reports no inode of a closed one.
 */
export class RecoveryLook {
  readonly #context: RecoveryContext;
  readonly #key: WorkerKey;
  readonly #accepted: string[] = [];
  readonly #done: (listeners: readonly string[]) => void;
  readonly #failed: (error: unknown) => void;
  #probes: readonly Probe[];
  #readings = 0;
  #timer: unknown = null;

  /**
   * Either `done` or `failed` is called once, and neither after `end`. Call `end` in any case.
   * @param done receives the listeners on which the worker has accepted a test connection
   */
  constructor(
    context: RecoveryContext,
    key: WorkerKey,
    probes: readonly Probe[],
    done: (listeners: readonly string[]) => void,
    failed: (error: unknown) => void,
  ) {
    this.#context = context;
    this.#key = key;
    this.#probes = probes;
    this.#done = done;
    this.#failed = failed;
    this.#wait();
  }

  /** Returns the test connections that it has not closed, because it does not know that a process has accepted them. */
  end(): readonly Probe[] {
    const left = this.#probes;
    this.#probes = [];
    if (this.#timer !== null) this.#context.timers.clear(this.#timer);
    this.#timer = null;
    return left;
  }

  #wait(): void {
    this.#timer = this.#context.timers.set(PAUSE, () => {
      this.#timer = null;
      void this.#read();
    });
  }

  async #read(): Promise<void> {
    const probes = this.#probes;
    try {
      const found = new Map(probes.map((probe) => [probe, probe.acceptedInode()]));
      const isAny = [...found.values()].some((inode) => inode !== null);
      const own = isAny ? await this.#ownSockets() : new Set();
      // Closed meanwhile.
      if (this.#probes !== probes) return;
      for (const [{ listener }, inode] of found) if (own.has(inode)) this.#accepted.push(listener);
      this.#readings += 1;
      for (const [probe, inode] of found) if (inode !== null) probe.close();
      const left = probes.filter((probe) => found.get(probe) === null);
      // FIN follows them, so that a worker that accepts one later does not wait for a request.
      if (this.#readings >= READINGS) for (const probe of left) probe.accepted();
      this.#probes = left;
    } catch (error) {
      if (this.#probes === probes) this.#failed(error);
      return;
    }
    if (this.#probes.length > 0 && this.#readings < READINGS) this.#wait();
    else this.#done(this.#accepted);
  }

  /** The inodes of the sockets that the worker's processes have open; none of those that zero may not inspect. */
  async #ownSockets(): Promise<ReadonlySet<number | null>> {
    const { generations, kernel, socketsOf } = this.#context;
    const process = generations.find(this.#key);
    if (process === undefined) return new Set();
    const members = membersOf(kernel.listProcesses(), generations.processes()).get(process) ?? [];
    const sockets = await socketsOf([...members]);
    return new Set(sockets.flatMap((inodes) => Array.from(inodes ?? [])));
  }
}
