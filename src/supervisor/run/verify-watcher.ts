import type { Listeners } from '../../listeners/listeners.ts';
import { type RunCommand, startVerify, type Timers } from '../../readiness/index.ts';
import type { Happening } from './engine.ts';
import type { Generations } from './generations.ts';
import type { Prepared } from './prepare.ts';

export interface VerifyContext {
  readonly generations: Generations;
  readonly listeners: Listeners;
  readonly timers: Timers;
  readonly runCommand: (prepared: Prepared) => RunCommand;
  readonly post: (happening: Happening) => void;
}

/** Runs `verify` of one generation, through its own lane if the check names a listener. */
export class VerifyWatcher {
  readonly #context: VerifyContext;
  #running: { readonly generation: number; close(): void } | null = null;

  constructor(context: VerifyContext) {
    this.#context = context;
  }

  /** Checks this generation from now on; null for none. */
  keep(generation: number | null): void {
    if (this.#running?.generation === generation) return;
    this.#running?.close();
    this.#running = null;
    this.#running = generation === null ? null : this.#start(generation);
  }

  #start(generation: number): { readonly generation: number; close(): void } | null {
    const { generations, listeners, timers, runCommand, post } = this.#context;
    const prepared = generations.prepared(generation);
    const verify = prepared?.config.service.handover.verify;
    if (!prepared || !verify) return null;
    const workers = () =>
      generations
        .processes()
        .filter(({ key, post: { rescue } }) => key.generation === generation && !rescue)
        .map(({ key, post: { lane } }) => ({
          worker: key.worker,
          openProbe: (listener: string) => listeners.openProbe(prepared.acquired, listener, lane),
        }));
    const running = startVerify(verify, {
      workers,
      runCommand: runCommand(prepared),
      timers,
      checked: (passed) => post({ type: 'verify_checked', generation, passed }),
      failed: (reason) => post({ type: 'verify_failed', generation, reason }),
    });
    return { generation, close: () => running.close() };
  }
}
