import type { Timers } from '../common/clock.ts';
import { Sink } from '../writing/sink.ts';
import type { WriteTarget } from '../writing/target.ts';

export interface LogSinkOptions {
  readonly target: WriteTarget;
  readonly timers: Timers;
  /** Maximum bytes of waiting lines; 8 MiB by default. */
  readonly limit?: number | undefined;
  /** A write failed with this errno. Called once until a write succeeds again. */
  readonly onFailed: (code: string) => void;
  /** Makes the line that reports so many dropped lines. */
  readonly dropNotice: (lines: number) => string;
}

// Nothing signals that a full pipe or a stopped terminal has space again, or that a failed disk works again.
const FULL_PAUSE = 50;
const FAILURE_PAUSE = 1000;
// Unlike EIO, which a disk may return once.
const FINAL: readonly string[] = ['EPIPE', 'EBADF', 'ECONNRESET'];

/** The sink of a file or a descriptor that zero itself writes lines to. Dropped lines are reported in their place. */
export function openLogSink({ timers, limit, ...options }: LogSinkOptions): Sink {
  return new Sink({
    ...options,
    ...(limit !== undefined && { limit }),
    isFinal: (code) => FINAL.includes(code),
    delay: (code) => (code === 'EAGAIN' ? FULL_PAUSE : FAILURE_PAUSE),
    system: {
      after: (ms, callback) => {
        const timer = timers.set(ms, callback);
        return () => timers.clear(timer);
      },
    },
  });
}
