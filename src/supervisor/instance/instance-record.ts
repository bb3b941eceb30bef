import { renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { errorText } from '../../common/errors.ts';
import { writeOwnFile } from '../../linux/files/own-files.ts';
import type { ConfigFile } from '../start/config-source.ts';
import type { Instance } from './instance.ts';
import { linkInstance, processOwner } from './places.ts';

/** What commands find an instance by. */
export interface InstanceFacts {
  readonly instance: Instance;
  /** The release of zero. */
  readonly version: string;
  /** The working directory of zero. */
  readonly directory: string;
  readonly controlSocket: string;
  /** null for a service that was given as arguments. */
  readonly configFile: ConfigFile | null;
}

/** In a runtime directory. */
export const RECORD = 'instance.json';

/**
 * Tells commands which instance runs in a runtime directory and which file it was started from, from the moment at
 * which its lock is taken. What cannot be written affects neither the service nor `--name`, and is reported.
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

  /** The config was read again, maybe from another file at the same path. */
  update(configFile: ConfigFile | null): void {
    this.#configFile = configFile;
    const text = `${JSON.stringify(this.#document(configFile))}\n`;
    if (text === this.#written) return;
    const temporary = `${this.#file}.new`;
    try {
      // Next to it and renamed over it, so that a reader finds a whole record. Members of the control group read it, too.
      writeOwnFile(temporary, text, 0o644);
      renameSync(temporary, this.#file);
      this.#written = text;
    } catch (error) {
      this.#failed(`write ${this.#file}`, error);
    }
  }

  /** Writes it again, where somebody has removed it. */
  restore(): void {
    this.#written = null;
    this.open();
  }

  /** The instance ends. Never throws: the control socket of what stays does not answer. */
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
