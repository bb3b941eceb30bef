import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Scope } from '../../test/support/temporary.ts';
import type { LoadOptions, Order, Taken } from './protocol.ts';

export interface Load {
  readonly pid: number;
  /** Continues with other options, or with another server. Requests in progress are answered first. */
  change(options: LoadOptions): void;
  /** The results since the last call. */
  take(): Promise<Taken>;
  stop(): Promise<void>;
}

/** Starts clients in their own process. */
export function startLoad(scope: Scope, options: LoadOptions): Load {
  // The compiled file is in the same folder as this one.
  const child = fork(fileURLToPath(new URL('./client.js', import.meta.url)), { serialization: 'advanced' });
  scope.after(() => void child.kill('SIGKILL'));
  const send = (order: Order): void => void child.send(order);
  send({ type: 'start', options });
  if (child.pid === undefined) throw new Error('the load did not start');
  return {
    pid: child.pid,
    change: (next) => send({ type: 'start', options: next }),
    async take() {
      const answer = once(child, 'message');
      send({ type: 'take' });
      const [taken] = (await answer) as [Taken];
      return taken;
    },
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
