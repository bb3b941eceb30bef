import type { Health } from '../lifecycle/service-state.ts';
import { type ExitDocument, exitDocument } from './parts.ts';

/** The last unexpected exit of a worker. */
export interface LastExitDocument {
  /** Null: the worker could not be started. */
  readonly exit: ExitDocument | null;
  readonly reason: string;
  readonly ms_ago: number;
}

/** Whether the service is up, as all views show it. */
export interface ServiceDocument {
  /** `starting`, `up`, `degraded`, `down`, `stopping`. */
  readonly state: Health['state'];
  /** The same in words, without times. */
  readonly summary: string;
  /** The generation in charge. Null if there is none. */
  readonly generation: number | null;
  readonly workers: number;
  /** Number of workers that serve. */
  readonly workers_serving: number;
  /** The newest exit of the workers that do not serve. */
  readonly last_exit: (LastExitDocument & { readonly worker: number }) | null;
  /** Milliseconds until the next worker starts. 0: one is being started. Null: none will be. */
  readonly retry_in_ms: number | null;
}

/** @param now milliseconds of the clock that the health uses */
export function serviceDocument(health: Health, now: number): ServiceDocument {
  const { state, generation, workers, serving, lastExit, nextStart } = health;
  const untilStart = nextStart === null ? null : Math.max(0, Math.round(nextStart - now));
  return {
    state,
    summary: summaryOf(health, untilStart),
    generation,
    workers,
    workers_serving: serving,
    last_exit: lastExit && { worker: lastExit.worker, ...lastExitDocument(lastExit, now) },
    retry_in_ms: state === 'up' || state === 'stopping' ? null : untilStart,
  };
}

export function lastExitDocument(
  { exit, reason, at }: Omit<NonNullable<Health['lastExit']>, 'worker'>,
  now: number,
): LastExitDocument {
  return { exit: exit && exitDocument(exit), reason, ms_ago: Math.max(0, Math.round(now - at)) };
}

function summaryOf(
  { state, generation, serving, workers, hung, rescued }: Health,
  untilStart: number | null,
): string {
  if (state === 'stopping') return 'zero is stopping';
  if (generation === null) return 'nothing serves: no generation has been started';
  const name = `generation ${generation}`;
  switch (state) {
    case 'up':
      return `${name} serves`;
    case 'degraded':
      return rescued
        ? `${serving} of ${workers} workers of ${name} serve, and a rescue worker serves in their place`
        : `${serving} of ${workers} workers of ${name} serve`;
    case 'starting':
      return `${name} does not serve yet: it is starting`;
    case 'down':
      return `nothing serves: ${name} ${nextOf(hung, untilStart)}`;
  }
}

function nextOf(hung: number, untilStart: number | null): string {
  if (untilStart === null) return hung > 0 ? 'is hung' : 'is not started again';
  return untilStart === 0 ? 'is being started again' : 'waits for its next start';
}
