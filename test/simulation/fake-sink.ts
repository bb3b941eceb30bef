import { Sink } from '../../src/writing/sink.ts';

/** A sink for output without a reader. */
export function nowhere(): Sink {
  return new Sink({ fd: -1, system: { open: () => NOWHERE, after: () => () => {} } });
}

const NOWHERE = {
  write: (bytes: Buffer, done: (error: null, written: number) => void) =>
    queueMicrotask(() => done(null, bytes.length)),
  close: () => {},
};
