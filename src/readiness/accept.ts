import type { Timers } from '../common/clock.ts';
import { reasonOf } from '../common/errors.ts';
import { closeEach, inSlices, type Turns } from '../common/slices.ts';
import { type Gate, type GateCallbacks, once } from './gate.ts';
import type { ListenerProbe, OpenProbe } from './probes.ts';

/** `readiness.accept` of the config. */
export type AcceptConfig = 'auto' | boolean | readonly string[];

/** The listeners whose probes a worker must accept: the named ones, else every steered one. */
export function acceptListeners(accept: AcceptConfig, steered: readonly string[]): readonly string[] {
  if (accept === false) return [];
  return accept === 'auto' || accept === true ? steered : accept;
}

// A check costs tens of microseconds. A fast service is noticed at once, and a slow one costs little.
const FIRST_PAUSE = 5;
const MAX_PAUSE = 100;
const GROWTH = 1.3;

/**
 * Passes when the worker has accepted a connection on each of the listeners. A listening socket proves nothing: it
 * listens since before the worker was started, and the kernel completes handshakes on its own. Each probe stays open
 * until it is accepted, and sends no data. A thousand listeners are checked in slices.
 */
export function startAcceptGate(
  listeners: readonly string[],
  open: OpenProbe,
  { timers, turns }: { readonly timers: Timers; readonly turns: Turns },
  callbacks: GateCallbacks,
): Gate {
  const verdict = once(callbacks);
  const probes = new Map<string, ListenerProbe>();
  const waiting = new Set(listeners);
  let reason: string | null = null;
  let pause = FIRST_PAUSE;
  let timer: unknown = null;
  let work: { cancel(): void } | null = null;

  function* steps(): Generator<void, void, void> {
    let failed: string | null = null;
    // All are opened first: a fast service has accepted most of them by the first check.
    for (const listener of waiting) {
      if (probes.has(listener)) continue;
      failed = openProbe(listener, probes, open) ?? failed;
      yield;
    }
    for (const [listener, probe] of probes) {
      const miss = look(listener, probe, probes);
      if (miss === null) waiting.delete(listener);
      else reason = miss;
      yield;
    }
    reason = failed ?? reason;
  }

  const begin = (): void => {
    timer = null;
    work = inSlices(steps(), turns, (failure) => {
      work = null;
      if (failure !== null) throw failure.error;
      if (waiting.size === 0) {
        verdict.passed();
        return;
      }
      timer = timers.set(pause, begin);
      pause = Math.min(pause * GROWTH, MAX_PAUSE);
    });
  };
  timer = timers.set(0, begin);

  return {
    name: 'accept',
    lastReason: () => reason,
    close() {
      verdict.over();
      if (timer !== null) timers.clear(timer);
      timer = null;
      work?.cancel();
      const left = [...probes.values()];
      probes.clear();
      inSlices(closeEach(left), turns, (failure) => {
        if (failure !== null) throw failure.error;
      });
    },
  };
}

/** Returns null, or why there is no probe. */
function openProbe(listener: string, probes: Map<string, ListenerProbe>, open: OpenProbe): string | null {
  try {
    probes.set(listener, open(listener));
    return null;
  } catch (error) {
    return `listener ${listener}: ${reasonOf(error)}`;
  }
}

/** Returns null once the probe was accepted, else why not. */
function look(listener: string, probe: ListenerProbe, probes: Map<string, ListenerProbe>): string | null {
  try {
    const state = probe.accepted();
    if (state === 'waiting') return `has not accepted a test connection on listener ${listener}`;
    probe.close();
    probes.delete(listener);
    return state === 'accepted'
      ? null
      : `a test connection on listener ${listener} was dropped before it was accepted`;
  } catch (error) {
    return `listener ${listener}: ${reasonOf(error)}`;
  }
}
