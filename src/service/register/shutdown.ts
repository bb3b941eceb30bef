/** Nobody can listen for these (signal(7)), and Node says EINVAL. */
const DEADLY = new Set(['SIGKILL', 'SIGSTOP']);

/**
 * On the first of these signals `stop` is called, and the process exits when it is done; where the program has a handler of its own, that
 * one decides when, and `stop` is told so.
 */
export function onShutdown(
  signals: readonly string[],
  stop: (signal: string, programStops: boolean) => Promise<void>,
): void {
  let stopping = false;
  for (const signal of signals.filter((name) => !DEADLY.has(name))) {
    // Before the program's own, which would close its servers as Node does.
    process.prependListener(signal as NodeJS.Signals, () => {
      if (stopping) return;
      stopping = true;
      const programStops = process.listenerCount(signal) > 1;
      void stop(signal, programStops).finally(() => {
        if (!programStops) process.exit();
      });
    });
  }
}

/** Nobody but `onShutdown` hears them: of a program that stops by itself nobody knows whether it finishes what it has. */
export function stopsAsAsked(signals: readonly string[]): boolean {
  return signals.every((signal) => process.listenerCount(signal) === 1);
}
