import { fstatSync, lstatSync } from 'node:fs';
import { setCloseOnExec } from '../../linux/exec.ts';
import { writeOwnFile } from '../../linux/files/own-files.ts';
import { type Kernel, linux } from '../../linux/kernel.ts';
import { pidfdGetfd } from '../../linux/processes.ts';
import { ownerOf } from '../../linux/procfs.ts';
import { descriptorsOf, socketInode } from '../../linux/socket-holder.ts';

/**
 * The system calls for finding keepers and taking sockets back. That code is a separate chunk and receives the calls as
 * an argument: an import would load the C library a second time.
 */
export interface KeeperSystem {
  readonly kernel: Kernel;
  /** The effective user of this process. */
  readonly uid: number;
  readonly ownerOf: typeof ownerOf;
  /** The owner of the file at a path; null if it does not exist. Symlinks are not followed. */
  readonly ownerOfPath: (path: string) => number | null;
  /** The owner of an open file. Throws Node's error. */
  readonly ownerOfFile: (fd: number) => number;
  readonly descriptorsOf: typeof descriptorsOf;
  readonly socketInode: typeof socketInode;
  readonly pidfdGetfd: typeof pidfdGetfd;
  readonly setCloseOnExec: typeof setCloseOnExec;
  readonly writeOwnFile: typeof writeOwnFile;
}

/** The running Linux kernel. */
export const keeperSystem: KeeperSystem = {
  kernel: linux,
  uid: process.geteuid?.() ?? 0,
  ownerOf,
  ownerOfPath: (path) => lstatSync(path, { throwIfNoEntry: false })?.uid ?? null,
  ownerOfFile: (fd) => fstatSync(fd).uid,
  descriptorsOf,
  socketInode,
  pidfdGetfd,
  setCloseOnExec,
  writeOwnFile,
};
