import { fchmodSync, lstatSync, unlinkSync } from 'node:fs';
import { boundFile, type FileIdentity, isFile, setAccess } from './bound-file.ts';
import { callAbout, tryCall } from './libc.ts';
import {
  controlMessages,
  controlSpace,
  MSG_CTRUNC,
  MSG_TRUNC,
  messageBlock,
  messageFlags,
  resetControlLength,
  SCM_CREDENTIALS,
  SCM_RIGHTS,
  writeControlMessage,
} from './message-header.ts';
import { encodeAddress } from './sockaddr.ts';
import { bindSocket, closeFd, openSocket, setOption } from './sockets.ts';

/** One datagram. `sender` contains the credentials from the kernel. The caller owns `fds` and closes them. */
export interface Datagram {
  data: Buffer;
  sender: { pid: number; uid: number; gid: number } | null;
  fds: number[];
  /** More bytes or descriptors were sent than there was space for. */
  truncated: boolean;
}

// systemd's own limits: a notification has at most PIPE_BUF bytes (sd_notify(3)); unix(7): SCM_MAX_FD is 253.
const DATA_CAPACITY = 4096;
const MAX_DESCRIPTORS = 253;
const CREDENTIALS_SIZE = 12;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;

const controlCapacity = controlSpace(CREDENTIALS_SIZE) + controlSpace(MAX_DESCRIPTORS * 4);
let receiveBlock: ReturnType<typeof messageBlock> | undefined;

/**
 * The next datagram of a Unix datagram socket, up to 4096 bytes of it, or null if none waits. The sender is known if
 * the socket has `passcred` set. Throws SystemError.
 */
export function receiveDatagram(fd: number): Datagram | null {
  receiveBlock ??= messageBlock(DATA_CAPACITY, controlCapacity, 0);
  const message = receiveBlock;
  resetControlLength(message);
  const length = tryCall(['EAGAIN'], 'recvmsg', fd, message.block, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length === 'EAGAIN') return null;
  const datagram: Datagram = {
    data: Buffer.from(message.data.subarray(0, length)),
    sender: null,
    fds: [],
    truncated: (messageFlags(message) & (MSG_TRUNC | MSG_CTRUNC)) !== 0,
  };
  for (const { type, bytes } of controlMessages(message)) {
    if (type === SCM_CREDENTIALS) {
      datagram.sender = { pid: bytes.readInt32LE(0), uid: bytes.readUInt32LE(4), gid: bytes.readUInt32LE(8) };
    } else if (type === SCM_RIGHTS) {
      for (let offset = 0; offset + 4 <= bytes.length; offset += 4)
        datagram.fds.push(bytes.readInt32LE(offset));
    }
  }
  return datagram;
}

/**
 * Sends one datagram with optional descriptors to the Unix socket at `path` ('@name' abstract), for example to
 * NOTIFY_SOCKET. Throws SystemError (ENOENT, ECONNREFUSED, EAGAIN if the receiver's queue is full).
 */
export function sendDatagram(path: string, data: string | Buffer, fds: readonly number[] = []): void {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  const address = encodeAddress({ family: 'unix', path });
  const descriptors = Buffer.alloc(fds.length * 4);
  for (const [index, fd] of fds.entries()) descriptors.writeInt32LE(fd, index * 4);
  const message = messageBlock(bytes.length, controlSpace(descriptors.length), address.length);
  bytes.copy(message.data);
  address.copy(message.name);
  if (fds.length > 0) writeControlMessage(message, SCM_RIGHTS, descriptors);
  const socket = openSocket('unix', 'dgram');
  try {
    callAbout(path, 'sendmsg', socket, message.block, MSG_NOSIGNAL);
  } finally {
    closeFd(socket);
  }
}

/**
 * Creates a Unix datagram socket at `path` that receives each sender's credentials. An existing socket there is
 * replaced; any other file is EADDRINUSE. Only the owner can send before `mode` (default 0600), `uid` and `gid` are
 * set. Throws SystemError, ReplacedFileError, or the file system's error for chown and chmod.
 */
export function createDatagramSocket(
  path: string,
  access: { uid?: number; gid?: number; mode?: number } = {},
): number {
  const fd = openSocket('unix', 'dgram');
  let file: FileIdentity | null = null;
  try {
    setOption(fd, 'passcred', 1);
    if (!path.startsWith('@')) unlinkSocket(path);
    // The file gets the mode that the socket itself has at bind (unix_bind_bsd in net/unix/af_unix.c), minus the umask.
    fchmodSync(fd, 0o600);
    bindSocket(fd, { family: 'unix', path });
    if (path.startsWith('@')) return fd;
    file = boundFile(fd, path);
    setAccess(path, file, { mode: 0o600, ...access });
    return fd;
  } catch (error) {
    // Before the socket is closed: until then no other file can have its inode number.
    if (file !== null && isFile(path, file)) unlinkSync(path);
    closeFd(fd);
    throw error;
  }
}

function unlinkSocket(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) unlinkSync(path);
}
