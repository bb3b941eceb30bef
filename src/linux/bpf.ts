import { addressOf, callAbout } from './libc.ts';
import { setOption } from './sockets.ts';

/** One instruction of classic BPF: struct sock_filter of linux/filter.h. */
export interface Instruction {
  code: number;
  /** Number of instructions to skip if a comparison is true, and if it is false: 0 to 255. */
  jt: number;
  jf: number;
  k: number;
}

/**
 * An instruction whose jumps name labels. Without a label, the next instruction follows. Labels are strings between
 * instructions.
 */
export interface Statement {
  code: number;
  k: number;
  jt?: string;
  jf?: string;
}

// Offsets of linux/filter.h: reading at SKF_AD_OFF + n returns a value from the kernel, at SKF_NET_OFF + n byte n of
// the IP header.
export const SKF_AD_RANDOM = (-0x1000 + 56) >>> 0;
export const SKF_NET_OFF = -0x100000 >>> 0;

/** The opcodes used here, as BPF_CLASS | BPF_SIZE | BPF_MODE or BPF_CLASS | BPF_OP | BPF_SRC (linux/bpf_common.h). */
export const OPCODES = {
  ld: 0x20,
  ldh: 0x28,
  ldb: 0x30,
  ldhIndirect: 0x48,
  ldxHeaderLength: 0xb1,
  add: 0x04,
  mul: 0x24,
  and: 0x54,
  xorX: 0xac,
  tax: 0x07,
  rsh: 0x74,
  mod: 0x94,
  ja: 0x05,
  jeq: 0x15,
  jge: 0x35,
  ret: 0x06,
  retA: 0x16,
} as const;

const field = (offset: number) => (SKF_NET_OFF + offset) >>> 0;
const compare = (code: number) => (k: number, jt?: string, jf?: string) =>
  ({
    code,
    k: k >>> 0,
    ...(jt === undefined ? {} : { jt }),
    ...(jf === undefined ? {} : { jf }),
  }) as Statement;

/** Loads 4, 2 or 1 bytes of the IP header at `offset` into A. */
export const ld = (offset: number): Statement => ({ code: OPCODES.ld, k: field(offset) });
export const ldh = (offset: number): Statement => ({ code: OPCODES.ldh, k: field(offset) });
export const ldb = (offset: number): Statement => ({ code: OPCODES.ldb, k: field(offset) });
/** The same at X + `offset`. `ldxHeaderLength` first makes that an offset in the transport header of an IPv4 packet. */
export const ldhIndirect = (offset: number): Statement => ({ code: OPCODES.ldhIndirect, k: field(offset) });
/** X = 4 * (low nibble of the byte at `offset`): the length of an IPv4 header. */
export const ldxHeaderLength = (offset: number): Statement => ({
  code: OPCODES.ldxHeaderLength,
  k: field(offset),
});
/** A = a new random 32-bit number at each use. */
export const random = (): Statement => ({ code: OPCODES.ld, k: SKF_AD_RANDOM });
export const add = (k: number): Statement => ({ code: OPCODES.add, k: k >>> 0 });
/** A = A * k, truncated to 32 bits. */
export const mul = (k: number): Statement => ({ code: OPCODES.mul, k: k >>> 0 });
/** A = A xor X. */
export const xorX = (): Statement => ({ code: OPCODES.xorX, k: 0 });
/** X = A. */
export const tax = (): Statement => ({ code: OPCODES.tax, k: 0 });
export const and = (k: number): Statement => ({ code: OPCODES.and, k: k >>> 0 });
export const rsh = (k: number): Statement => ({ code: OPCODES.rsh, k });
export const mod = (k: number): Statement => {
  if (k < 1) throw new RangeError(`modulus ${k}: the kernel refuses a program that divides by zero`);
  return { code: OPCODES.mod, k: k >>> 0 };
};
/** Jumps to the label `to`, at any distance. */
export const ja = (to: string): Statement => ({ code: OPCODES.ja, k: 0, jt: to });
/** Compares A with k, unsigned: continues at `jt` if true, at `jf` if false. Default: the next instruction. */
export const jeq = compare(OPCODES.jeq);
export const jge = compare(OPCODES.jge);
/** Ends the program with k, or with A: the index of the socket in its reuseport group. */
export const ret = (k: number): Statement => ({ code: OPCODES.ret, k: k >>> 0 });
export const retA = (): Statement => ({ code: OPCODES.retA, k: 0 });

const MAX_INSTRUCTIONS = 4096;

/**
 * Resolves labels to relative jumps. Throws RangeError for an unknown or duplicate label, a backward jump, a
 * conditional jump over more than 255 instructions, an empty program or one with more than 4096 instructions
 * (BPF_MAXINSNS).
 */
export function assemble(source: readonly (Statement | string)[]): Instruction[] {
  const labels = new Map<string, number>();
  const statements: Statement[] = [];
  for (const item of source) {
    if (typeof item !== 'string') statements.push(item);
    else if (labels.has(item)) throw new RangeError(`label ${item} stands twice`);
    else labels.set(item, statements.length);
  }
  if (statements.length === 0 || statements.length > MAX_INSTRUCTIONS) {
    throw new RangeError(`a program has 1 to ${MAX_INSTRUCTIONS} instructions, not ${statements.length}`);
  }
  const distance = (index: number, label: string | undefined, limit: number) => {
    if (label === undefined) return 0;
    const target = labels.get(label);
    if (target === undefined) throw new RangeError(`unknown label ${label}`);
    const skip = target - index - 1;
    if (skip < 0 || skip > limit || target >= statements.length) {
      throw new RangeError(`instruction ${index} cannot jump to ${label}, ${skip} instructions on`);
    }
    return skip;
  };
  return statements.map(({ code, k, jt, jf }, index) =>
    code === OPCODES.ja
      ? { code, jt: 0, jf: 0, k: distance(index, jt, MAX_INSTRUCTIONS) }
      : { code, jt: distance(index, jt, 255), jf: distance(index, jf, 255), k },
  );
}

/** The instructions as an array of struct sock_filter. */
export function encodeProgram(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, { code, jt, jf, k }] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes[index * 8 + 2] = jt;
    bytes[index * 8 + 3] = jf;
    bytes.writeUInt32LE(k, index * 8 + 4);
  }
  return bytes;
}

/**
 * Makes the program select among the sockets of this socket's reuseport group, replacing any earlier program. Needs no
 * privilege (SO_ATTACH_REUSEPORT_CBPF, socket(7)). Throws SystemError: EINVAL for a program that the kernel refuses or
 * a socket without SO_REUSEPORT, EPERM for a locked one.
 */
export function attachReuseport(fd: number, program: readonly Instruction[]): void {
  const SOL_SOCKET = 1;
  const SO_ATTACH_REUSEPORT_CBPF = 51;
  const filters = encodeProgram(program);
  const block = Buffer.alloc(16 + filters.length);
  block.writeUInt16LE(program.length, 0);
  block.writeBigUInt64LE(addressOf(block) + 16n, 8);
  filters.copy(block, 16);
  callAbout('reuseport program', 'setsockopt', fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, block, 16);
}

/** Forbids every holder of the socket to change its program (SO_LOCK_FILTER, socket(7)). This is irreversible. */
export function lockFilter(fd: number): void {
  setOption(fd, 'lock_filter', 1);
}
