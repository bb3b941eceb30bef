import type { FactDocument } from '../../control/protocol.ts';
import { renderFact } from './progress.ts';
import { duration, safe, seconds } from './style.ts';

/** Larger numbers of workers are reported together. */
const FEW = 4;

type Fields = Readonly<Record<string, unknown>>;

/** A step in progress. */
interface Step {
  readonly text: string;
  /** When the step ends without a command; null if that is unknown. */
  readonly until: number | null;
}

const NOTHING: Step = { text: '', until: null };

/**
 * The progress of a handover for a user who waits: one line for each event, and the current step with its remaining
 * time.
 */
export class HandoverProgress {
  /** Started workers of each generation. */
  readonly #workers = new Map<unknown, number>();
  /** Number of workers that have reached a point, by generation and point. */
  readonly #reached = new Map<string, number>();
  #step: Step = NOTHING;
  /** The generation before the one that was promoted last, until it has been asked to stop. */
  #previous: unknown = null;

  /** The line to show for an event; null for none. */
  tell(fact: FactDocument, now: number): string | null {
    switch (fact.event) {
      case 'service_starting':
        if (typeof fact.workers === 'number') this.#workers.set(fact.generation, fact.workers);
        this.#step = { text: `generation ${shown(fact.generation)} starts`, until: null };
        return renderFact(fact);
      case 'worker_spawned':
        return this.#merge(fact, 'spawned', 'spawned');
      case 'gate_passed':
        return this.#merge(fact, `gate ${shown(fact.gate)}`, `passed gate ${shown(fact.gate)}`);
      case 'worker_ready':
        return this.#merge(fact, 'ready', 'ready');
      case 'handover_step':
        this.#step = stepOf(fact, now);
        return renderFact(fact);
      case 'generation_promoted':
        this.#previous = fact.previous;
        this.#step = NOTHING;
        return renderFact(fact);
      case 'handover_finished':
        this.#step = fact.outcome === 'promoted' ? untilAskedToStop(this.#previous) : NOTHING;
        return renderFact(fact);
      case 'worker_signalled':
        this.#askedToStop(fact.generation);
        return renderFact(fact);
      case 'handover_started':
      case 'generation_rolled_back':
        this.#step = NOTHING;
        return renderFact(fact);
      default:
        return renderFact(fact);
    }
  }

  /** The current step. */
  current(now: number): string {
    const { text, until } = this.#step;
    if (until === null) return text === '' ? '...' : `${text} ...`;
    // Rounded up, so that 0 is shown only after the end.
    return `${text}, ${seconds(until - now + 999)} left`;
  }

  #askedToStop(generation: unknown): void {
    if (generation !== this.#previous) return;
    this.#previous = null;
    this.#step = NOTHING;
  }

  /** Reports each worker if there are few of them, otherwise all together when the last one has reached the point. */
  #merge(fact: FactDocument, point: string, words: string): string | null {
    const workers = this.#workers.get(fact.generation) ?? 1;
    if (workers <= FEW) return renderFact(fact) ?? oneWorker(fact, words);
    const key = `${shown(fact.generation)} ${point}`;
    const count = (this.#reached.get(key) ?? 0) + 1;
    this.#reached.set(key, count);
    if (count !== workers) return null;
    return `all ${workers} workers of generation ${shown(fact.generation)} ${words}${after(fact)}`;
  }
}

function oneWorker(fact: FactDocument, words: string): string {
  return `worker ${shown(fact.worker)} of generation ${shown(fact.generation)} ${words}${after(fact)}`;
}

function after({ after_ms }: Fields): string {
  return typeof after_ms === 'number' ? ` after ${duration(after_ms)}` : '';
}

/** Until then zero can roll back to the old generation, so the result is not final. */
function untilAskedToStop(previous: unknown): Step {
  if (typeof previous !== 'number') return NOTHING;
  return { text: `waiting until generation ${previous} has been asked to stop`, until: null };
}

function stepOf({ step, percent, lasts_ms }: Fields, now: number): Step {
  const share = typeof percent === 'number' ? ` ${percent} %` : '';
  const text = `${shown(step)}${share}`;
  return { text, until: typeof lasts_ms === 'number' ? now + lasts_ms : null };
}

function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : typeof value === 'string' ? safe(value) : '?';
}
