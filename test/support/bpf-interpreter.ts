import { type Instruction, OPCODES, SKF_AD_RANDOM, SKF_NET_OFF } from '../../src/linux/bpf.ts';
import { inet4Bytes, inet6Bytes } from '../../src/linux/sockaddr.ts';

/** A SYN packet as a steering program reads it, and the random numbers for the program, in order. */
export interface Packet {
  version: 4 | 6;
  saddr: string;
  sport: number;
  daddr?: string;
  dport?: number;
  random?: readonly number[];
  /** Bytes of IPv4 options, a multiple of 4, at most 40. */
  options?: number;
}

const IP_AREA = SKF_NET_OFF;
const AUXILIARY_AREA = -0x1000 >>> 0;

/**
 * The result of a program for a packet, as the kernel's interpreter returns it: an unsigned 32-bit number. A read
 * beyond the packet ends the program with 0. Throws RangeError for an instruction that is not in `OPCODES`, and when
 * the program draws more random numbers than given.
 */
export function run(program: readonly Instruction[], packet: Packet): number {
  const header = headerBytes(packet);
  const randoms = [...(packet.random ?? [])];
  let a = 0;
  let x = 0;
  const load = (offset: number, size: 1 | 2 | 4): number | null => {
    if (offset === SKF_AD_RANDOM) {
      const drawn = randoms.shift();
      if (drawn === undefined) throw new RangeError('the packet has no random number left');
      return drawn >>> 0;
    }
    if (offset < IP_AREA || offset >= AUXILIARY_AREA)
      throw new RangeError(`read at ${offset}: not in the IP header`);
    const at = offset - IP_AREA;
    return at + size > header.length ? null : header.readUIntBE(at, size);
  };
  for (let pc = 0; pc < program.length; pc += 1) {
    const instruction = program[pc];
    if (!instruction) break;
    const { code, jt, jf, k } = instruction;
    let loaded: number | null = a;
    let taken: boolean | null = null;
    switch (code) {
      case OPCODES.ld:
        loaded = load(k, 4);
        break;
      case OPCODES.ldh:
        loaded = load(k, 2);
        break;
      case OPCODES.ldb:
        loaded = load(k, 1);
        break;
      case OPCODES.ldhIndirect:
        loaded = load((k + x) >>> 0, 2);
        break;
      case OPCODES.ldxHeaderLength: {
        const byte = load(k, 1);
        if (byte === null) return 0;
        x = (byte & 0xf) * 4;
        break;
      }
      case OPCODES.add:
        loaded = (a + k) >>> 0;
        break;
      case OPCODES.mul:
        loaded = Math.imul(a, k) >>> 0;
        break;
      case OPCODES.xorX:
        loaded = (a ^ x) >>> 0;
        break;
      case OPCODES.tax:
        x = a;
        break;
      case OPCODES.and:
        loaded = (a & k) >>> 0;
        break;
      case OPCODES.rsh:
        loaded = a >>> k;
        break;
      case OPCODES.mod:
        loaded = a % k;
        break;
      case OPCODES.ja:
        pc += k;
        break;
      case OPCODES.jeq:
        taken = a === k;
        break;
      case OPCODES.jge:
        taken = a >= k;
        break;
      case OPCODES.ret:
        return k;
      case OPCODES.retA:
        return a;
      default:
        throw new RangeError(`unknown opcode 0x${code.toString(16)}`);
    }
    if (loaded === null) return 0;
    a = loaded;
    if (taken !== null) pc += taken ? jt : jf;
  }
  throw new RangeError('the program ends without ret');
}

// RFC 791, RFC 8200: the fixed header, then the first bytes of the TCP header (RFC 9293): ports.
function headerBytes(packet: Packet): Buffer {
  const options = packet.options ?? 0;
  const ip = Buffer.alloc(packet.version === 4 ? 20 + options : 40);
  if (packet.version === 4) {
    ip[0] = 0x40 | (ip.length / 4);
    inet4Bytes(packet.saddr).copy(ip, 12);
    inet4Bytes(packet.daddr ?? '127.0.0.1').copy(ip, 16);
  } else {
    ip[0] = 0x60;
    inet6Bytes(packet.saddr).copy(ip, 8);
    inet6Bytes(packet.daddr ?? '::1').copy(ip, 24);
  }
  const tcp = Buffer.alloc(20);
  tcp.writeUInt16BE(packet.sport, 0);
  tcp.writeUInt16BE(packet.dport ?? 80, 2);
  return Buffer.concat([ip, tcp]);
}
