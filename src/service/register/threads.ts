import { BroadcastChannel, threadId } from 'node:worker_threads';
import { within } from './cluster-messages.ts';
import { Servers } from './servers.ts';
import type { Limits, Specification } from './specification.ts';

/** Between the main thread, which receives the signals, and the threads with servers. */
type Message =
  | { readonly type: 'taken'; readonly thread: number }
  | { readonly type: 'listening'; readonly fd: number }
  | { readonly type: 'drain'; readonly limits: Limits }
  | { readonly type: 'drained'; readonly thread: number };

const CHANNEL = 'zerodown/register';

/** Time for the answers of threads after their limit has expired, in ms. */
const GRACE = 500;

function open(receive: (message: Message) => void): { post(message: Message): void } {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = (event: unknown) => receive((event as { readonly data: Message }).data);
  // The channel must not keep the process alive.
  channel.unref();
  return { post: (message) => channel.postMessage(message) };
}

export interface ThreadsOptions {
  readonly onTaken: () => void;
  readonly onListening: (fd: number) => void;
}

/** The main thread's side. */
export class Threads {
  readonly #channel: ReturnType<typeof open>;
  readonly #serving = new Set<number>();
  #whenDrained = () => {};

  constructor({ onTaken, onListening }: ThreadsOptions) {
    this.#channel = open((message) => {
      if (message.type === 'taken') {
        this.#serving.add(message.thread);
        onTaken();
      } else if (message.type === 'listening') {
        onListening(message.fd);
      } else if (message.type === 'drained') {
        this.#serving.delete(message.thread);
        if (this.#serving.size === 0) this.#whenDrained();
      }
    });
  }

  /**
   * Resolves when every thread has finished the connections of its servers, or the time has expired: a thread may have
   * ended without an answer.
   */
  async drain(limits: Limits): Promise<void> {
    if (this.#serving.size === 0) return;
    const drained = new Promise<void>((resolve) => {
      this.#whenDrained = resolve;
    });
    this.#channel.post({ type: 'drain', limits });
    await within(limits.timeoutMs + GRACE, drained);
  }
}

/** A worker thread's side. */
function reachMainThread(drain: (limits: Limits) => Promise<void>): ThreadsOptions {
  const channel = open((message) => {
    if (message.type !== 'drain') return;
    void drain(message.limits).finally(() => channel.post({ type: 'drained', thread: threadId }));
  });
  return {
    onTaken: () => channel.post({ type: 'taken', thread: threadId }),
    onListening: (fd) => channel.post({ type: 'listening', fd }),
  };
}

/** Prepares a worker thread. It receives no signals, so the main thread asks it to drain. */
export function lookAfterThread({ claims }: Specification): void {
  const main = reachMainThread((limits) => servers.drain(limits));
  const servers = new Servers({ claims, ...main });
  servers.takePart();
}
