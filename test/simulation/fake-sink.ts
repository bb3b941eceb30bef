import { Sink } from '../../src/workers/output/sink.ts';

/** Where output goes that nobody reads. */
export function nowhere(): Sink {
  return new Sink({ fd: -1, system: { open: () => NOWHERE, after: () => () => {} } });
}

const NOWHERE = {
  write: (bytes: Buffer, done: (error: null, written: number) => void) =>
    queueMicrotask(() => done(null, bytes.length)),
  close: () => {},
};
