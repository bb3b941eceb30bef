import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { uniqueName } from './unix-path.ts';

/**
 * A file with the pid of a process, replaced as a whole: a temporary file next to it, then rename(2), so that a reader
 * finds either the old or the new pid. Writing takes two steps, so that an error occurs before the old process releases
 * its sockets.
 */
export class PidFile {
  readonly #path: string;
  #temporary: string | null = null;

  /** A relative path is resolved against the current directory. */
  constructor(path: string) {
    this.#path = resolve(path);
  }

  /** Writes the temporary file. Throws if the file cannot be created. */
  prepare(): void {
    const temporary = `${this.#path}.${uniqueName()}`;
    try {
      writeFileSync(temporary, `${process.pid}\n`, { flag: 'wx', mode: 0o644 });
    } catch (error) {
      rmSync(temporary, { force: true });
      throw this.#failed(error);
    }
    this.#temporary = temporary;
  }

  /** Replaces the file with the prepared one. */
  commit(): void {
    if (this.#temporary === null) return;
    try {
      renameSync(this.#temporary, this.#path);
      this.#temporary = null;
    } catch (error) {
      this.discard();
      throw this.#failed(error);
    }
  }

  discard(): void {
    if (this.#temporary !== null) rmSync(this.#temporary, { force: true });
    this.#temporary = null;
  }

  /** Writes this process's pid again if the file has the pid of `other`, which did not take over. */
  restore(other: number): void {
    if (this.#read() !== other) return;
    this.prepare();
    this.commit();
  }

  /** Removes the file if it still has this process's pid. The next process writes its own. */
  leave(): void {
    if (this.#read() === process.pid) rmSync(this.#path, { force: true });
  }

  #read(): number | null {
    try {
      return Number.parseInt(readFileSync(this.#path, 'latin1'), 10);
    } catch {
      return null;
    }
  }

  #failed(error: unknown): Error {
    const { code, message } = error as NodeJS.ErrnoException;
    return new Error(`cannot write pid file ${this.#path}: ${code ?? message}`, { cause: error });
  }
}
