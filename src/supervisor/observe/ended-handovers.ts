import type { Verdict } from '../../lifecycle/verdicts.ts';

/** Older verdicts come from the history, without the output of the candidate. */
const KEPT = 50;

/** The verdicts of the last handovers, and of requests that never became a handover. */
export class EndedHandovers {
  readonly #verdicts = new Map<number, Verdict>();

  add(handover: number, verdict: Verdict): void {
    this.#verdicts.set(handover, verdict);
    const [oldest] = this.#verdicts.keys();
    if (this.#verdicts.size > KEPT && oldest !== undefined) this.#verdicts.delete(oldest);
  }

  find(handover: number): Verdict | undefined {
    return this.#verdicts.get(handover);
  }

  numbers(): number[] {
    return [...this.#verdicts.keys()];
  }

  /** The number of the handover that ended last. */
  last(): number | undefined {
    return this.numbers().at(-1);
  }
}
