import type { FailureDocument } from '../../control/documents.ts';
import type { DashboardEvents } from './source.ts';

/** Events that change the history. */
const HISTORIC =
  /"event":"(?:handover_finished|generation_promoted|generation_rolled_back|release_labelled)"/;

/** A handover that ended without a promotion, with the last output of its candidate. */
export interface FailedHandover {
  readonly handover: number | null;
  readonly generation: number | null;
  readonly failure: FailureDocument;
}

/** Reads the new events, to find out whether the history must be read again and how the last handover failed. */
export class Journal {
  readonly #events: DashboardEvents;
  #epoch: string | null = null;
  #place = 0;
  #failure: FailedHandover | null = null;

  constructor(events: DashboardEvents) {
    this.#events = events;
  }

  /** How the last handover failed; null: it did not fail, or the reason is unknown. */
  get failure(): FailedHandover | null {
    return this.#failure;
  }

  /** True if the history has changed since the last call. */
  look(): boolean {
    const { epoch } = this.#events;
    const isNew = epoch !== this.#epoch;
    if (isNew) this.#place = 0;
    this.#epoch = epoch;
    let isChanged = isNew;
    for (const { number, text } of this.#events.after(this.#place, Number.POSITIVE_INFINITY)) {
      this.#place = number;
      if (!HISTORIC.test(text)) continue;
      isChanged = true;
      this.#take(JSON.parse(text));
    }
    return isChanged;
  }

  /** Makes the next call of `look` report a change. */
  forget(): void {
    this.#epoch = null;
  }

  #take(event: Record<string, unknown>): void {
    const { event: name } = event;
    if (name !== 'handover_finished' && name !== 'generation_rolled_back') return;
    const numbers = { handover: numberOf(event.handover), generation: numberOf(event.generation) };
    // A failure after the promotion belongs to the handover that was promoted.
    if (name === 'generation_rolled_back') numbers.handover = null;
    const failure = failureOf(event.failure);
    this.#failure = failure && { ...numbers, failure };
  }
}

/** The shown parts of a failure; null if there is none. Events of another user's supervisor can have any content. */
function failureOf(value: unknown): FailureDocument | null {
  if (typeof value !== 'object' || value === null) return null;
  const { step, reason, output }: { step?: unknown; reason?: unknown; output?: unknown } = value;
  if (typeof step !== 'string' || typeof reason !== 'string') return null;
  const lines: readonly unknown[] = Array.isArray(output) ? output : [];
  return { step, reason, output: lines.filter((line) => typeof line === 'string') };
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
