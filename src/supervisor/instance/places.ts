import {
  existsSync,
  lstatSync,
  readdirSync,
  readlinkSync,
  type Stats,
  statSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { isSystemFailure } from '../../common/errors.ts';
import { makeOwnDirectory } from '../../linux/files/own-files.ts';

/*
 * Where instances are on this machine: the one rule of the supervisor, which makes these directories, and of the
 * commands, which look into them (docs/reference/commands.md).
 */

/** A user and what decides where the instances of that user are. */
export interface Owner {
  readonly uid: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A directory with one directory for each instance, by name, and links to those elsewhere in LINKS. */
export interface Place {
  readonly directory: string;
  /** Whose instances are in it; null where only root can put any there, which may belong to every user. */
  readonly uid: number | null;
}

const SYSTEM = '/run/zero';
const LOGINS = '/run/user';
const TEMPORARY = '/tmp';

/** In a place: symlinks to runtime directories that are not in it. No name of an instance begins with a dot. */
const LINKS = '.instances';

export function processOwner(): Owner {
  return { uid: process.geteuid?.() ?? 0, environment: process.env };
}

/** Where an instance of this user is that was given no runtime directory. */
export function defaultPlace(owner: Owner): string {
  if (owner.uid === 0) return SYSTEM;
  return loginPlace(owner) ?? temporaryPlace(owner.uid);
}

/** Every directory in which an instance can be that this user may see; those of root are all, of every user. */
export function placesFor(owner: Owner): Place[] {
  const { uid } = owner;
  const system: Place = { directory: SYSTEM, uid: null };
  if (uid === 0) return [system, ...placesOfUsers()];
  const own = [loginPlace(owner), path.join(LOGINS, String(uid), 'zero'), ...temporaryPlaces(uid)];
  const found = [...new Set(own.filter((directory) => directory !== null))];
  return [...found.map((directory) => ({ directory, uid })), system];
}

/** What stands in a place: directories by name, and those that links lead to. One that cannot be read is empty. */
export function runtimeDirectoriesIn({ directory, uid }: Place): string[] {
  if (uid !== null && !isOwnDirectory(directory, uid)) return [];
  const named = namesIn(directory)
    .filter((name) => !name.startsWith('.'))
    .map((name) => path.join(directory, name));
  const links = path.join(directory, LINKS);
  return [...named, ...namesIn(links).flatMap((name) => targetOf(path.join(links, name)))];
}

/**
 * Makes an instance known whose runtime directory is in no place of its user. Returns the function that undoes it.
 * Throws what fs does.
 */
export function linkInstance(runtimeDirectory: string, { uid }: Owner): () => void {
  const place = uid === 0 ? SYSTEM : temporaryPlace(uid);
  const fixed = uid === 0 ? [SYSTEM] : [path.join(LOGINS, String(uid), 'zero'), ...temporaryPlaces(uid)];
  if (fixed.includes(path.dirname(runtimeDirectory))) return () => {};
  const links = path.join(place, LINKS);
  makeOwnDirectory(place, 0o755);
  if (!isOwnDirectory(place, uid)) throw new Error(`${place} belongs to another user`);
  makeOwnDirectory(links, 0o755);
  removeDeadLinks(links);
  const link = path.join(links, linkName(runtimeDirectory));
  removeLink(link);
  symlinkSync(runtimeDirectory, link);
  return () => removeLink(link);
}

function removeLink(link: string): void {
  try {
    unlinkSync(link);
  } catch (error) {
    if (!isSystemFailure(error) || error.code !== 'ENOENT') throw error;
  }
}

/** One for each directory. At most 255 bytes (NAME_MAX), because the path is short enough for sockets (claim.ts). */
function linkName(runtimeDirectory: string): string {
  return encodeURIComponent(runtimeDirectory);
}

/** Links of supervisors that were killed, and whose directories are removed since. */
function removeDeadLinks(links: string): void {
  for (const name of namesIn(links)) {
    const link = path.join(links, name);
    if (!existsSync(link)) removeLink(link);
  }
}

/** XDG_RUNTIME_DIR belongs to its user (XDG Base Directory Specification); su(1) leaves that of another one. */
function loginPlace({ uid, environment }: Owner): string | null {
  const { XDG_RUNTIME_DIR: base } = environment;
  if (!base) return null;
  const owner = statOf(base)?.uid;
  return owner === undefined || owner === uid ? path.join(base, 'zero') : null;
}

function temporaryPlace(uid: number): string {
  return path.join(os.tmpdir(), `zero-${uid}`);
}

/** TMPDIR may differ between a login and cron. */
function temporaryPlaces(uid: number): string[] {
  return [...new Set([temporaryPlace(uid), path.join(TEMPORARY, `zero-${uid}`)])];
}

/** Of all users that have any: a directory counts when it belongs to the user whose number it has. */
function placesOfUsers(): Place[] {
  const logins = namesIn(LOGINS).map((uid) => ({ directory: path.join(LOGINS, uid, 'zero'), uid }));
  const temporary = [...new Set([os.tmpdir(), TEMPORARY])].flatMap((base) =>
    namesIn(base)
      .filter((name) => name.startsWith('zero-'))
      .map((name) => ({ directory: path.join(base, name), uid: name.slice('zero-'.length) })),
  );
  return [...logins, ...temporary]
    .filter(({ uid }) => /^\d{1,10}$/.test(uid))
    .map(({ directory, uid }) => ({ directory, uid: Number(uid) }))
    .filter(({ directory, uid }) => isOwnDirectory(directory, uid));
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

function targetOf(link: string): string[] {
  try {
    const target = readlinkSync(link);
    return path.isAbsolute(target) ? [target] : [];
  } catch {
    return [];
  }
}

/** A directory of this user or of root, and no symlink, behind which could be any other. */
function isOwnDirectory(directory: string, uid: number): boolean {
  try {
    const stats = lstatSync(directory);
    return stats.isDirectory() && (stats.uid === uid || stats.uid === 0);
  } catch {
    return false;
  }
}

function statOf(file: string): Stats | undefined {
  try {
    return statSync(file);
  } catch {
    return undefined;
  }
}
