import { renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { writeOwnFile } from '../linux/own-files.ts';
import { bootId, processStat } from '../linux/procfs.ts';
import { withSpare } from '../linux/spare.ts';
import type { Instance } from './instance.ts';
import { type Situation, type Supervisor, stateDocument } from './state-format/write.ts';

export interface StateFileOptions {
  readonly instance: Instance;
  /** The release of zero. */
  readonly version: string;
  /** The absolute path of the config file; null for a service that was given as arguments. */
  readonly configFile: string | null;
  /** Called once when the file cannot be written; the next state is the next attempt, or `retry`. */
  readonly failed: (error: unknown) => void;
  /** Called when a state could be written again. */
  readonly recovered: () => void;
}

/** Keeps `state.json` of the runtime directory up to date. */
export class StateFile {
  readonly file: string;
  readonly #failed: (error: unknown) => void;
  readonly #recovered: () => void;
  readonly #identity: Pick<Supervisor, 'version' | 'instance' | 'configFile'>;
  #supervisor: Supervisor | null = null;
  #newest: Situation | null = null;
  #broken = false;

  constructor({ instance, version, configFile, failed, recovered }: StateFileOptions) {
    this.#recovered = recovered;
    this.file = path.join(instance.runtimeDirectory, 'state.json');
    this.#failed = failed;
    this.#identity = { version, instance: instance.name, configFile };
  }

  /** Writes the situation if its state is another than before. A failure does not affect the service. */
  save(situation: Situation): void {
    const { state, processes, listeners } = situation;
    if (state === this.#newest?.state || state.exit) return;
    // Nothing there yet that another supervisor could take over: the service need not wait for the disk.
    if (this.#newest === null && processes.length === 0 && listeners.length === 0) return;
    this.#newest = situation;
    try {
      this.#write();
    } catch (error) {
      const isFirst = !this.#broken;
      // Before it is reported: the report changes the state, which is written again.
      this.#broken = true;
      if (isFirst) this.#failed(error);
      return;
    }
    const wasBroken = this.#broken;
    this.#broken = false;
    if (wasBroken) this.#recovered();
  }

  /** Writes the newest state, after a failure. Throws what fs does. */
  retry(): void {
    this.#write();
    this.#broken = false;
  }

  /** Nothing is left that another supervisor could take over. */
  remove(): void {
    removeFile(this.file);
  }

  /** Beside its file and renamed over it: a reader finds the old state or the new one, never half of one. */
  #write(): void {
    const newest = this.#newest;
    if (newest === null) return;
    const temporary = `${this.file}.new`;
    try {
      // Read after the first worker was spawned, which need not wait for /proc.
      this.#supervisor ??= {
        ...this.#identity,
        bootId: bootId(),
        pid: process.pid,
        startTime: processStat(process.pid)?.startTime ?? 0,
      };
      const text = JSON.stringify(stateDocument(this.#supervisor, newest));
      withSpare(() => writeOwnFile(temporary, text));
      renameSync(temporary, this.file);
    } catch (error) {
      removeFile(temporary);
      throw error;
    }
  }
}

/** What cannot be removed (EROFS) is known for stale by its boot id and process. */
function removeFile(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // The disk has become read-only.
  }
}
