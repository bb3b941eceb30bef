import { inSlices, type Turns } from '../../common/slices.ts';
import type { Effect } from '../../lifecycle/effects.ts';
import { failureOf, stepOf } from './effect-failure.ts';
import type { Happening } from './engine.ts';

/** Effects on every listener. */
export type SlicedEffect = Extract<Effect, { type: 'steer' | 'listen_again' }>;

interface Current {
  readonly effect: SlicedEffect;
  readonly work: { cancel(): void };
}

/**
 * Performs effects one listener after the other: at once for a few listeners, in slices for many. The answer `done` or
 * `failed` comes when the last listener is done. A newer effect of the same kind ends one that is in progress, which has
 * failed then: not every listener has it. The newer one changes all of them again.
 */
export class SlicedEffects {
  readonly #turns: Turns;
  readonly #post: (happening: Happening) => void;
  readonly #current = new Map<string, Current>();

  constructor(turns: Turns, post: (happening: Happening) => void) {
    this.#turns = turns;
    this.#post = post;
  }

  /** @param steps each is one listener */
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

  /** Ends what is in progress, without an answer. */
  close(): void {
    for (const { work } of this.#current.values()) work.cancel();
    this.#current.clear();
  }
}

function kindOf(effect: SlicedEffect): string {
  return effect.type === 'steer' ? effect.type : `${effect.type} ${effect.generation}`;
}
