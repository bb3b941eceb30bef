import type { ReadinessConfig } from '../../config/schema.ts';
import type { WorkerKey } from '../../lifecycle/events.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { type GateReason, type Gates, type NotifySocket, startGates } from '../../readiness/index.ts';
import type { Prepared } from './prepare.ts';
import type { WorkerAddresses } from './worker-addresses.ts';
import type { WorkerContext } from './worker-parts.ts';

/** The worker of the gates, and the objects that the gates check. */
export interface GatedWorker {
  /** `pid`: the current main process. */
  readonly worker: { readonly key: WorkerKey; readonly pid: number };
  readonly lane: number;
  readonly prepared: Prepared;
  readonly readiness: ReadinessConfig;
  readonly notify: NotifySocket;
  /** The descriptor that `ready_fd` is read from; null without one. */
  readonly readyPipe: number | null;
  readonly addresses: WorkerAddresses;
  /** Its last lines of output. */
  readonly lastLines: () => string[];
}

/** The gates of one worker. Starts them, reports their results, and explains open gates. */
export class WorkerGates {
  readonly #context: WorkerContext;
  readonly #of: GatedWorker;
  readonly #gates: Gates;
  /** The reasons of gates that were closed while open: a failure is explained after that. */
  #reasons: readonly GateReason[] = [];

  constructor(context: WorkerContext, of: GatedWorker) {
    this.#context = context;
    this.#of = of;
    const { prepared, readiness, notify, readyPipe, lane } = of;
    const { acquired } = prepared;
    const steered = acquired.listeners.filter((listener) => listener.steered).map(({ name }) => name);
    // Read without a gate, too: a full pipe would block the process.
    if (readyPipe !== null && readiness.ready_fd === undefined) readPast(context.kernel, readyPipe);
    this.#gates = startGates(readiness, {
      kernel: context.kernel,
      openProbe: (listener) => context.listeners.openProbe(acquired, listener, lane),
      steered: readiness.accept === false ? [] : steered,
      notify,
      readyPipe,
      runCommand: context.runCommand(prepared),
      timers: context.timers,
      turns: context.turns,
      passed: (gate) => this.#passed(gate),
      failed: (gate, reason) => this.#failed(gate, reason),
    });
  }

  get allPassed(): boolean {
    return this.#gates.waiting().length === 0;
  }

  waitsFor(name: string): boolean {
    return this.#gates.waiting().some(({ gate }) => gate === name);
  }

  /** Why gates are open. */
  reasons(): readonly string[] {
    return this.#open().map(({ gate, reason }) => (gate === null ? reason : `${gate}: ${reason}`));
  }

  /** The last failure of an open gate; null without one. */
  reasonOf(name: string): string | null {
    // The worker's own sockets explain why it accepts no connection from its descriptors.
    const known = this.#open().filter(({ gate }) => gate === name || (gate === null && name === 'accept'));
    return known.length === 0 ? null : known.map(({ reason }) => reason).join('; ');
  }

  close(): void {
    this.#gates.close();
  }

  /** Closes the gates early. Their reasons remain available. */
  closeEarly(): void {
    this.#reasons = this.#open();
    this.#gates.close();
  }

  #open(): readonly GateReason[] {
    const waiting = this.#gates.waiting();
    if (waiting.length === 0) return this.#reasons;
    const { addresses, lastLines } = this.#of;
    const known = [addresses.inUse(lastLines()), addresses.foreignSocket() ?? addresses.elsewhere()];
    return [
      ...waiting.flatMap(({ gate, reason }) => (reason ? [{ gate, reason }] : [])),
      ...known.flatMap((reason) => (reason === null ? [] : [{ gate: null, reason }])),
    ];
  }

  /**
   * A service that accepts on its descriptor and on a socket of its own would receive connections that zero does not
   * steer.
   */
  #passed(gate: string): void {
    const { accepts, post } = this.#context;
    const { worker, addresses } = this.#of;
    const decide = (problem: string | null) => {
      if (problem === null) post({ type: 'gate_passed', ...worker.key, gate });
      else post({ type: 'gate_failed', ...worker.key, gate, reason: problem });
    };
    if (gate === 'accept') accepts.add((foreign) => decide(addresses.foreignSocket(foreign)));
    else decide(null);
  }

  /** An exiting process closes its ready descriptor first. Its exit status follows and is the better reason. */
  #failed(gate: string, reason: string): void {
    const { worker } = this.#of;
    if (this.#context.kernel.processStat(worker.pid)?.exiting ?? true) return;
    this.#context.post({ type: 'gate_failed', ...worker.key, gate, reason });
  }
}

/** Reads a pipe until its end and discards the data. */
function readPast(kernel: Kernel, fd: number): void {
  kernel.readPipe(fd, { data: () => {}, end: () => {} }).unref();
}
