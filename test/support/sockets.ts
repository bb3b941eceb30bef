import { constants } from 'node:fs';
import { dumpTcp, type InetAddress, stateMask } from '../../src/linux/inet-diag.ts';
import { callAbout } from '../../src/linux/libc.ts';

const F_GETFL = 3;
const F_SETFL = 4;
const SOL_SOCKET = 1;
const SO_COOKIE = 57;

/** The accept queue of a listening socket: waiting connections (`rqueue`) and the backlog (`wqueue`). */
export interface ListenQueue {
  readonly inode: number;
  readonly cookie: bigint;
  readonly address: InetAddress;
  readonly rqueue: number;
  readonly wqueue: number;
}

/** The accept queue of each socket that listens on a TCP port. Throws SystemError. */
export function listenQueues(port: number): ListenQueue[] {
  return [...dumpTcp(port, stateMask('LISTEN'))]
    .flat()
    .map(({ inode, cookie, local, rqueue, wqueue }) => ({ inode, cookie, address: local, rqueue, wqueue }));
}

/** The number that identifies a socket until reboot, also in sock_diag (SO_COOKIE, socket(7)). Throws SystemError. */
export function socketCookie(fd: number): bigint {
  const value = Buffer.alloc(8);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(value.length);
  callAbout('cookie', 'getsockopt', fd, SOL_SOCKET, SO_COOKIE, value, length);
  return value.readBigUInt64LE(0);
}

/** Makes reads and writes of a descriptor fail with EAGAIN instead of blocking. Throws SystemError. */
export function setNonBlocking(fd: number): void {
  const flags = callAbout(`descriptor ${fd}`, 'fcntl', fd, F_GETFL, 0);
  callAbout(`descriptor ${fd}`, 'fcntl', fd, F_SETFL, flags | constants.O_NONBLOCK);
}
