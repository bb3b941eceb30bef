import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Skippable } from './debian.ts';
import { IS_ROOT } from './privileges.ts';
import type { Scope } from './temporary.ts';

/** A file system of its own, in memory. */
export interface SmallDisk {
  readonly path: string;
  /** Takes all room that is left, bytes and inodes. */
  fill(): void;
  /** Gives back so many inodes of what `fill` took, and no bytes. */
  release(inodes: number): void;
  /** Gives back what `fill` took. */
  empty(): void;
  /** Nobody can write to it any more. */
  makeReadOnly(): void;
}

/** Mounts one; `size` as tmpfs(5) takes it. Null, and the test skipped with a line, where that is not allowed. */
export function mountSmallDisk(scope: Scope & Skippable, size: string): SmallDisk | null {
  if (!IS_ROOT) {
    scope.skip('needs root: to mount a small file system');
    return null;
  }
  const path = mkdtempSync(join(tmpdir(), 'zero-disk-'));
  const options = `size=${size},nr_inodes=64,mode=755`;
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'zero-test', path], {
    encoding: 'utf8',
  });
  if (status !== 0) {
    rmdirSync(path);
    scope.skip(`needs to mount a small file system: ${stderr.trim()}`);
    return null;
  }
  scope.after(() => {
    // Lazily: processes that are still being killed may have files on it.
    spawnSync('umount', ['--lazy', path]);
    rmdirSync(path);
  });
  return new Disk(path);
}

const FILLER = 'filler';

class Disk implements SmallDisk {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  fill(): void {
    const page = Buffer.alloc(4096);
    // Bytes first: an empty file needs an inode only.
    for (const content of [page, Buffer.alloc(0)]) {
      for (let count = readdirSync(this.path).length; this.#put(`${FILLER}-${count}`, content); count += 1);
    }
  }

  release(inodes: number): void {
    const empty = readdirSync(this.path).filter(
      (name) => name.startsWith(FILLER) && statSync(join(this.path, name)).size === 0,
    );
    for (const name of empty.slice(0, inodes)) rmSync(join(this.path, name));
  }

  empty(): void {
    for (const name of readdirSync(this.path)) {
      if (name.startsWith(FILLER)) rmSync(join(this.path, name));
    }
  }

  makeReadOnly(): void {
    const { status, stderr } = spawnSync('mount', ['-o', 'remount,ro', this.path], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`remount ${this.path}: ${stderr}`);
  }

  #put(name: string, content: Buffer): boolean {
    try {
      writeFileSync(join(this.path, name), content);
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false;
      throw error;
    }
  }
}
