import { errorText } from '../../common/errors.ts';
import type { Config } from '../../config/index.ts';
import { watchDirectories } from '../../linux/inotify.ts';
import type { Timers } from '../../readiness/index.ts';
import type { Watcher } from '../../watch/watcher.ts';
import { absolute } from '../../workers/spawning/release.ts';

export interface WatchContext {
  readonly timers: Timers;
  /** The directory where zero was started. */
  readonly startDirectory: string;
  readonly watching: (paths: readonly string[]) => void;
  /** Called when a deploy has arrived. */
  readonly changed: () => void;
  readonly warn: (message: string) => void;
}

/** Runs the watch that the config asks for. Without a watch, its modules are not loaded. */
export class ReleaseWatcher {
  readonly #context: WatchContext;
  #wanted = '';
  #watcher: Watcher | null = null;

  constructor(context: WatchContext) {
    this.#context = context;
  }

  async configure({ service }: Config): Promise<void> {
    const { watch, runtime } = service;
    const directory = absolute(runtime.directory, this.#context.startDirectory);
    const paths = watch?.paths.map((path) => absolute(path, directory));
    const wanted = JSON.stringify([paths, watch?.quiet]);
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.#watcher?.close();
    this.#watcher = null;
    if (!paths || !watch) return;
    const { Watcher } = await import('../../watch/watcher.ts');
    // Meanwhile the config may ask for another watch, or none.
    if (this.#wanted !== wanted) return;
    try {
      this.#watcher = new Watcher({
        ...this.#context,
        paths,
        quiet: watch.quiet,
        watchDirectories,
        watching: () => this.#context.watching(paths),
      });
    } catch (error) {
      this.#context.warn(`watch: ${errorText(error)}: zero does not notice deploys`);
    }
  }

  close(): void {
    this.#wanted = 'nothing';
    this.#watcher?.close();
    this.#watcher = null;
  }
}
