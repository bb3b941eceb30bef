import { statSync } from 'node:fs';
import { attributes, diagDump, diagDumpOnPool, diagLookup } from './netlink.ts';
import { AF_UNIX, decodeUnixPath } from './sockaddr.ts';

/**
 * A Unix socket as sock_diag(7) reports it. `path` is the name given to bind(2) ('@name' abstract, '' none), even if
 * that name has changed since. `peer` is the inode of the connected socket, 0 while the connection is not accepted,
 * null for an unconnected socket.
 */
export interface UnixSocket {
  inode: number;
  cookie: bigint;
  type: 'stream' | 'dgram' | 'seqpacket';
  listening: boolean;
  path: string;
  peer: number | null;
  /** For a listening socket: connections to accept, and the backlog. Otherwise unread bytes, and unsent ones. */
  rqueue: number;
  wqueue: number;
}

const REQUEST_SIZE = 24;
const MESSAGE_SIZE = 16;
// linux/unix_diag.h
const UDIAG_SHOW_NAME = 0x01;
const UDIAG_SHOW_VFS = 0x02;
const UDIAG_SHOW_PEER = 0x04;
const UDIAG_SHOW_RQLEN = 0x10;
const UNIX_DIAG_NAME = 0;
const UNIX_DIAG_VFS = 1;
const UNIX_DIAG_PEER = 2;
const UNIX_DIAG_RQLEN = 4;
// Enum of include/net/tcp_states.h.
const TCP_ESTABLISHED = 1;
const TCP_LISTEN = 10;

// struct unix_diag_req; a cookie of all ones matches any.
function encodeRequest(inode: number, states: number): Buffer {
  const bytes = Buffer.alloc(REQUEST_SIZE);
  bytes[0] = AF_UNIX;
  bytes.writeUInt32LE(states >>> 0, 4);
  bytes.writeUInt32LE(inode, 8);
  bytes.writeUInt32LE(UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN, 12);
  bytes.fill(0xff, 16);
  return bytes;
}

/** The Unix socket with this inode number, without a dump; null if there is none. Throws SystemError. */
export function unixSocket(inode: number): UnixSocket | null {
  const answer = diagLookup(encodeRequest(inode, 0xffffffff));
  return answer === null ? null : decodeSocket(answer);
}

/**
 * Whether the socket was bound to this file, according to the kernel. It reports the low 32 bits of the inode
 * (unix_diag_vfs). The device is not compared, because btrfs reports a different one to stat(2). Throws SystemError.
 */
export function isBoundTo(socketInode: number, fileInode: number): boolean {
  const answer = diagLookup(encodeRequest(socketInode, 0xffffffff));
  const vfs = answer === null ? undefined : attributes(answer, MESSAGE_SIZE).get(UNIX_DIAG_VFS);
  return vfs !== undefined && vfs.readUInt32LE(0) === Number(BigInt(fileInode) & 0xffffffffn);
}

/**
 * The Unix sockets that a path ('@name' abstract) leads to: those bound to the file that is there now, under any name.
 * If the file system hides the file (overlayfs), those bound under that name. Throws SystemError.
 */
export function unixSocketsAt(path: string): UnixSocket[] {
  const file = path.startsWith('@') ? undefined : statSync(path, { bigint: true, throwIfNoEntry: false });
  const byFile: UnixSocket[] = [];
  const byName: UnixSocket[] = [];
  for (const payloads of diagDump(encodeRequest(0, 0xffffffff))) {
    for (const payload of payloads) {
      const vfs = attributes(payload, MESSAGE_SIZE).get(UNIX_DIAG_VFS);
      const socket = decodeSocket(payload);
      if (file && vfs && isSameFile(vfs, file)) byFile.push(socket);
      // Accepted connections have the listener's name and a peer.
      if (socket.path === path && socket.peer === null) byName.push(socket);
    }
  }
  const bound = byFile.filter((socket) => socket.peer === null);
  return bound.length > 0 ? bound : byName;
}

/**
 * The connections that were accepted on stream sockets bound under these names ('@name' abstract), in slices of well
 * under a millisecond. Rejects with SystemError.
 */
export async function* unixConnectionsAt(
  names: ReadonlySet<string>,
): AsyncGenerator<UnixSocket[], void, void> {
  for await (const payloads of diagDumpOnPool(encodeRequest(0, 1 << TCP_ESTABLISHED))) {
    // An accepted connection has its listener's name (unix_stream_connect in net/unix/af_unix.c), and no file before it
    // is accepted.
    yield payloads
      .map(decodeSocket)
      .filter(({ path, type, inode }) => type === 'stream' && inode !== 0 && names.has(path));
  }
}

// struct unix_diag_vfs: the low 32 bits of the inode, and the device in the kernel's encoding, 12 bits major, 20 bits
// minor. stat(2) returns the encoding of makedev(3).
function isSameFile(vfs: Buffer, file: { ino: bigint; dev: bigint }): boolean {
  const device = vfs.readUInt32LE(4);
  const major = BigInt(device >>> 20);
  const minor = BigInt(device & 0xfffff);
  const packed =
    (minor & 0xffn) | ((major & 0xfffn) << 8n) | ((minor & ~0xffn) << 12n) | ((major & ~0xfffn) << 32n);
  return BigInt(vfs.readUInt32LE(0)) === (file.ino & 0xffffffffn) && packed === file.dev;
}

// struct unix_diag_msg.
function decodeSocket(payload: Buffer): UnixSocket {
  const found = attributes(payload, MESSAGE_SIZE);
  const queues = found.get(UNIX_DIAG_RQLEN);
  const type = payload[1];
  return {
    inode: payload.readUInt32LE(4),
    cookie: payload.readBigUInt64LE(8),
    type: type === 1 ? 'stream' : type === 2 ? 'dgram' : 'seqpacket',
    listening: payload[2] === TCP_LISTEN,
    path: decodeUnixPath(found.get(UNIX_DIAG_NAME) ?? Buffer.alloc(0)),
    peer: found.get(UNIX_DIAG_PEER)?.readUInt32LE(0) ?? null,
    rqueue: queues?.readUInt32LE(0) ?? 0,
    wqueue: queues?.readUInt32LE(4) ?? 0,
  };
}
