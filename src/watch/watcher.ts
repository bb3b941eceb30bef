import { join } from 'node:path';
import type { Timers } from '../common/clock.ts';
import { errorCode } from '../common/errors.ts';
import type { DirectoryEvent, DirectoryWatches } from '../linux/inotify.ts';
import { type Place, type Survey, survey } from './survey.ts';

export interface WatcherOptions {
  /** Absolute paths. */
  readonly paths: readonly string[];
  /** Milliseconds without a change after which the files count as complete. */
  readonly quiet: number;
  readonly watchDirectories: (happened: (events: readonly DirectoryEvent[]) => void) => DirectoryWatches;
  readonly timers: Timers;
  /** Called when changes are detected from now on. */
  readonly watching: () => void;
  /** Called when the files differ from the last deploy. */
  readonly changed: () => void;
  readonly warn: (message: string) => void;
}

/**
 * Waits for deploys. An event only triggers a survey, after a quiet period. The survey is compared with the previous
 * one. A file that is written, replaced by a rename, or reached through another symlink is therefore one change,
 * regardless of the number of events. Restored files are no change.
 */
export class Watcher {
  readonly #options: WatcherOptions;
  readonly #directories: DirectoryWatches;
  readonly #watches = new Map<string, { readonly number: number; readonly place: Place }>();
  readonly #paths = new Map<number, string>();
  /** Files with an unfinished write: written to, and not closed since. */
  readonly #open = new Set<string>();
  readonly #warned = new Set<string>();
  #deployed: string | null = null;
  #timer: unknown = null;
  #looking = false;
  /** An event arrived during a survey. */
  #again = false;
  #closed = false;

  /** Throws SystemError if no watch can be created. */
  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#directories = options.watchDirectories((events) => this.#happened(events));
    void this.#look();
  }

  close(): void {
    this.#closed = true;
    this.#options.timers.clear(this.#timer);
    this.#directories.close();
  }

  #happened(events: readonly DirectoryEvent[]): void {
    // Not some(): every event must be noted.
    const wanted = events.filter((event) => this.#isWanted(event));
    if (wanted.length === 0) return;
    if (this.#looking) this.#again = true;
    else this.#lookWhenQuiet();
  }

  #isWanted({ watch, name, what }: DirectoryEvent): boolean {
    const directory = this.#paths.get(watch);
    if (directory === undefined) {
      // Events were lost: any open file may be closed now.
      if (watch === -1) this.#open.clear();
      return watch === -1;
    }
    if (name === '') {
      // The directory was replaced or removed. The next survey watches it again.
      if (what === 'gone') this.#forget(directory);
      return true;
    }
    const names = this.#watches.get(directory)?.place.names ?? null;
    if (names !== null && !names.has(name)) return false;
    const file = join(directory, name);
    if (what === 'written') this.#open.add(file);
    else if (what !== 'changed') this.#open.delete(file);
    return true;
  }

  #lookWhenQuiet(): void {
    const { timers, quiet } = this.#options;
    timers.clear(this.#timer);
    this.#timer = timers.set(quiet, () => void this.#look());
  }

  async #look(): Promise<void> {
    this.#looking = true;
    this.#again = false;
    const found = await survey(this.#options.paths);
    this.#looking = false;
    if (this.#closed) return;
    const news = this.#watchAll(found.places);
    for (const directory of found.unreadable) this.#warn(`watch: ${directory}`);
    if (this.#deployed === null) {
      // The initial files are those of the running release.
      this.#deployed = found.fingerprint;
      this.#options.watching();
    }
    // Newly watched files may have changed before their watch began.
    if (news || this.#again) this.#lookWhenQuiet();
    else this.#judge(found);
  }

  #judge({ fingerprint, missing }: Survey): void {
    const [absent] = missing;
    const [open] = this.#open;
    if (absent !== undefined) this.#warn(`watch: ${absent} does not exist: waiting for it`);
    // The end of the write causes an event.
    else if (open !== undefined) this.#warn(`watch: ${open} is being written to: waiting until it is closed`);
    else if (fingerprint !== this.#deployed) {
      this.#warned.clear();
      this.#deployed = fingerprint;
      this.#options.changed();
    }
  }

  /** Watches exactly these places. Returns true if one of them is new. */
  #watchAll(places: ReadonlyMap<string, Place>): boolean {
    for (const directory of [...this.#watches.keys()]) if (!places.has(directory)) this.#forget(directory);
    let news = false;
    for (const [directory, place] of places) {
      const known = this.#watches.get(directory);
      if (known?.place.content !== place.content) news = this.#watch(directory, place) || news;
      else this.#watches.set(directory, { ...known, place });
    }
    return news;
  }

  #watch(directory: string, place: Place): boolean {
    try {
      const number = this.#directories.add(directory, place.content);
      this.#watches.set(directory, { number, place });
      this.#paths.set(number, directory);
      return true;
    } catch (error) {
      const code = errorCode(error);
      const advice = code === 'ENOSPC' ? ': raise fs.inotify.max_user_watches' : '';
      if (code !== 'ENOENT' && code !== 'ENOTDIR') this.#warn(`watch: ${String(error)}${advice}`);
      return false;
    }
  }

  #forget(directory: string): void {
    const known = this.#watches.get(directory);
    if (!known) return;
    this.#watches.delete(directory);
    this.#paths.delete(known.number);
    this.#directories.remove(known.number);
    for (const file of [...this.#open]) if (file.startsWith(`${directory}/`)) this.#open.delete(file);
  }

  /** Warns once per message until the next deploy. */
  #warn(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.#options.warn(message);
  }
}
