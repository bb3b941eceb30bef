import type { Fact } from '../lifecycle/facts.ts';

/** The phases of a handover, and the phases after it. */
export const PHASES = ['resolving', 'waiting', 'starting', 'preview', 'canary', 'soak', 'retiring'] as const;

export type Phase = (typeof PHASES)[number];

/** The duration of one phase of a handover. */
export interface Passed {
  readonly phase: Phase;
  readonly seconds: number;
}

/** Measures the phases of handovers. Each phase is reported when it has ended. */
export class PhaseClock {
  #current: { phase: Phase; since: number } | null = null;

  /** The phase that ends with this fact. @param at monotonic milliseconds */
  take(fact: Fact, at: number): Passed | null {
    switch (fact.event) {
      case 'handover_started':
        this.#current = { phase: 'resolving', since: at };
        return null;
      case 'service_starting':
        return this.#enter('starting', at);
      case 'handover_step':
        return this.#enter(
          PHASES.find((phase) => phase === fact.step),
          at,
        );
      case 'handover_finished':
        return this.#leave(at);
      case 'generation_gone':
        return fact.retiredFor === null ? null : { phase: 'retiring', seconds: fact.retiredFor / 1000 };
      default:
        return null;
    }
  }

  /** All steps of a canary count as one phase. */
  #enter(phase: Phase | undefined, at: number): Passed | null {
    // The beginning was not seen, because the endpoint was added during the handover.
    if (this.#current === null || phase === undefined || phase === this.#current.phase) return null;
    const passed = this.#leave(at);
    this.#current = { phase, since: at };
    return passed;
  }

  #leave(at: number): Passed | null {
    const passed = this.#current && {
      phase: this.#current.phase,
      seconds: (at - this.#current.since) / 1000,
    };
    this.#current = null;
    return passed;
  }
}
