import { lookupGroup, lookupUser } from '../../linux/users.ts';
import { ReleaseError } from './release-error.ts';

/** The user that a process runs as. */
export interface TargetUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, as in a login of the user. */
  readonly groups: readonly number[];
  readonly home: string;
  readonly shell: string;
  /** False if the supervisor already is this user and group, so that nothing has to be changed. */
  readonly switches: boolean;
}

/** The user and groups of the supervisor. */
export interface OwnIds {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The user and group of `runtime.user` and `runtime.group`, names or numbers; null if neither is set. A group alone
 * keeps the supervisor's user. Throws ReleaseError if one does not exist, or if the supervisor may not change to it.
 */
export function resolveUser(
  user: string | undefined,
  group: string | undefined,
  own: OwnIds = ownIds(),
): TargetUser | null {
  if (user === undefined && group === undefined) return null;
  const found = lookupUser(user ?? String(own.uid)) ?? unnamed(user ?? String(own.uid));
  if (found === null) {
    throw new ReleaseError(
      'user',
      `user ${user} does not exist: it is neither in /etc/passwd nor in the name service (NSS)`,
    );
  }
  const foundGroup = group === undefined ? null : (lookupGroup(group) ?? numeric(group));
  if (group !== undefined && foundGroup === null) {
    throw new ReleaseError(
      'user',
      `group ${group} does not exist: it is neither in /etc/group nor in the name service (NSS)`,
    );
  }
  const gid = foundGroup?.gid ?? found.gid;
  const switches = own.uid === 0 || found.uid !== own.uid || gid !== own.gid;
  if (switches && own.uid !== 0) {
    throw new ReleaseError(
      'user',
      `run as ${found.name}: EPERM: zero runs as uid ${own.uid}, and only root can change the user`,
    );
  }
  const { name, uid, home, shell, groups } = found;
  return { name, uid, gid, groups, home, shell, switches };
}

function ownIds(): OwnIds {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}

// The kernel needs no entry in passwd(5) for a number, and containers often have none.
function unnamed(text: string) {
  const id = numeric(text)?.gid;
  if (id === undefined) return null;
  return { name: text, uid: id, gid: id, groups: [], home: '/', shell: '/bin/sh' };
}

function numeric(text: string): { gid: number } | null {
  // (uid_t) -1 means "no change" to setresuid(2).
  return /^\d+$/.test(text) && Number(text) < 0xffffffff ? { gid: Number(text) } : null;
}
