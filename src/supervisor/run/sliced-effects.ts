import { inSlices, type Turns } from '../../common/slices.ts';
import type { Effect } from '../../lifecycle/effects.ts';
import { failureOf, stepOf } from './effect-failure.ts';
import type { Happening } from './engine.ts';

/** Effects that change every listener. */
export type SlicedEffect = Extract<Effect, { type: 'steer' | 'listen_again' }>;

interface Current {
  readonly effect: SlicedEffect;
  readonly work: { cancel(): void };
}

/**
 * Performs effects one listener after the other: at once for a few listeners, in slices for many. Answers `done` or
 * `failed` after the last listener. A newer effect of the same kind cancels the one in progress, which then fails
 * because some listeners lack it. The newer one changes all listeners again.
 */
export class SlicedEffects {
  readonly #turns: Turns;
  readonly #post: (happening: Happening) => void;
  readonly #current = new Map<string, Current>();

  constructor(turns: Turns, post: (happening: Happening) => void) {
    this.#turns = turns;
    this.#post = post;
  }

  /** @param steps one step per listener */
  perform(effect: SlicedEffect, steps: Iterator<unknown>): void {
    const kind = kindOf(effect);
    const before = this.#current.get(kind);
    if (before !== undefined) {
      before.work.cancel();
      this.#current.delete(kind);
      const reason = 'a newer change has replaced it';
      this.#post({ type: 'failed', effect: before.effect, failure: { step: stepOf(before.effect), reason } });
    }
    let isOver = false;
    const work = inSlices(steps, this.#turns, (failure) => {
      isOver = true;
      this.#current.delete(kind);
      if (failure === null) this.#post({ type: 'done', effect });
      else this.#post({ type: 'failed', effect, failure: failureOf(effect, failure.error) });
    });
    if (!isOver) this.#current.set(kind, { effect, work });
  }

  /** Cancels effects in progress, without an answer. */
  close(): void {
    for (const { work } of this.#current.values()) work.cancel();
    this.#current.clear();
  }
}

function kindOf(effect: SlicedEffect): string {
  return effect.type === 'steer' ? effect.type : `${effect.type} ${effect.generation}`;
}
