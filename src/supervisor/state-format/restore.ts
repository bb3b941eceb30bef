import type { Lane } from '../../lifecycle/lane.ts';
import { initialState, type State } from '../../lifecycle/state.ts';
import type { Steering } from '../../lifecycle/steering.ts';
import type { Unwritten } from '../../lifecycle/storage.ts';
import type { SavedState } from './read.ts';
import { generationOf } from './restore-generation.ts';
import { handoverOf, hookOf, owedOf, requestOf } from './restore-handover.ts';
import { failureOf, retryOf } from './restore-parts.ts';
import type { Document } from './version-2.ts';
import { orNull } from './write-parts.ts';

/**
 * The state that a document was written from: the inverse of `StateText`. The document omits every demand except the
 * steering, the retries of demands, the change of workers in progress, and the output of workers. They start as in a
 * new supervisor.
 */
export function stateOf(saved: SavedState): State {
  const { next_numbers, pending_request: pending, stop, write_failures, steering } = saved;
  const generations = saved.generations.map(generationOf);
  const isVerified = (candidate: number) =>
    !generations.find(({ id }) => id === candidate)?.settings.handover.verify;
  const first = initialState(saved.recorded_monotonic_ms, saved.first_generation, next_numbers.handover);
  // Earlier versions of zero gave a request its number when its handover began.
  const isUnnumbered = pending !== null && pending.handover === undefined;
  return {
    ...first,
    nextGeneration: next_numbers.generation,
    nextHandover: next_numbers.handover + (isUnnumbered ? 1 : 0),
    nextHook: next_numbers.hook,
    generations,
    incumbent: saved.incumbent,
    handover: orNull(saved.handover, (handover) => handoverOf(handover, isVerified)),
    pending: orNull(pending, (request) => requestOf(request, next_numbers.handover)),
    owed: saved.owed_verdicts.map(owedOf),
    hooks: saved.hooks.map(hookOf),
    notifications: (saved.notifications ?? []).map(hookOf),
    stop: orNull(stop, ({ since_monotonic_ms: since, sigkill_sent: now }) => ({ since, now })),
    lanes: saved.lanes.map(laneOf),
    handshakeTime: saved.handshake_ms,
    demands: { ...first.demands, steering: steeringOf(steering.wanted) },
    change: {
      number: steering.change,
      status: steering.status === 'requested' ? 'asked' : steering.status,
    },
    retries: steering.failed
      ? { steering: { retry: retryOf(steering.failed.retry), failure: failureOf(steering.failed.failure) } }
      : {},
    storage: {
      state: orNull(write_failures.state, unwrittenOf),
      history: orNull(write_failures.history, unwrittenOf),
    },
  };
}

function laneOf(lane: Document['lanes'][number]): Lane {
  const { connections_waiting: waiting } = lane;
  const state =
    lane.state === 'away' ? { name: lane.state, since: lane.since_monotonic_ms } : { name: lane.state };
  return { state, waiting, ...(lane.taken && { taken: true }) };
}

/** The destinations of new connections. */
export function steeringOf(wanted: Document['steering']['wanted']): Steering | null {
  return orNull(wanted, ({ main, canary, preview, preview_from }) => ({
    main: [...main],
    canary: orNull(canary, ({ percent, by, lanes }) => ({ percent, by, lanes: [...lanes] })),
    preview: orNull(preview, (lanes) => [...lanes]),
    previewFrom: [...preview_from],
  }));
}

function unwrittenOf(document: NonNullable<Document['write_failures']['state']>): Unwritten {
  const { failure, since_monotonic_ms: since, retry } = document;
  return { failure: failureOf(failure), since, retry: retryOf(retry) };
}
