import type { Timers } from '../common/clock.ts';
import { reasonOf } from '../common/errors.ts';
import { type Gate, type GateCallbacks, once } from './gate.ts';
import type { ListenerProbe, OpenProbe } from './probes.ts';

/** `readiness.accept` of the config. */
export type AcceptConfig = 'auto' | boolean | readonly string[];

/** The listeners whose probes a worker must accept: those that are named, else every steered one. */
export function acceptListeners(accept: AcceptConfig, steered: readonly string[]): readonly string[] {
  if (accept === false) return [];
  return accept === 'auto' || accept === true ? steered : accept;
}

// A look costs tens of microseconds. A service that is quick is noticed at once, a slow one costs little.
const FIRST_PAUSE = 5;
const LONGEST_PAUSE = 100;
const GROWTH = 1.3;

/**
 * Passes when the worker has accepted a connection on each of the listeners. That it listens proves nothing: the socket listens since
 * before it was started, and the kernel completes handshakes by itself. Each probe stays open until it is accepted, and no byte is sent.
 */
export function startAcceptGate(
  listeners: readonly string[],
  open: OpenProbe,
  timers: Timers,
  callbacks: GateCallbacks,
): Gate {
  const verdict = once(callbacks);
  const probes = new Map<string, ListenerProbe>();
  const waiting = new Set(listeners);
  let reason: string | null = null;
  let pause = FIRST_PAUSE;
  let timer: unknown = null;

  const look = (): void => {
    timer = null;
    for (const listener of waiting) {
      const miss = attempt(listener, probes, open);
      if (miss === null) waiting.delete(listener);
      else reason = miss;
    }
    if (waiting.size === 0) {
      verdict.passed();
      return;
    }
    timer = timers.set(pause, look);
    pause = Math.min(pause * GROWTH, LONGEST_PAUSE);
  };
  timer = timers.set(0, look);

  return {
    name: 'accept',
    lastReason: () => reason,
    close() {
      verdict.over();
      if (timer !== null) timers.clear(timer);
      timer = null;
      for (const probe of probes.values()) probe.close();
      probes.clear();
    },
  };
}

/** Opens the listener's probe if there is none, and looks after it; null once it was accepted, else why not. */
function attempt(listener: string, probes: Map<string, ListenerProbe>, open: OpenProbe): string | null {
  try {
    const probe = probes.get(listener) ?? open(listener);
    probes.set(listener, probe);
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
