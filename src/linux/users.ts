import { errnoNumber, SystemError } from './errors.ts';
import { addressOf, rawCall } from './libc.ts';

export interface User {
  name: string;
  uid: number;
  gid: number;
  home: string;
  shell: string;
  /** Every group of the user, the primary one included. */
  groups: number[];
}

export interface Group {
  name: string;
  gid: number;
}

// getpwnam(3), getgrnam(3) on 64-bit glibc.
const PASSWD_SIZE = 48;
const GROUP_SIZE = 32;
const NUMERIC = /^\d{1,10}$/;
const MAX_ID = 0xffffffff;

/**
 * The user with this name or number, from the sources of nsswitch.conf(5). A number is first looked up as a name. Null
 * if there is none. Throws SystemError if the database cannot be read.
 */
export function lookupUser(nameOrUid: string): User | null {
  const entry =
    lookup('getpwnam_r', PASSWD_SIZE, (record, buffer, result) =>
      rawCall('getpwnam_r', nameOrUid, record, buffer, buffer.length, result),
    ) ??
    (isId(nameOrUid)
      ? lookup('getpwuid_r', PASSWD_SIZE, (record, buffer, result) =>
          rawCall('getpwuid_r', Number(nameOrUid), record, buffer, buffer.length, result),
        )
      : null);
  if (!entry) return null;
  const name = entry.string(0);
  const gid = entry.record.readUInt32LE(20);
  return {
    name,
    uid: entry.record.readUInt32LE(16),
    gid,
    home: entry.string(32),
    shell: entry.string(40),
    groups: groupsOf(name, gid),
  };
}

/** The group with this name or number, like `lookupUser`. Throws SystemError. */
export function lookupGroup(nameOrGid: string): Group | null {
  const entry = findGroup(nameOrGid);
  return entry && { name: entry.string(0), gid: entry.record.readUInt32LE(16) };
}

/**
 * Names of the users that the group lists; none for a group that does not exist. Does not contain users whose primary
 * group it is. Throws SystemError.
 */
export function groupMembers(gid: number): string[] {
  return findGroup(String(gid))?.strings(24) ?? [];
}

function findGroup(nameOrGid: string): Entry | null {
  return (
    lookup('getgrnam_r', GROUP_SIZE, (record, buffer, result) =>
      rawCall('getgrnam_r', nameOrGid, record, buffer, buffer.length, result),
    ) ??
    (isId(nameOrGid)
      ? lookup('getgrgid_r', GROUP_SIZE, (record, buffer, result) =>
          rawCall('getgrgid_r', Number(nameOrGid), record, buffer, buffer.length, result),
        )
      : null)
  );
}

function isId(text: string): boolean {
  return NUMERIC.test(text) && Number(text) < MAX_ID;
}

interface Entry {
  record: Buffer;
  /** The string that the pointer at this offset of the record points to. */
  string(offset: number): string;
  /** The strings of the NULL-terminated array that the pointer at this offset points to. */
  strings(offset: number): string[];
}

// These errors also mean "no such entry", depending on the source (getpwnam_r(3), ERRORS).
const ABSENT = new Set(['ENOENT', 'ESRCH', 'EBADF', 'EPERM'].map(errnoNumber));
const ERANGE = errnoNumber('ERANGE');
const EINTR = errnoNumber('EINTR');
const MAX_BUFFER = 1 << 22;

function lookup(
  name: string,
  size: number,
  ask: (record: Buffer, buffer: Buffer, result: Buffer) => number,
): Entry | null {
  for (let capacity = 1024; ; ) {
    const record = Buffer.alloc(size);
    const buffer = Buffer.alloc(capacity);
    const result = Buffer.alloc(8);
    const errno = ask(record, buffer, result);
    if (errno === ERANGE && capacity < MAX_BUFFER) capacity *= 4;
    else if (errno === 0 && result.readBigUInt64LE(0) !== 0n) return entryOf(record, buffer);
    else if (errno === 0 || ABSENT.has(errno)) return null;
    else if (errno !== EINTR) throw new SystemError(name, errno);
  }
}

function entryOf(record: Buffer, buffer: Buffer): Entry {
  const base = addressOf(buffer);
  const textAt = (pointer: bigint): string => {
    const start = Number(pointer - base);
    if (start < 0 || start >= buffer.length) return '';
    return buffer.toString('utf8', start, buffer.indexOf(0, start));
  };
  return {
    record,
    string: (offset) => textAt(record.readBigUInt64LE(offset)),
    strings(offset) {
      const found: string[] = [];
      let at = Number(record.readBigUInt64LE(offset) - base);
      for (; at >= 0 && at + 8 <= buffer.length; at += 8) {
        const pointer = buffer.readBigUInt64LE(at);
        if (pointer === 0n) break;
        found.push(textAt(pointer));
      }
      return found;
    },
  };
}

function groupsOf(name: string, gid: number): number[] {
  for (let capacity = 64; ; ) {
    const groups = Buffer.alloc(capacity * 4);
    const count = Buffer.alloc(4);
    count.writeInt32LE(capacity);
    const enough = rawCall('getgrouplist', name, gid, groups, count) !== -1;
    const needed = count.readInt32LE(0);
    if (enough) return Array.from({ length: needed }, (_, index) => groups.readUInt32LE(index * 4));
    if (capacity > 65536) throw new SystemError('getgrouplist', ERANGE, name);
    capacity = Math.max(needed, capacity * 2);
  }
}

export { mayExecute, maySearch } from './files/execute-permission.ts';

/** A user's name, or the number if it has none. */
export function userName(uid: number): string {
  try {
    const user = lookupUser(String(uid));
    return user?.uid === uid ? user.name : String(uid);
  } catch {
    return String(uid);
  }
}
