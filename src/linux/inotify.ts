import { readSync } from 'node:fs';
import { errorCode } from '../common/errors.ts';
import { call, callAbout, tryCall } from './libc.ts';
import { reactor } from './reactor.ts';
import { closeFd } from './sockets.ts';

// inotify(7), uapi/linux/inotify.h.
const IN_MODIFY = 0x2;
const IN_ATTRIB = 0x4;
const IN_CLOSE_WRITE = 0x8;
const IN_MOVED_FROM = 0x40;
const IN_MOVED_TO = 0x80;
const IN_CREATE = 0x100;
const IN_DELETE = 0x200;
const IN_DELETE_SELF = 0x400;
const IN_MOVE_SELF = 0x800;
const IN_Q_OVERFLOW = 0x4000;
const IN_IGNORED = 0x8000;
const IN_ONLYDIR = 0x1000000;
// The same values as in open(2), on x64 and arm64.
const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;

const NAMES = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;
const REMOVALS = IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;
const CONTENT = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE;

const HEADER_SIZE = 16;
/** At least one event with the longest name (NAME_MAX) must fit. */
const BUFFER_SIZE = 64 * 1024;

/** An event in a directory. */
export interface DirectoryEvent {
  /** The result of `add`; -1: events were lost, so any change may have happened in any directory. */
  readonly watch: number;
  /** The entry; empty for the directory itself. */
  readonly name: string;
  /**
   * `written`: data was written, and the file may still be open. `closed`: the descriptor that could write was closed.
   */
  readonly what: 'written' | 'closed' | 'changed' | 'gone';
}

/** Watches directories through one inotify instance. */
export interface DirectoryWatches {
  /**
   * Watches a directory. The same directory again gets the same number and the new `content`. Without `content`, only
   * names are watched. Throws SystemError: ENOENT, ENOTDIR, EACCES, ENOSPC when fs.inotify.max_user_watches is reached.
   */
  add(directory: string, content: boolean): number;
  remove(watch: number): void;
  close(): void;
}

/** Throws SystemError EMFILE if the process, or fs.inotify.max_user_instances, allows no more. */
export function watchDirectories(happened: (events: readonly DirectoryEvent[]) => void): DirectoryWatches {
  const fd = call('inotify_init1', IN_NONBLOCK | IN_CLOEXEC);
  const watch = reactor.watch(fd, () => happened(readEvents(fd)));
  return {
    add: (directory, content) =>
      callAbout(directory, 'inotify_add_watch', fd, directory, NAMES | IN_ONLYDIR | (content ? CONTENT : 0)),
    // EINVAL: its directory was removed, and the watch with it.
    remove: (number) => void tryCall(['EINVAL'], 'inotify_rm_watch', fd, number),
    close() {
      watch.close();
      closeFd(fd);
    },
  };
}

/**
 * Calls back when a directory or an entry of it was deleted, or the directory was moved; once for all changes since the
 * last turn of the event loop. Throws as watchDirectories() and DirectoryWatches.add().
 */
export function watchRemovals(directory: string, removed: () => void): { close(): void } {
  const fd = call('inotify_init1', IN_NONBLOCK | IN_CLOEXEC);
  try {
    callAbout(directory, 'inotify_add_watch', fd, directory, REMOVALS | IN_ONLYDIR);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  const watch = reactor.watch(fd, () => {
    if (readEvents(fd).length > 0) removed();
  });
  return {
    close() {
      watch.close();
      closeFd(fd);
    },
  };
}

function readEvents(fd: number): DirectoryEvent[] {
  const buffer = Buffer.alloc(BUFFER_SIZE);
  let length: number;
  try {
    length = readSync(fd, buffer);
  } catch (error) {
    if (errorCode(error) === 'EAGAIN') return [];
    throw error;
  }
  return decodeEvents(buffer.subarray(0, length));
}

/** struct inotify_event: int wd; uint32_t mask, cookie, len; char name[len], padded with NUL. */
export function decodeEvents(bytes: Buffer): DirectoryEvent[] {
  const events: DirectoryEvent[] = [];
  for (let at = 0; at + HEADER_SIZE <= bytes.length; ) {
    const size = bytes.readUInt32LE(at + 12);
    const padded = bytes.toString('utf8', at + HEADER_SIZE, at + HEADER_SIZE + size);
    const mask = bytes.readUInt32LE(at + 4);
    const watch = mask & IN_Q_OVERFLOW ? -1 : bytes.readInt32LE(at);
    events.push({ watch, name: padded.replace(/\0+$/, ''), what: meaningOf(mask) });
    at += HEADER_SIZE + size;
  }
  return events;
}

function meaningOf(mask: number): DirectoryEvent['what'] {
  if (mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_DELETE | IN_MOVED_FROM)) return 'gone';
  if (mask & IN_CLOSE_WRITE) return 'closed';
  return mask & IN_MODIFY ? 'written' : 'changed';
}
