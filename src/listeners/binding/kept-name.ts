import { linkSync, lstatSync } from 'node:fs';
import { errorCode, errorText } from '../../common/errors.ts';
import type { ListenerConfig } from '../../config/schema.ts';
import { isFile } from '../../linux/bound-file.ts';
import type { OwnSockets } from '../diagnosis/holders.ts';
import type { LaneFault } from '../lanes/lanes.ts';
import { ListenerError, nameAddress } from '../listener-error.ts';
import { clearStalePath } from './stale-path.ts';
import type { UnixFile } from './unix-file.ts';
import { laneNames, removeNames, restoreNames } from './unix-name.ts';
import { type NameWatch, watchNames } from './unix-name-watch.ts';

interface KeptNameOptions {
  readonly own: OwnSockets;
  readonly warn: (message: string) => void;
  /** Called when `faults` has something to return. */
  readonly onFault: () => void;
}

/**
 * Keeps the path of a shared Unix listener. Some programs remove the path of a socket when they exit, although the next
 * generation accepts from the same socket. zero keeps the file with a hard link and links the path to the file again.
 * If the path leads to another file, zero reports this and changes nothing: a service that replaced the socket by its
 * own accepts only from that one.
 */
export class KeptName {
  readonly #config: ListenerConfig;
  readonly #file: UnixFile;
  /** The hard link. Null where the file system supports none. */
  readonly #kept: string | null;
  readonly #watch: NameWatch | null;
  #faults: LaneFault[] = [];
  /** The state of the path at the last check. */
  #state: 'there' | 'replaced' | 'lost' = 'there';

  /** Throws ListenerError if another process holds a socket at the path of the hard link. */
  constructor(config: ListenerConfig, file: UnixFile, { own, warn, onFault }: KeptNameOptions) {
    this.#config = config;
    this.#file = file;
    const { kept } = laneNames(file.path, 0);
    // An earlier supervisor may have created it.
    const isThere = isFile(kept, file);
    if (!isThere) clearStalePath(config, kept, own);
    this.#kept = isThere ? kept : this.#link(kept, warn);
    this.#watch = watchNames(file.path, () => {
      try {
        this.#look();
      } catch (error) {
        warn(errorText(error));
      }
      if (this.#faults.length > 0) onFault();
    });
  }

  /** Faults of the path since the last call. A removed path has been restored. */
  faults(): LaneFault[] {
    this.#look();
    return this.#faults.splice(0);
  }

  /** Removes the hard link. Call this before closing the socket. */
  close(): void {
    this.#watch?.close();
    if (this.#kept !== null) removeNames(this.#file, [this.#kept]);
  }

  #look(): void {
    const { path } = this.#file;
    if (!isFile(path, this.#file)) this.#report();
    else this.#state = 'there';
    if (this.#kept !== null) this.#restore([path, this.#kept]);
  }

  #report(): void {
    const { path } = this.#file;
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
      if (this.#state !== 'replaced') this.#faults.push({ lane: 0, kind: 'name_replaced' });
      this.#state = 'replaced';
      return;
    }
    const isKept = this.#kept !== null && isFile(this.#kept, this.#file);
    if (isKept) this.#faults.push({ lane: 0, kind: 'name_taken' });
    else if (this.#state !== 'lost') this.#faults.push({ lane: 0, kind: 'name_lost' });
    this.#state = isKept ? 'there' : 'lost';
  }

  /** A name that another program has created meanwhile stays. The next check reports it. */
  #restore(names: readonly string[]): void {
    try {
      restoreNames(this.#file, names);
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return;
      throw new ListenerError(
        this.#config.name,
        `restore ${nameAddress(this.#config)}: ${errorText(error)}`,
        error,
      );
    }
  }

  #link(kept: string, warn: (message: string) => void): string | null {
    try {
      linkSync(this.#file.path, kept);
      return kept;
    } catch (error) {
      const why = errorText(error);
      warn(`${nameAddress(this.#config)} cannot be restored if a service removes it: ${why}`);
      return null;
    }
  }
}
