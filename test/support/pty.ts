import { closeSync, constants, openSync } from 'node:fs';
import koffi from 'koffi';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Both ends of a pseudo-terminal (pty(7)). */
export interface Pty {
  /** The end of the terminal: reads fail with EIO once nobody has the other end open any more. */
  readonly master: number;
  /** The terminal. To be closed when the program that it is for has it. */
  readonly slave: number;
}

// asm-generic/ioctls.h, the same on x86-64 and AArch64.
const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;
const TIOCSWINSZ = 0x5414;

type Ioctl = (fd: number, request: number, argument: Buffer) => number;
let ioctl: Ioctl | null = null;

function control(fd: number, request: number, argument: Buffer): void {
  // Variadic in C; a pointer goes the same way as a named argument on both architectures.
  const declared: Ioctl = ioctl ?? koffi.load(null).func('int ioctl(int, unsigned long, void*)');
  ioctl = declared;
  if (declared(fd, request, argument) !== 0) throw new Error(`ioctl ${request.toString(16)} failed`);
}

/** Opens a new one. The caller closes both ends. */
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

/** Another size; the kernel tells the program in the foreground (SIGWINCH). */
export function resizePty(master: number, { columns, rows }: Size): void {
  // struct winsize: rows, columns, and a size in pixels that nobody knows.
  const size = Buffer.alloc(8);
  size.writeUInt16LE(rows, 0);
  size.writeUInt16LE(columns, 2);
  control(master, TIOCSWINSZ, size);
}
