import { existsSync, lstatSync, readdirSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { isSystemFailure } from '../../common/errors.ts';
import { statsOf } from '../../common/files.ts';
import { makeOwnDirectory } from '../../linux/files/own-files.ts';

/*
 * Where the instances on this machine are. The supervisor, which creates these directories, and the commands, which
 * search them, share this rule (docs/reference/commands.md).
 */

/** A user, with the variables that determine where the user's instances are. */
export interface Owner {
  readonly uid: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A directory with one directory per instance, by name. Its LINKS lead to instances elsewhere. */
export interface InstanceRoot {
  readonly directory: string;
  /** The owner of its instances; null if only root can create instances there, which may belong to every user. */
  readonly uid: number | null;
}

const SYSTEM = '/run/zero';
const LOGINS = '/run/user';
const TEMPORARY = '/tmp';

/** A directory in a place: symlinks to runtime directories elsewhere. No name of an instance begins with a dot. */
const LINKS = '.instances';

export function processOwner(): Owner {
  return { uid: process.geteuid?.() ?? 0, environment: process.env };
}

/** The place of an instance of this user without a configured runtime directory. */
export function defaultRoot(owner: Owner): string {
  if (owner.uid === 0) return SYSTEM;
  return loginRoot(owner) ?? temporaryRoot(owner.uid);
}

/** Every place with instances that this user may see. Root sees those of every user. */
export function instanceRootsFor(owner: Owner): InstanceRoot[] {
  const { uid } = owner;
  const system: InstanceRoot = { directory: SYSTEM, uid: null };
  if (uid === 0) return [system, ...rootsOfUsers()];
  const own = [loginRoot(owner), path.join(LOGINS, String(uid), 'zero'), ...temporaryRoots(uid)];
  const found = [...new Set(own.filter((directory) => directory !== null))];
  return [...found.map((directory) => ({ directory, uid })), system];
}

/** The runtime directories in a place: its own by name, and the targets of its links. An unreadable place is empty. */
export function runtimeDirectoriesIn({ directory, uid }: InstanceRoot): string[] {
  if (uid !== null && !isOwnDirectory(directory, uid)) return [];
  const named = namesIn(directory)
    .filter((name) => !name.startsWith('.'))
    .map((name) => path.join(directory, name));
  const links = path.join(directory, LINKS);
  return [...named, ...namesIn(links).flatMap((name) => targetOf(path.join(links, name)))];
}

/**
 * Links an instance whose runtime directory is in no place of its user. Returns the function that removes the link.
 * Throws the errors of fs.
 */
export function linkInstance(runtimeDirectory: string, { uid }: Owner): () => void {
  const root = uid === 0 ? SYSTEM : temporaryRoot(uid);
  const fixed = uid === 0 ? [SYSTEM] : [path.join(LOGINS, String(uid), 'zero'), ...temporaryRoots(uid)];
  if (fixed.includes(path.dirname(runtimeDirectory))) return () => {};
  const links = path.join(root, LINKS);
  makeOwnDirectory(root, 0o755);
  if (!isOwnDirectory(root, uid)) throw new Error(`${root} belongs to another user`);
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

/** One name per directory. At most 255 bytes (NAME_MAX), because the path is short enough for sockets (claim.ts). */
function linkName(runtimeDirectory: string): string {
  return encodeURIComponent(runtimeDirectory);
}

/** Removes the links of killed supervisors whose directories no longer exist. */
function removeDeadLinks(links: string): void {
  for (const name of namesIn(links)) {
    const link = path.join(links, name);
    if (!existsSync(link)) removeLink(link);
  }
}

/**
 * XDG_RUNTIME_DIR belongs to its user (XDG Base Directory Specification). su(1) keeps the value of the previous user.
 */
function loginRoot({ uid, environment }: Owner): string | null {
  const { XDG_RUNTIME_DIR: base } = environment;
  if (!base) return null;
  const owner = statsOf(base)?.uid;
  return owner === undefined || owner === uid ? path.join(base, 'zero') : null;
}

function temporaryRoot(uid: number): string {
  return path.join(os.tmpdir(), `zero-${uid}`);
}

/** TMPDIR may differ between a login and cron. */
function temporaryRoots(uid: number): string[] {
  return [...new Set([temporaryRoot(uid), path.join(TEMPORARY, `zero-${uid}`)])];
}

/** The places of all users. A directory counts if it belongs to the user with the uid in its name. */
function rootsOfUsers(): InstanceRoot[] {
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

/** Whether a directory belongs to this user or root and is no symlink. A symlink could lead to any directory. */
function isOwnDirectory(directory: string, uid: number): boolean {
  try {
    const stats = lstatSync(directory);
    return stats.isDirectory() && (stats.uid === uid || stats.uid === 0);
  } catch {
    return false;
  }
}
