import { renameSync } from 'node:fs';
import path from 'node:path';
import { now } from '../../common/clock.ts';
import { removeFile } from '../../common/files.ts';
import { writeOwnFile } from '../../linux/files/own-files.ts';
import { bootId, processStat } from '../../linux/procfs.ts';
import { withSpare } from '../../linux/spare.ts';
import type { Instance } from '../instance/instance.ts';
import type { Vault } from '../keeper/vault.ts';
import type { Situation, Supervisor } from '../state-format/write.ts';
import { StateText } from '../state-format/write-text.ts';

/** The counters that a continuing supervisor starts from. */
export interface Before {
  readonly sequence: number;
  readonly restarts: number;
  readonly upgrades: number;
  /** Monotonic milliseconds. */
  readonly firstStarted: number;
}

export interface StateFileOptions {
  readonly instance: Instance;
  /** The version of zero. */
  readonly version: string;
  /** The absolute path of the config file; null for a service from command line arguments. */
  readonly configFile: string | null;
  /** The record of the previous supervisor; null if there was none. */
  readonly before: Before | null;
  /** Memory that outlives this process; null until it exists. */
  readonly vault: () => Vault | null;
  /** Called once when the file cannot be written. The next state, or `retry`, is the next attempt. */
  readonly failed: (error: unknown) => void;
  /** Called when a state could be written again. */
  readonly recovered: () => void;
}

/** Keeps `state.json` in the runtime directory up to date. */
export class StateFile {
  readonly file: string;
  readonly #failed: (error: unknown) => void;
  readonly #recovered: () => void;
  readonly #vault: StateFileOptions['vault'];
  /** How often the service got another supervisor, and since when it has had one. */
  readonly supervisor: Pick<Supervisor, 'restarts' | 'upgrades' | 'firstStarted'>;
  readonly #identity: Pick<Supervisor, 'version' | 'instance' | 'configFile'>;
  #process: Pick<Supervisor, 'bootId' | 'pid' | 'startTime'> | null = null;
  readonly #text = new StateText();
  #sequence: number;
  #newest: Situation | null = null;
  #broken = false;

  constructor({ instance, version, configFile, before, vault, failed, recovered }: StateFileOptions) {
    this.#vault = vault;
    this.#sequence = before?.sequence ?? 0;
    this.#recovered = recovered;
    this.file = path.join(instance.runtimeDirectory, 'state.json');
    this.#failed = failed;
    this.#identity = { version, instance: instance.name, configFile };
    this.supervisor = {
      restarts: before?.restarts ?? 0,
      upgrades: before?.upgrades ?? 0,
      firstStarted: before?.firstStarted ?? now(),
    };
  }

  /**
   * Writes a situation whose effects are about to be performed to the memory that outlives this process, not to the
   * disk, which is too slow. A failure shows when the situation is saved.
   */
  ahead(situation: () => Situation): void {
    const vault = this.#vault();
    if (vault === null) return;
    try {
      this.#sequence += 1;
      vault.writeState(this.#textOf(situation()), this.#sequence);
    } catch {
      // `save` follows when the effects have been performed.
    }
  }

  /** Writes the situation if its state has changed. A failure does not affect the service. */
  save(situation: Situation): void {
    const { state, processes, listeners } = situation;
    if (state === this.#newest?.state || state.exit) return;
    // Another supervisor could not take over anything yet, so the service need not wait for the disk.
    if (this.#newest === null && processes.length === 0 && listeners.length === 0) return;
    this.#newest = situation;
    try {
      this.#write();
    } catch (error) {
      const isFirst = !this.#broken;
      // Set before the report, because the report changes the state, which is written again.
      this.#broken = true;
      if (isFirst) this.#failed(error);
      return;
    }
    const wasBroken = this.#broken;
    this.#broken = false;
    if (wasBroken) this.#recovered();
  }

  /** Writes the newest state again after a failure. Throws the error of fs. */
  retry(): void {
    this.#write();
    this.#broken = false;
  }

  /**
   * Replaces the file by the text of a document. Writes a temporary file next to it and renames it, so that a reader
   * finds the old state or the new one, never a part. Throws the error of fs.
   */
  replace(text: string): void {
    const temporary = `${this.file}.new`;
    try {
      withSpare(() => writeOwnFile(temporary, text));
      renameSync(temporary, this.file);
    } catch (error) {
      removeFile(temporary);
      throw error;
    }
  }

  /** Removes the file once another supervisor cannot take over anything. */
  remove(): void {
    removeFile(this.file);
  }

  #textOf(situation: Situation): string {
    // Read after the first worker was spawned, because that spawn need not wait for /proc.
    this.#process ??= {
      bootId: bootId(),
      pid: process.pid,
      startTime: processStat(process.pid)?.startTime ?? 0,
    };
    const supervisor = { ...this.#identity, ...this.supervisor, ...this.#process };
    return this.#text.of(supervisor, { ...situation, sequence: this.#sequence });
  }

  #write(): void {
    const newest = this.#newest;
    if (newest === null) return;
    this.#sequence += 1;
    const text = this.#textOf(newest);
    this.#vault()?.writeState(text, this.#sequence);
    this.replace(text);
  }
}
