import { setImmediate as turn } from 'node:timers/promises';
import type {
  Accepted,
  Answer,
  Awaited,
  Control,
  ReloadOptions,
  RollbackOptions,
  ScaleOptions,
  Signalled,
  UpgradeAnswer,
  UpgradeOptions,
} from '../../../src/control/control.ts';
import { EventLog } from '../../../src/control/event-log.ts';
import type { HistoryDocument, StatusDocument } from '../../../src/control/protocol.ts';
import type { Views, WorkerUsage } from '../../../src/control/views.ts';
import type { Fact } from '../../../src/lifecycle/facts.ts';
import type { ScaleResult } from '../../../src/lifecycle/scale.ts';
import type { Verdict } from '../../../src/lifecycle/verdicts.ts';
import { OutputLog } from '../../../src/workers/output/output-log.ts';

/** A supervisor with one generation. */
export const STATUS: StatusDocument = {
  version: 1,
  name: 'example',
  pid: 4242,
  uptime_ms: 61_000,
  zero: '1.2.3',
  mode: 'running',
  incumbent: 3,
  handover: null,
  pending: false,
  generations: [
    {
      id: 3,
      stage: 'serving',
      release: { path: '/usr/bin/example', directory: '/etc/example' },
      since_ms_ago: 60_000,
      workers: [
        {
          worker: 0,
          pid: 4300,
          state: 'up',
          uptime_ms: 60_000,
          ready: true,
          waiting: [],
          lane: 0,
          restarts: 0,
        },
      ],
    },
  ],
  listeners: [{ name: 'http', address: '127.0.0.1:8080', steered: true, queue: 0, lanes: 4 }],
  steering: { main: [0], canary: null, preview: null },
  retiring: [],
};

export const PROMOTED: Verdict = {
  outcome: 'promoted',
  handover: 2,
  generation: 4,
  incumbent: 4,
  label: null,
  down: null,
  duration: 1500,
  failure: null,
};

/** The observable data of the supervisor. */
export class FakeViews implements Views {
  readonly events = new EventLog(() => 0);
  readonly output = new OutputLog();
  file: string | null = null;
  counts = new Map<number, number | null>([[3, 17]]);

  async connections(): Promise<ReadonlyMap<number, number | null>> {
    return this.counts;
  }

  outputFile(): string | null {
    return this.file;
  }

  /** null: it cannot be read. */
  used: readonly WorkerUsage[] | null = null;

  async usage(): Promise<readonly WorkerUsage[]> {
    if (this.used === null) throw new Error('EACCES: permission denied, scandir /proc');
    return this.used;
  }
}

/** Two releases and a failed one. */
export const HISTORY: HistoryDocument = {
  version: 1,
  generations: [
    {
      generation: 1,
      at: '2026-11-24T08:00:00.000Z',
      serving: false,
      rollback_to: null,
      outcome: 'promoted',
      failure: null,
      duration_ms: 1234,
      served_ms: 7_200_000,
      release: {
        path: '/srv/app/releases/41/server',
        args: ['--fast'],
        directory: '/srv',
        sha256: 'ab'.repeat(32),
      },
      rollback: { from: 'copy', reason: null },
    },
    {
      generation: 2,
      at: '2026-11-24T10:00:00.000Z',
      serving: true,
      rollback_to: null,
      outcome: 'promoted',
      failure: null,
      duration_ms: 2000,
      served_ms: 60_000,
      release: { path: '/srv/app/releases/42/server', args: ['--fast'], directory: '/srv', sha256: null },
      rollback: { from: 'file', reason: null },
    },
    {
      generation: 3,
      at: '2026-11-24T10:00:30.000Z',
      serving: false,
      rollback_to: 1,
      outcome: 'rolled_back',
      failure: { step: 'readiness.http', reason: 'GET /healthz returned 503\u001b[2J' },
      duration_ms: 5000,
      served_ms: null,
      release: null,
      rollback: { from: null, reason: 'it was rolled back: GET /healthz returned 503' },
    },
  ],
};

/** Does nothing until the test requires it, and records its requests. */
export class FakeControl implements Control {
  document: StatusDocument = STATUS;
  answer: Answer = { ok: true };
  /** Throws instead of answering. */
  broken = false;
  /** A killed supervisor is restarted. */
  isRestarted = false;
  readonly calls: string[] = [];
  /** The number of status requests. */
  asked = 0;
  readonly reloads: { options: ReloadOptions; verdict: (verdict: Verdict) => void }[] = [];
  readonly rollbacks: { options: RollbackOptions; verdict: (verdict: Verdict) => void }[] = [];
  readonly scales: { options: ScaleOptions; result: (result: ScaleResult) => void }[] = [];
  readonly upgrades: { options: UpgradeOptions; answer: (answer: UpgradeAnswer) => void }[] = [];
  readonly waits: { handover: number | null; verdict: (verdict: Verdict) => void }[] = [];
  /** Called by reload and rollback before they return. */
  onReload: () => void = () => {};
  readonly #listeners = new Set<(fact: Fact) => void>();
  #waiting: (() => void)[] = [];

  status(): StatusDocument {
    this.asked += 1;
    this.#changed();
    if (this.broken) throw new Error('status is broken');
    return this.document;
  }

  restarts(): boolean {
    return this.isRestarted;
  }

  reload(options: ReloadOptions, verdict: (verdict: Verdict) => void): Accepted {
    this.reloads.push({ options, verdict });
    this.onReload();
    this.#note('reload');
    return { ticket: `t${this.reloads.length}`, handover: this.reloads.length + 1 };
  }

  rollback(options: RollbackOptions, verdict: (verdict: Verdict) => void): Accepted {
    this.rollbacks.push({ options, verdict });
    this.onReload();
    this.#note('rollback');
    return { ticket: `t${this.rollbacks.length}`, handover: this.rollbacks.length + 1 };
  }

  wait(handover: number | null, verdict: (verdict: Verdict) => void): Awaited | { readonly refusal: string } {
    if (handover !== null && handover > 2)
      return { refusal: `unknown handover ${handover}: known handovers are 1 to 2` };
    this.waits.push({ handover, verdict });
    this.#note('wait');
    return { handover: handover ?? 2, cancel: () => this.#note('cancel') };
  }

  scale(options: ScaleOptions, result: (result: ScaleResult) => void): { ticket: string } {
    this.scales.push({ options, result });
    this.#note('scale');
    return { ticket: `t${this.scales.length}` };
  }

  async history(): Promise<HistoryDocument> {
    return HISTORY;
  }

  async promote(): Promise<Answer> {
    this.#note('promote');
    return this.answer;
  }

  async abort(): Promise<Answer> {
    this.#note('abort');
    return this.answer;
  }

  stop(now: boolean): void {
    this.#note(now ? 'stop now' : 'stop');
  }

  upgrade(options: UpgradeOptions, answer: (answer: UpgradeAnswer) => void): void {
    this.upgrades.push({ options, answer });
    this.#note('upgrade');
  }

  signal(signal: string): Signalled {
    this.#note(`signal ${signal}`);
    return { generation: 3, workers: [{ worker: 0, pid: 4300 }] };
  }

  onFact(listener: (fact: Fact) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      this.#changed();
    };
  }

  report(fact: Fact): void {
    for (const listener of this.#listeners) listener(fact);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** Resolves when `condition` holds, which is checked after each change here. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    // Node sends the beginning of a response on the next tick.
    await turn();
  }

  #note(call: string): void {
    this.calls.push(call);
    this.#changed();
  }

  #changed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
