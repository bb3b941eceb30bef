import { type Stats, statSync } from 'node:fs';

/** What a generation ran, as it is written down: enough to run it again, and no value of a variable. */
export interface ReleaseRecord {
  /** What was executed, the symlinks of its folders followed. */
  readonly path: string;
  /** As the config has them, `${...}` and all. */
  readonly args: readonly string[];
  readonly directory: string;
  readonly kind: ReleaseKind;
  readonly device: number;
  readonly inode: number;
  readonly size: number;
  readonly mtime_ms: number;
  /** Names of its variables. */
  readonly environment: readonly string[];
  /** The files that an interpreter runs, as far as its arguments name them. Not in lines of earlier releases of zero. */
  readonly scripts?: readonly FileRecord[];
}

/** `interpreter`: a program that is nothing without the files that its arguments name. */
export type ReleaseKind = 'program' | 'script' | 'interpreter';

/** What is known of a file that may be the executable of a release. */
export interface FileIdentity {
  readonly inode: number;
  readonly size: number;
  readonly mtime_ms: number;
}

/** A file at a path, as it was. */
export interface FileRecord extends FileIdentity {
  readonly path: string;
}

/** The device is written down and not compared: its number can be another one after a boot. */
export function isSameFile(one: FileIdentity, other: FileIdentity): boolean {
  return one.inode === other.inode && one.size === other.size && one.mtime_ms === other.mtime_ms;
}

/** A release with the hash of its executable, where that is known. */
export interface KnownRelease {
  readonly release: ReleaseRecord;
  readonly sha256: string | null;
}

/** The same program with the same arguments in the same directory: handing over from one to the other would change nothing. */
export function isSameRelease(one: KnownRelease, other: KnownRelease): boolean {
  const [a, b] = [one.release, other.release];
  if (a.path !== b.path || a.directory !== b.directory) return false;
  if (a.args.length !== b.args.length || a.args.some((arg, index) => arg !== b.args[index])) return false;
  if (!haveSameScripts(a, b)) return false;
  const hashed = one.sha256 !== null && other.sha256 !== null;
  return hashed ? one.sha256 === other.sha256 : isSameFile(a, b);
}

/** The scripts of a line from an earlier release of zero are unknown, and count as the same ones. */
function haveSameScripts({ scripts: some }: ReleaseRecord, { scripts: others }: ReleaseRecord): boolean {
  if (!some || !others) return true;
  const isAmongOthers = (one: FileRecord) =>
    others.some((other) => other.path === one.path && isSameFile(other, one));
  return some.length === others.length && some.every(isAmongOthers);
}

/** What a path leads to; null where there is nothing, or it cannot be looked at. */
export function statsOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

/** What identifies the file at a path now; null for none. Times in milliseconds. */
export function fileAt(path: string): (FileIdentity & { readonly device: number }) | null {
  const stats = statsOf(path);
  return stats && { device: stats.dev, inode: stats.ino, size: stats.size, mtime_ms: stats.mtimeMs };
}
