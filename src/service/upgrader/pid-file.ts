import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { uniqueName } from './unix-path.ts';

/**
 * A file with a process's pid, replaced as a whole: a temporary file beside it, then rename(2), so that a reader finds the one pid or the other. It
 * is written in two steps, because what can fail should fail before the old process lets go.
 */
export class PidFile {
  readonly #path: string;
  #temporary: string | null = null;

  /** A relative path is meant from where the process is now. */
  constructor(path: string) {
    this.#path = resolve(path);
  }

  /** Throws when there cannot be such a file. */
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

  /** Puts in place what was prepared. */
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

  /** Writes the own pid again if the file names that process, which did not take over after all. */
  restore(other: number): void {
    if (this.#read() !== other) return;
    this.prepare();
    this.commit();
  }

  /** Removes the file if it names this process: the next one has another. */
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
    return new Error(`pid file ${this.#path}: ${code ?? message}`, { cause: error });
  }
}
