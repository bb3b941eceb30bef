import type { Timers } from '../common/clock.ts';

/** Sends metrics to one target. Never throws, never waits. */
export interface Transport {
  /** One metric with its newline. It may be dropped. */
  send(line: string): void;
  /** Resolves when the metrics are sent, or after this many milliseconds. */
  close(deadline: number): Promise<void>;
}

/** An open connection or file of the target. */
export interface Peer {
  send(line: string): void;
  close(): Promise<void>;
}

/**
 * Opens the peer. It may call `failed` at any time afterwards. With `gone` the peer is unusable. Otherwise the lines
 * still go to it, and it is opened again after the pause.
 */
export type OpenPeer = (failed: (error: unknown, gone: boolean) => void) => Promise<Peer>;

export interface TransportContext {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly timers: Timers;
  readonly failed: (error: unknown) => void;
}

// The first zero checks every ten seconds whether its transport has failed, and then creates a new one.
const RETRY_PAUSE = 10_000;
const QUEUE = 1000;

/**
 * A transport that opens its peer with the first line, and again after a failure, at the earliest ten seconds later.
 * Meanwhile up to 1,000 lines wait, and then the oldest are dropped. There is no timer: the next line triggers the
 * attempt.
 */
export function createTransport(open: OpenPeer, { now, timers, failed }: TransportContext): Transport {
  let peer: Peer | null = null;
  let opening: Promise<void> | null = null;
  let failedAt: number | null = null;
  let waiting: string[] = [];

  const fail = (error: unknown, gone: boolean): void => {
    failedAt ??= now();
    if (gone) peer = null;
    failed(error);
  };
  const start = async (): Promise<void> => {
    failedAt = null;
    try {
      peer = await open(fail);
      const lines = waiting;
      waiting = [];
      for (const line of lines) sendTo(peer, line);
    } catch (error) {
      fail(error, true);
    }
  };
  const sendTo = (target: Peer, line: string): void => {
    try {
      target.send(line);
    } catch (error) {
      fail(error, true);
    }
  };

  return {
    send(line) {
      const mayRetry = failedAt === null || now() - failedAt >= RETRY_PAUSE;
      if (peer !== null && failedAt !== null && mayRetry) {
        void peer.close();
        peer = null;
      }
      if (peer !== null) {
        sendTo(peer, line);
        return;
      }
      waiting.push(line);
      if (waiting.length > QUEUE) waiting.shift();
      if (opening !== null || !mayRetry) return;
      opening = start().finally(() => {
        opening = null;
      });
    },
    async close(deadline) {
      let timer: unknown = null;
      const late = new Promise<void>((resolve) => {
        timer = timers.set(deadline, resolve);
      });
      const done = (opening ?? Promise.resolve()).then(() => peer?.close());
      await Promise.race([done.catch(() => {}), late]);
      timers.clear(timer);
      peer = null;
    },
  };
}
