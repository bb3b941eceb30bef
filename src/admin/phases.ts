import type { Fact } from '../lifecycle/facts.ts';

/** What a handover goes through, and what comes after it. */
export const PHASES = ['resolving', 'waiting', 'starting', 'preview', 'canary', 'soak', 'retiring'] as const;

export type Phase = (typeof PHASES)[number];

/** How long one phase of a handover took. */
export interface Passed {
  readonly phase: Phase;
  readonly seconds: number;
}

/** Measures the phases of handovers, each when it is over. */
export class PhaseClock {
  #current: { phase: Phase; since: number } | null = null;

  /** The phase that is over with this fact. @param at monotonic milliseconds */
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

  /** All steps of a canary are one phase. */
  #enter(phase: Phase | undefined, at: number): Passed | null {
    // Nobody saw how it began: the endpoint was added meanwhile.
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
