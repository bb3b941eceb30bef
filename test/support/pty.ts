import { closeSync, constants, openSync } from 'node:fs';
import koffi from 'koffi';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Both ends of a pseudo-terminal (pty(7)). */
export interface Pty {
  /** The master side. Reads fail with EIO once no process has the other side open. */
  readonly master: number;
  /** The terminal. To be closed after the program has inherited it. */
  readonly slave: number;
}

// asm-generic/ioctls.h, the same on x86-64 and AArch64.
const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;
const TIOCSWINSZ = 0x5414;

type Ioctl = (fd: number, request: number, argument: Buffer) => number;
let ioctl: Ioctl | null = null;

function control(fd: number, request: number, argument: Buffer): void {
  // Variadic in C. A pointer is passed like a named argument on both architectures.
  const declared: Ioctl = ioctl ?? koffi.load(null).func('int ioctl(int, unsigned long, void*)');
  ioctl = declared;
  if (declared(fd, request, argument) !== 0) throw new Error(`ioctl ${request.toString(16)} failed`);
}

/** Opens a pseudo-terminal. The caller closes both ends. */
export function openPty(size: Size): Pty {
  const master = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY);
  try {
    const number = Buffer.alloc(4);
    control(master, TIOCSPTLCK, number);
    control(master, TIOCGPTN, number);
    resizePty(master, size);
    const path = `/dev/pts/${number.readInt32LE(0)}`;
    return { master, slave: openSync(path, constants.O_RDWR | constants.O_NOCTTY) };
  } catch (error) {
    closeSync(master);
    throw error;
  }
}

/** Sets another size. The kernel notifies the program in the foreground (SIGWINCH). */
export function resizePty(master: number, { columns, rows }: Size): void {
  // struct winsize: rows, columns, and an unused size in pixels.
  const size = Buffer.alloc(8);
  size.writeUInt16LE(rows, 0);
  size.writeUInt16LE(columns, 2);
  control(master, TIOCSWINSZ, size);
}
