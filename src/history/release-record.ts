import { statsOf } from '../common/files.ts';

/** The record of a generation's release: enough to run it again, without values of variables. */
export interface ReleaseRecord {
  /** The executable, with the symlinks of its directories resolved. */
  readonly path: string;
  /** As in the config, with `${...}` unexpanded. */
  readonly args: readonly string[];
  readonly directory: string;
  readonly kind: ReleaseKind;
  readonly device: number;
  readonly inode: number;
  readonly size: number;
  readonly mtime_ms: number;
  /** Names of its variables. */
  readonly environment: readonly string[];
  /**
   * The files that an interpreter runs, if its arguments name them. Lines of earlier versions of zero do not have them.
   */
  readonly scripts?: readonly FileRecord[];
}

/** `interpreter`: a program that needs the files that its arguments name. */
export type ReleaseKind = 'program' | 'script' | 'interpreter';

/** The identity of a file that may be the executable of a release. */
export interface FileIdentity {
  readonly inode: number;
  readonly size: number;
  readonly mtime_ms: number;
}

/** A file at a path, as it was. */
export interface FileRecord extends FileIdentity {
  readonly path: string;
}

/** The device is recorded but not compared: its number may change at a boot. */
export function isSameFile(one: FileIdentity, other: FileIdentity): boolean {
  return one.inode === other.inode && one.size === other.size && one.mtime_ms === other.mtime_ms;
}

/** A release with the hash of its executable, if known. */
export interface KnownRelease {
  readonly release: ReleaseRecord;
  readonly sha256: string | null;
}

/**
 * The same program with the same arguments in the same directory. A handover between such releases would change
 * nothing.
 */
export function isSameRelease(one: KnownRelease, other: KnownRelease): boolean {
  const [a, b] = [one.release, other.release];
  if (a.path !== b.path || a.directory !== b.directory) return false;
  if (a.args.length !== b.args.length || a.args.some((arg, index) => arg !== b.args[index])) return false;
  if (!haveSameScripts(a, b)) return false;
  const hashed = one.sha256 !== null && other.sha256 !== null;
  return hashed ? one.sha256 === other.sha256 : isSameFile(a, b);
}

/** A line of an earlier zero does not record the scripts. They count as the same. */
function haveSameScripts({ scripts: some }: ReleaseRecord, { scripts: others }: ReleaseRecord): boolean {
  if (!some || !others) return true;
  const isAmongOthers = (one: FileRecord) =>
    others.some((other) => other.path === one.path && isSameFile(other, one));
  return some.length === others.length && some.every(isAmongOthers);
}

/** The identity of the file at a path now; null for none. Times in milliseconds. */
export function fileAt(path: string): (FileIdentity & { readonly device: number }) | null {
  const stats = statsOf(path);
  return stats && { device: stats.dev, inode: stats.ino, size: stats.size, mtime_ms: stats.mtimeMs };
}
