import type { ReadinessConfig } from '../config/schema.ts';

/** One condition that a worker must meet before it counts as ready. */
export interface Gate {
  /** The name in `readiness.NAME` of the config: `accept`, `notify`, `ready_fd`, `http`, `tcp`, `command`. */
  readonly name: GateName;
  /** Why it has not passed yet, or null if unknown. For the report of a candidate that ran out of time. */
  lastReason(): string | null;
  /** Releases everything. No callback follows. */
  close(): void;
}

/** Every key of `service.readiness` but the time limit is a gate. */
export type GateName = Exclude<keyof ReadinessConfig, 'timeout'>;

/** Why a worker is not ready. `gate` null: the reason is the worker as a whole. */
export interface GateReason {
  readonly gate: GateName | null;
  readonly reason: string;
}

/** One of the two is called, at most once. A failed attempt that can be repeated calls neither. */
export interface GateCallbacks {
  passed(): void;
  failed(reason: string): void;
}

/** The same callbacks, but only the first call has an effect; after `over()` none has. */
export function once(callbacks: GateCallbacks): GateCallbacks & { over(): void; readonly isOver: boolean } {
  let isOver = false;
  const settle = (act: () => void): void => {
    if (isOver) return;
    isOver = true;
    act();
  };
  return {
    passed: () => settle(() => callbacks.passed()),
    failed: (reason) => settle(() => callbacks.failed(reason)),
    over: () => settle(() => {}),
    get isOver() {
      return isOver;
    },
  };
}
