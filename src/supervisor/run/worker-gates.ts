import type { ReadinessConfig } from '../../config/schema.ts';
import type { WorkerKey } from '../../lifecycle/events.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { type GateReason, type Gates, type NotifySocket, startGates } from '../../readiness/index.ts';
import type { Prepared } from './prepare.ts';
import type { WorkerAddresses } from './worker-addresses.ts';
import type { WorkerContext } from './worker-parts.ts';

/** The worker whose gates they are, and what the gates look at. */
export interface GatedWorker {
  /** `pid`: of its main process now. */
  readonly worker: { readonly key: WorkerKey; readonly pid: number };
  readonly lane: number;
  readonly prepared: Prepared;
  readonly readiness: ReadinessConfig;
  readonly notify: NotifySocket;
  /** The descriptor that `ready_fd` is read from; null: there is none. */
  readonly readyPipe: number | null;
  readonly addresses: WorkerAddresses;
  /** The last lines that it wrote. */
  readonly lastLines: () => string[];
}

/** The gates of one worker: starts them, reports how they end, and says why they are open. */
export class WorkerGates {
  readonly #context: WorkerContext;
  readonly #of: GatedWorker;
  readonly #gates: Gates;
  /** Of gates that were closed while they waited: a failure is explained after that. */
  #reasons: readonly GateReason[] = [];

  constructor(context: WorkerContext, of: GatedWorker) {
    this.#context = context;
    this.#of = of;
    const { prepared, readiness, notify, readyPipe, lane } = of;
    const { acquired } = prepared;
    const steered = acquired.listeners.filter((listener) => listener.steered).map(({ name }) => name);
    // Read on without a gate, too: a full pipe would block the process.
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

  /** The last failure of a gate that is open; null where none is known. */
  reasonOf(name: string): string | null {
    // Sockets of its own are why it accepts nothing from its descriptors.
    const known = this.#open().filter(({ gate }) => gate === name || (gate === null && name === 'accept'));
    return known.length === 0 ? null : known.map(({ reason }) => reason).join('; ');
  }

  close(): void {
    this.#gates.close();
  }

  /** Closes gates that may wait. Their reasons stay known. */
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

  /** A service that accepts, but not only from its descriptor, would get connections that nobody steers. */
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

  /** A process that exits closes its ready descriptor first. Its exit status, which follows, says more. */
  #failed(gate: string, reason: string): void {
    const { worker } = this.#of;
    if (this.#context.kernel.processStat(worker.pid)?.exiting ?? true) return;
    this.#context.post({ type: 'gate_failed', ...worker.key, gate, reason });
  }
}

/** Reads a pipe until its end, and keeps nothing of it. */
function readPast(kernel: Kernel, fd: number): void {
  kernel.readPipe(fd, { data: () => {}, end: () => {} }).unref();
}
