import { secretsOf } from '../../telemetry/redact.ts';
import {
  type CurrentExecutable,
  currentExecutable,
  type ReleaseFiles,
  withCurrentFiles,
} from './current-executable.ts';
import type { Prepared } from './prepare.ts';

/**
 * The one owner of prepared releases: first for a handover, then for its generation. Code that removes files asks here
 * which files are in use.
 */
export class PreparedReleases {
  readonly #ofHandover = new Map<number, Prepared>();
  readonly #ofGeneration = new Map<number, Prepared>();
  /** The executables of handovers in preparation, from the moment when they were found. */
  readonly #claimed = new Map<number, string>();
  /** Copies that processes of a generation were started from. */
  readonly #copies = new Map<number, string>();
  readonly #files: ReleaseFiles;

  constructor(files: ReleaseFiles) {
    this.#files = files;
  }

  /** Marks the file that the handover will run. The rest of the release is not known yet. */
  claim(handover: number, executable: string): void {
    this.#claimed.set(handover, executable);
  }

  /** Ends the preparation of a handover; null: without a release. */
  settle(handover: number, prepared: Prepared | null): void {
    this.#claimed.delete(handover);
    if (prepared) this.#ofHandover.set(handover, prepared);
  }

  /** Moves the prepared release from the handover to its generation. Throws Error if the handover has none. */
  adopt(handover: number, generation: number): Prepared {
    const found = this.#ofHandover.get(handover);
    if (!found) throw new Error(`nothing was prepared for handover ${handover}`);
    const prepared = withCurrentFiles(found, this.#files);
    this.#ofHandover.delete(handover);
    this.#ofGeneration.set(generation, prepared);
    return prepared;
  }

  /** Restores a release that another supervisor prepared for a generation. */
  restore(generation: number, prepared: Prepared): void {
    this.#ofGeneration.set(generation, prepared);
  }

  /** The prepared release of each existing generation. */
  get generations(): ReadonlyMap<number, Prepared> {
    return this.#ofGeneration;
  }

  /**
   * What a process of this generation would execute now. Call this before each start of a process, and before a running
   * worker is replaced (`changed, no copy` forbids that). Synchronous; takes some microseconds. Throws Error for an
   * unknown generation.
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

  /** Releases the prepared release of a handover that creates no generation. Idempotent. */
  discard(handover: number): void {
    const prepared = this.#ofHandover.get(handover);
    this.#ofHandover.delete(handover);
    prepared?.close();
  }

  /** Releases the prepared release of a generation. Idempotent. */
  release(generation: number): void {
    const prepared = this.#ofGeneration.get(generation);
    this.#ofGeneration.delete(generation);
    this.#copies.delete(generation);
    prepared?.close();
  }

  /** Every prepared release, of handovers and of generations. */
  all(): Prepared[] {
    return [...this.#ofHandover.values(), ...this.#ofGeneration.values()];
  }

  /** The paths of all executables that run or will run. */
  executables(): string[] {
    const released = this.all().map(({ release }) => release.executable);
    return [...this.#claimed.values(), ...this.#copies.values(), ...released];
  }

  /** The values of the services' environments, for code that must not repeat them. */
  secrets(): string[] {
    return this.all().flatMap(({ release }) => secretsOf(release.environment));
  }
}
