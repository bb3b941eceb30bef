import type { ReleaseFiles } from '../../src/supervisor/run/current-executable.ts';
import { PATH } from './fake-prepared.ts';
import type { Random } from './random.ts';

/** The disk with the releases: one executable, which is replaced from time to time, and copies of it. */
export class FakeFiles implements ReleaseFiles {
  readonly #random: Random;
  /** The file at the path of every release. */
  inode = 1;
  /** By generation: the file at the start of its first process. */
  readonly #inodes = new Map<number, number>();
  readonly #copies = new Map<number, string>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Replaces the file. */
  replace(): void {
    this.inode += 1;
  }

  /** A new generation runs the current file. */
  adopted(generation: number): void {
    this.#inodes.set(generation, this.inode);
  }

  /** A promoted generation gets a copy of its file in most cases. */
  promoted(generation: number): void {
    if (this.#random.chance(0.6)) this.#copies.set(generation, `/copies/${generation}`);
  }

  /** Returns the executables that a process of a generation may run now. */
  expected(generation: number): string {
    return this.inode === this.#inodes.get(generation) ? PATH : (this.copyOf(generation) ?? PATH);
  }

  /** Whether a process of a generation can execute the release of that generation. */
  hasRelease(generation: number): boolean {
    return this.inode === this.#inodes.get(generation) || this.copyOf(generation) !== null;
  }

  readonly fileAt: ReleaseFiles['fileAt'] = () => ({ device: 1, inode: this.inode, size: 1, mtime_ms: 1 });
  readonly copyOf = (generation: number): string | null => this.#copies.get(generation) ?? null;
  readonly mayExecute = (): string | null => null;
}
