import {
  type CurrentExecutable,
  currentExecutable,
  type ReleaseFiles,
  withCurrentFiles,
} from './current-executable.ts';
import type { Prepared } from './prepare.ts';

/**
 * The one owner of what was prepared: for a handover first, then for the generation that was made of it. Code that
 * removes files asks here what is still in use.
 */
export class PreparedReleases {
  readonly #ofHandover = new Map<number, Prepared>();
  readonly #ofGeneration = new Map<number, Prepared>();
  /** Executables of handovers that are being prepared, from the moment when they were found. */
  readonly #claimed = new Map<number, string>();
  /** Copies that processes of a generation were started from. */
  readonly #copies = new Map<number, string>();
  readonly #files: ReleaseFiles;

  constructor(files: ReleaseFiles) {
    this.#files = files;
  }

  /** The handover is going to run this file; nothing else of it is known yet. */
  claim(handover: number, executable: string): void {
    this.#claimed.set(handover, executable);
  }

  /** The preparation of a handover has ended; null: without a release. */
  settle(handover: number, prepared: Prepared | null): void {
    this.#claimed.delete(handover);
    if (prepared) this.#ofHandover.set(handover, prepared);
  }

  /** What was prepared for the handover belongs to this generation from now on. Throws Error where nothing was. */
  adopt(handover: number, generation: number): Prepared {
    const found = this.#ofHandover.get(handover);
    if (!found) throw new Error(`nothing was prepared for handover ${handover}`);
    const prepared = withCurrentFiles(found, this.#files);
    this.#ofHandover.delete(handover);
    this.#ofGeneration.set(generation, prepared);
    return prepared;
  }

  /** What another supervisor prepared for a generation. */
  restore(generation: number, prepared: Prepared): void {
    this.#ofGeneration.set(generation, prepared);
  }

  /** What was prepared for each generation that exists. */
  get generations(): ReadonlyMap<number, Prepared> {
    return this.#ofGeneration;
  }

  /**
   * What a process of this generation that is started now would execute: ask before each start of one, and before a
   * worker that runs is replaced (which `changed, no copy` forbids). Synchronous, some microseconds. Throws Error for a
   * generation that does not exist.
   */
  executableOf(generation: number): CurrentExecutable {
    const prepared = this.#ofGeneration.get(generation);
    if (!prepared) throw new Error(`generation ${generation} is not held`);
    const current = currentExecutable(generation, prepared, this.#files);
    if (current.answer === 'kept copy') this.#copies.set(generation, current.executable);
    return current;
  }

  ofHandover(handover: number): Prepared | undefined {
    return this.#ofHandover.get(handover);
  }

  ofGeneration(generation: number): Prepared | undefined {
    return this.#ofGeneration.get(generation);
  }

  /** Releases what was prepared for a handover that makes no generation. Idempotent. */
  discard(handover: number): void {
    const prepared = this.#ofHandover.get(handover);
    this.#ofHandover.delete(handover);
    prepared?.close();
  }

  /** Releases what a generation held. Idempotent. */
  release(generation: number): void {
    const prepared = this.#ofGeneration.get(generation);
    this.#ofGeneration.delete(generation);
    this.#copies.delete(generation);
    prepared?.close();
  }

  /** Everything that is prepared, of handovers and of generations. */
  all(): Prepared[] {
    return [...this.#ofHandover.values(), ...this.#ofGeneration.values()];
  }

  /** The paths of all executables that run, or are going to. */
  executables(): string[] {
    const released = this.all().map(({ release }) => release.executable);
    return [...this.#claimed.values(), ...this.#copies.values(), ...released];
  }

  /** Values of the environments that are given to services, for those who must not repeat them. */
  secrets(): string[] {
    return this.all().flatMap(({ release }) =>
      [...release.environment.values()].map((value) => value.toString()),
    );
  }
}
