import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { fixture } from './paths.ts';
import type { Scope } from './temporary.ts';

/** Reads the command lines of all processes that start during the watch. */
export interface CommandLineWatcher {
  /** Ends the watch. Resolves to every observed command line, with a NUL after each argument. */
  stop(): Promise<readonly string[]>;
}

/** Resolves when the watch has begun. */
export async function watchCommandLines(scope: Scope): Promise<CommandLineWatcher> {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const thread = new Worker(fixture('command-line-watcher.js'), { workerData: flag });
  scope.after(async () => {
    await thread.terminate();
  });
  await once(thread, 'message');
  return {
    async stop() {
      const result = once(thread, 'message');
      Atomics.store(flag, 0, 1);
      const [seen] = await result;
      return seen;
    },
  };
}
