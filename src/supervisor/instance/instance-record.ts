import { renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { errorText } from '../../common/errors.ts';
import { writeOwnFile } from '../../linux/files/own-files.ts';
import type { ConfigFile } from '../start/config-source.ts';
import type { Instance } from './instance.ts';
import { linkInstance, processOwner } from './instance-roots.ts';

/** The data by which commands find an instance. */
export interface InstanceFacts {
  readonly instance: Instance;
  /** The version of zero. */
  readonly version: string;
  /** The working directory of zero. */
  readonly directory: string;
  readonly controlSocket: string;
  /** null for a service from command line arguments. */
  readonly configFile: ConfigFile | null;
}

/** The file name in a runtime directory. */
export const RECORD = 'instance.json';

/**
 * Records which instance runs in a runtime directory and which file it was started from, from the moment when its lock
 * is taken. Commands read this record. A failed write is reported and affects neither the service nor `--name`.
 */
export class InstanceRecord {
  readonly #facts: InstanceFacts;
  readonly #file: string;
  readonly #warn: (message: string) => void;
  #configFile: ConfigFile | null;
  #written: string | null = null;
  #unlink: () => void = () => {};

  constructor(facts: InstanceFacts, warn: (message: string) => void) {
    this.#facts = facts;
    this.#configFile = facts.configFile;
    this.#file = path.join(facts.instance.runtimeDirectory, RECORD);
    this.#warn = warn;
  }

  /** Writes the record. */
  open(): void {
    this.update(this.#configFile);
    try {
      this.#unlink = linkInstance(this.#facts.instance.runtimeDirectory, processOwner());
    } catch (error) {
      this.#failed('commands find this instance only by its config file', error);
    }
  }

  /** Updates the record after the config was read again, perhaps from another file at the same path. */
  update(configFile: ConfigFile | null): void {
    this.#configFile = configFile;
    const text = `${JSON.stringify(this.#document(configFile))}\n`;
    if (text === this.#written) return;
    const temporary = `${this.#file}.new`;
    try {
      // A temporary file is written next to the record and renamed, so that a reader finds a whole record. Members of
      // the control group read it, too.
      writeOwnFile(temporary, text, 0o644);
      renameSync(temporary, this.#file);
      this.#written = text;
    } catch (error) {
      this.#failed(`write ${this.#file}`, error);
    }
  }

  /** Writes the record again after it was removed. */
  restore(): void {
    this.#written = null;
    this.open();
  }

  /**
   * Removes the record at the end of the instance. Never throws: if the record stays, its control socket does not
   * answer.
   */
  close(): void {
    try {
      this.#unlink();
      rmSync(this.#file, { force: true });
    } catch {
      // The disk has become read-only.
    }
  }

  #document(configFile: ConfigFile | null): object {
    const { instance, version, directory, controlSocket } = this.#facts;
    return {
      version: 1,
      zero_version: version,
      name: instance.name,
      pid: process.pid,
      config_file: configFile,
      directory,
      runtime_directory: instance.runtimeDirectory,
      control_socket: controlSocket,
    };
  }

  #failed(what: string, error: unknown): void {
    this.#warn(`${what}: ${errorText(error)}`);
  }
}
