import type { ReleaseFiles } from '../../src/supervisor/run/current-executable.ts';
import { PATH } from './fake-prepared.ts';
import type { Random } from './random.ts';

/** The disk that releases are on: one executable, which somebody replaces now and then, and copies of it. */
export class FakeFiles implements ReleaseFiles {
  readonly #random: Random;
  /** The file at the path of every release. */
  inode = 1;
  /** By generation: the file that was there when its first process was started. */
  readonly #inodes = new Map<number, number>();
  readonly #copies = new Map<number, string>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Another file is there from now on. */
  replace(): void {
    this.inode += 1;
  }

  /** A generation was made: it runs what is there now. */
  adopted(generation: number): void {
    this.#inodes.set(generation, this.inode);
  }

  /** A generation was promoted: a copy is made of what it runs, in most cases. */
  promoted(generation: number): void {
    if (this.#random.chance(0.6)) this.#copies.set(generation, `/copies/${generation}`);
  }

  /** Says what a process of a generation may execute now. */
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
