import fs from 'node:fs';
import path from 'node:path';
import type { State } from '../lifecycle/state.ts';
import { bootId, processStat } from '../linux/procfs.ts';
import { withSpare } from '../linux/spare.ts';
import type { ListenerSnapshot } from '../listeners/listeners.ts';
import type { Instance } from './instance.ts';

/**
 * What a supervisor that comes after this one must know. Plain data; names of environment variables at most, never
 * values.
 */
export interface SavedState {
  readonly version: 1;
  readonly name: string;
  readonly supervisor: SavedProcess;
  /** Times and pids mean something only within the same boot (/proc/sys/kernel/random/boot_id). */
  readonly bootId: string;
  readonly state: State;
  readonly processes: readonly SavedWorker[];
  readonly listeners: readonly ListenerSnapshot[];
}

/** A pid and its start time in clock ticks since boot (proc(5)): together they name a process for good. */
interface SavedProcess {
  readonly pid: number;
  readonly startTime: number;
}

interface SavedWorker extends SavedProcess {
  readonly generation: number;
  readonly worker: number;
  readonly incarnation: number;
  readonly session: number;
}

/** What is asked of a process that is written down. */
export interface Saveable extends SavedProcess {
  readonly key: { readonly generation: number; readonly worker: number; readonly incarnation: number };
  readonly session: number;
}

/** Keeps `state.json` of the runtime directory up to date. */
export class StateFile {
  readonly file: string;
  readonly #name: string;
  readonly #failed: (error: unknown) => void;
  readonly #recovered: () => void;
  readonly #bootId = bootId();
  readonly #supervisor: SavedProcess = {
    pid: process.pid,
    startTime: processStat(process.pid)?.startTime ?? 0,
  };
  #state: State | null = null;
  #content: (() => SavedState) | null = null;
  #broken = false;

  /**
   * @param failed called once when the file cannot be written; the next state is the next attempt, or `retry`
   * @param recovered called when a state could be written again
   */
  constructor(instance: Instance, failed: (error: unknown) => void, recovered: () => void) {
    this.#recovered = recovered;
    this.file = path.join(instance.runtimeDirectory, 'state.json');
    this.#name = instance.name;
    this.#failed = failed;
  }

  /** Writes the state, if it is another. The service is not touched when that fails. */
  save(state: State, processes: readonly Saveable[], listeners: readonly ListenerSnapshot[]): void {
    if (state === this.#state || state.exit) return;
    // Nothing there yet that another supervisor could take over: the service need not wait for the disk.
    if (this.#state === null && processes.length === 0 && listeners.length === 0) return;
    this.#state = state;
    this.#content = () => this.#document(state, processes, listeners);
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

  #document(
    state: State,
    processes: readonly Saveable[],
    listeners: readonly ListenerSnapshot[],
  ): SavedState {
    return {
      version: 1,
      name: this.#name,
      supervisor: this.#supervisor,
      bootId: this.#bootId,
      state,
      processes: processes.map(({ key, pid, session, startTime }) => ({ ...key, pid, session, startTime })),
      listeners,
    };
  }

  /** Beside its file and renamed over it: a reader finds the old state or the new one, never half of one. */
  #write(): void {
    const content = this.#content;
    if (content === null) return;
    const temporary = `${this.file}.new`;
    try {
      withSpare(() => fs.writeFileSync(temporary, JSON.stringify(content()), { mode: 0o600 }));
      fs.renameSync(temporary, this.file);
    } catch (error) {
      removeFile(temporary);
      throw error;
    }
  }
}

/** What cannot be removed (EROFS) is known for stale by its boot id and process. */
function removeFile(file: string): void {
  try {
    fs.rmSync(file, { force: true });
  } catch {
    // The disk has become read-only.
  }
}
