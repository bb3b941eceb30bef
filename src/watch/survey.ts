import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { reasonOf } from '../common/errors.ts';
import { Slices } from '../common/slices.ts';

/**
 * The entries of a directory to watch: these names, or all with null. Watches their content, or only whether they
 * exist.
 */
export interface Place {
  names: Set<string> | null;
  content: boolean;
}

/** The files at the paths, with every symlink on the way followed. */
export interface Survey {
  /** Stays equal while every file is the same one with the same size, modification time and permissions. */
  readonly fingerprint: string;
  /** By directory: the entries that lead to the paths, and the entries below them. */
  readonly places: ReadonlyMap<string, Place>;
  /** Paths without a file. */
  readonly missing: readonly string[];
  /** Directories that cannot be read, with the reason. */
  readonly unreadable: readonly string[];
}

/** path_resolution(7) ends here with ELOOP. */
const MAX_SYMLINKS = 40;

/** Surveys the paths, which are absolute. Pauses during long work. */
export async function survey(paths: readonly string[]): Promise<Survey> {
  const places = new Map<string, Place>();
  const missing: string[] = [];
  const unreadable: string[] = [];
  const print = new Fingerprint();
  const slices = new Slices();
  for (const path of paths) {
    const target = follow(path, places);
    if (target === null) {
      missing.push(path);
      continue;
    }
    print.add(`${path}\0${target.path}\0${describe(target.stats)}\n`);
    if (!target.stats.isDirectory()) {
      note(places, dirname(target.path), target.path.slice(target.path.lastIndexOf('/') + 1), true);
      continue;
    }
    const pending = [target.path];
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      places.set(directory, { names: null, content: true });
      for (const name of entriesOf(directory, unreadable)) {
        const entry = join(directory, name);
        const stats = look(entry);
        if (stats === null) continue;
        const link = stats.isSymbolicLink() ? readLink(entry) : '';
        print.add(`${entry}\0${describe(stats)}\0${link}\n`);
        if (stats.isDirectory()) pending.push(entry);
        if (slices.isOver()) await slices.next();
      }
    }
  }
  return { fingerprint: print.value, places, missing, unreadable };
}

/**
 * Resolves a path like the kernel, and notes each directory with the name that is looked up in it; null if the path
 * does not exist.
 */
function follow(path: string, places: Map<string, Place>): { path: string; stats: Stats } | null {
  const pending = path.split('/').filter((part) => part !== '' && part !== '.');
  let current = '/';
  let stats = look(current);
  let links = 0;
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    if (part === '..') {
      current = dirname(current);
      stats = look(current);
      continue;
    }
    note(places, current, part, false);
    const next = join(current, part);
    stats = look(next);
    if (stats === null) return null;
    if (stats.isSymbolicLink()) {
      links += 1;
      if (links > MAX_SYMLINKS) return null;
      const target = readLink(next);
      pending.unshift(...target.split('/').filter((name) => name !== '' && name !== '.'));
      if (target.startsWith('/')) current = '/';
      stats = look(current);
    } else {
      current = next;
      if (pending.length > 0 && !stats.isDirectory()) return null;
    }
  }
  return stats && { path: current, stats };
}

function note(places: Map<string, Place>, directory: string, name: string, content: boolean): void {
  const place = places.get(directory) ?? { names: new Set<string>(), content: false };
  place.names?.add(name);
  place.content ||= content;
  places.set(directory, place);
}

// For a directory only its entries count: its modification time changes with every temporary file.
function describe(stats: Stats): string {
  if (stats.isDirectory()) return 'directory';
  return [stats.dev, stats.ino, stats.size, stats.mtimeMs, stats.mode].join(' ');
}

function look(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch {
    return null;
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function entriesOf(directory: string, unreadable: string[]): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    const code = reasonOf(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') unreadable.push(`${directory}: ${code}`);
    return [];
  }
}

/**
 * A 64-bit hash of all added values, in their order (FNV-1a twice, with two primes). A collision benefits no attacker
 * here, and node:crypto would need another megabyte of the supervisor's memory.
 */
export class Fingerprint {
  #one = 0x811c9dc5;
  #other = 0x1b873593;

  add(text: string): void {
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      this.#one = Math.imul(this.#one ^ unit, 0x01000193);
      this.#other = Math.imul(this.#other ^ unit, 0x85ebca6b);
    }
  }

  get value(): string {
    return [this.#one, this.#other].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }
}
