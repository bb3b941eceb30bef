import type { LivenessWatch } from '../../lifecycle/events.ts';
import type { Listeners } from '../../listeners/listeners.ts';
import { type Liveness, type RunCommand, startLiveness, type Timers } from '../../readiness/index.ts';
import type { Happening } from './engine.ts';
import type { Generations } from './generations.ts';
import type { Prepared } from './prepare.ts';

export interface LivenessWatcherContext {
  readonly generations: Generations;
  readonly listeners: Listeners;
  readonly timers: Timers;
  readonly now: () => number;
  readonly runCommand: (prepared: Prepared) => RunCommand;
  readonly post: (happening: Happening) => void;
}

/** Checks the liveness of the workers that the core names, each through its own lane. */
export class LivenessWatcher {
  readonly #context: LivenessWatcherContext;
  #keys: readonly LivenessWatch[] = [];
  #running: { readonly generation: number; readonly check: Liveness } | null = null;

  constructor(context: LivenessWatcherContext) {
    this.#context = context;
  }

  /** Checks exactly these workers from now on, all of one generation. */
  keep(workers: readonly LivenessWatch[]): void {
    this.#keys = workers;
    const generation = workers[0]?.generation;
    if (this.#running !== null && this.#running.generation === generation) {
      this.#running.check.sync();
      return;
    }
    this.#running?.check.close();
    this.#running = generation === undefined ? null : this.#start(generation);
  }

  #start(generation: number): { readonly generation: number; readonly check: Liveness } | null {
    const { generations, listeners, timers, now, runCommand, post } = this.#context;
    const prepared = generations.prepared(generation);
    const config = prepared?.config.service.liveness;
    if (!prepared || !config) return null;
    const workers = () =>
      this.#keys.flatMap((key) => {
        const process = generations.find(key);
        if (!process) return [];
        const { pid, watchdog, post: place } = process;
        const { worker, incarnation, rescued } = key;
        return [
          {
            worker,
            incarnation,
            rescued,
            openProbe: (listener: string) => listeners.openProbe(prepared.acquired, listener, place.lane),
            variables: {
              ZERO_GENERATION: String(generation),
              ZERO_WORKER: String(worker),
              ZERO_PID: String(pid),
            },
            watchdog,
          },
        ];
      });
    const check = startLiveness(config, {
      workers,
      runCommand: runCommand(prepared),
      timers,
      now,
      ended: (round) => post({ type: 'liveness', generation, ...round }),
    });
    return { generation, check };
  }
}
