import { execFileSync } from 'node:child_process';
import { openSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { type Scope, temporaryFolder } from '../test/support/temporary.ts';

const BASE = 0x400000n;
const HEADERS = 64 + 56;

/**
 * x86-64, System V ABI: at the entry the stack holds argc, argv[0], argv[1]. The program reads the clock first.
 *
 *   clock_gettime(CLOCK_MONOTONIC, rsp-64)
 *   fd = open(argv[1], O_WRONLY|O_APPEND)
 *   write(fd, rsp-64, 16)
 *   for (;;) pause()
 */
const CODE = Buffer.from(
  [
    'b8e4000000 bf01000000 488d7424c0 0f05',
    'b802000000 488b7c2410 be01040000 0f05',
    '89c7 b801000000 488d7424c0 ba10000000 0f05',
    'b822000000 0f05 ebf7',
  ]
    .join(' ')
    .replaceAll(' ', ''),
  'hex',
);

/**
 * A static executable of 200 bytes (elf(5)): it has no interpreter and no libraries, so only the kernel's work counts
 * for its start.
 */
function executable(): Buffer {
  const bytes = Buffer.alloc(HEADERS);
  // ELF64, little-endian, version 1; ET_EXEC, EM_X86_64, version 1.
  bytes.write('7f454c46020101', 'hex');
  bytes.writeUInt16LE(2, 16);
  bytes.writeUInt16LE(62, 18);
  bytes.writeUInt32LE(1, 20);
  bytes.writeBigUInt64LE(BASE + BigInt(HEADERS), 24);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(64, 52);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(1, 56);
  // PT_LOAD of the whole file, readable and executable.
  const size = BigInt(HEADERS + CODE.length);
  bytes.writeUInt32LE(1, 64);
  bytes.writeUInt32LE(5, 68);
  bytes.writeBigUInt64LE(BASE, 80);
  bytes.writeBigUInt64LE(BASE, 88);
  bytes.writeBigUInt64LE(size, 96);
  bytes.writeBigUInt64LE(size, 104);
  bytes.writeBigUInt64LE(4096n, 112);
  return Buffer.concat([bytes, CODE]);
}

/** A service that reports its start and does nothing else. It exits at every signal. */
export interface Probe {
  readonly path: string;
  readonly args: readonly string[];
  readonly accepts: false;
  /** When the next probe executed its first instruction, in milliseconds of CLOCK_MONOTONIC. */
  next(): Promise<number>;
}

/** Creates the executable, and the FIFO for its reports, in a temporary folder. */
export function makeProbe(scope: Scope): Probe {
  if (process.arch !== 'x64') throw new Error('the probe is made of x86-64 instructions');
  const folder = temporaryFolder(scope);
  const path = join(folder, 'probe');
  const fifo = join(folder, 'moments');
  writeFileSync(path, executable(), { mode: 0o755 });
  execFileSync('mkfifo', [fifo]);
  // Opened for writing as well: a FIFO without a writer is at its end (fifo(7)).
  const reader = new Socket({ fd: openSync(fifo, 'r+'), readable: true, writable: false });
  scope.after(() => void reader.destroy());
  let waiting: ((moment: number) => void)[] = [];
  reader.on('data', (bytes: Buffer) => {
    for (let offset = 0; offset + 16 <= bytes.length; offset += 16) {
      const moment =
        Number(bytes.readBigInt64LE(offset)) * 1e3 + Number(bytes.readBigInt64LE(offset + 8)) / 1e6;
      const told = waiting;
      waiting = [];
      for (const tell of told) tell(moment);
    }
  });
  return { path, args: [fifo], accepts: false, next: () => new Promise((resolve) => waiting.push(resolve)) };
}
