import { closeSync, openSync, readSync } from 'node:fs';
import { canonicalHost, type Place } from '../handed/place.ts';

/** A socket as the kernel's tables describe it. */
export interface TableSocket {
  readonly type: 'stream' | 'datagram';
  readonly place: Place;
}

/** st of /proc/net/tcp: TCP_LISTEN (include/net/tcp_states.h). */
const LISTEN = '0A';
/** Flags of /proc/net/unix: __SO_ACCEPTCON (include/uapi/linux/net.h). */
const ACCEPTS = 0x10000;

/**
 * The listening or datagram socket with this inode, from the tables of this process's network namespace (proc_net(5));
 * null if no table lists it. TCP's tables list listening sockets first (tcp_seq_start, net/ipv4/tcp_ipv4.c), so reading
 * stops there, however many connections follow.
 */
export function findSocket(inode: string): TableSocket | null {
  return (
    fromInternet('tcp', inode, 'stream') ??
    fromInternet('tcp6', inode, 'stream') ??
    fromUnix(inode) ??
    fromInternet('udp', inode, 'datagram') ??
    fromInternet('udp6', inode, 'datagram')
  );
}

function fromInternet(table: string, inode: string, type: TableSocket['type']): TableSocket | null {
  for (const line of linesOf(table)) {
    // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
    const [, local = '', , state, , , , , , its] = line.trim().split(/\s+/);
    if (type === 'stream' && state !== LISTEN) return null;
    if (its === inode) return { type, place: internetPlace(local) };
  }
  return null;
}

/**
 * `0100007F:1F90`: 32-bit words of the address in the machine's byte order, which is little-endian on every supported
 * machine.
 */
function internetPlace(text: string): Place {
  const [address = '', port = ''] = text.split(':');
  const bytes = Buffer.from(address, 'hex');
  bytes.swap32();
  const host = bytes.length === 4 ? bytes.join('.') : (bytes.toString('hex').match(/.{4}/g) ?? []).join(':');
  return { family: 'ip', host: canonicalHost(host), port: Number.parseInt(port, 16) };
}

function fromUnix(inode: string): TableSocket | null {
  for (const line of linesOf('unix')) {
    // Num RefCount Protocol Flags Type St Inode Path
    const [, flags = '', kind, its, path = ''] =
      /^\S+ \S+ \S+ (\S+) (\S+) \S+ +(\d+) ?(.*)$/s.exec(line) ?? [];
    if (its !== inode) continue;
    const place = { family: 'unix', path } as const;
    if (kind === '0001') return Number.parseInt(flags, 16) & ACCEPTS ? { type: 'stream', place } : null;
    return kind === '0002' ? { type: 'datagram', place } : null;
  }
  return null;
}

/** The lines of a table without its heading, read lazily. No lines if the table does not exist. */
function* linesOf(table: string): Generator<string, void, void> {
  let fd: number;
  try {
    fd = openSync(`/proc/self/net/${table}`, 'r');
  } catch {
    // A kernel without IPv6 has no IPv6 tables.
    return;
  }
  try {
    const chunk = Buffer.alloc(16_384);
    let rest = '';
    let heading = true;
    for (;;) {
      const length = readSync(fd, chunk);
      const lines = (rest + chunk.toString('latin1', 0, length)).split('\n');
      rest = lines.pop() ?? '';
      if (heading && lines.length > 0) {
        lines.shift();
        heading = false;
      }
      yield* lines;
      if (length === 0) return;
    }
  } finally {
    closeSync(fd);
  }
}
