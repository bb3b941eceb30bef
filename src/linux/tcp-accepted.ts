import { CONNECTION_STATES, type InetAddress, localPort, walkTcpSockets } from './inet-diag.ts';
import { type Received, wordsOf } from './netlink.ts';
import { inet4Bytes, inet6Bytes } from './sockaddr.ts';
import { isIdle } from './tcp-activity.ts';

// struct inet_diag_msg of linux/inet_diag.h: the local address and the inode, in 32-bit words.
const LOCAL = 8 / 4;
const INODE = 68 / 4;
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '']);

/**
 * The inodes of the connections to the addresses of listeners that were accepted and not closed, in slices of well
 * under a millisecond. The kernel's work is done on another thread, in one walk for each family. Rejects with
 * SystemError.
 */
export async function* acceptedTcp(addresses: readonly InetAddress[]): AsyncGenerator<number[], void, void> {
  for await (const { words, payloads } of walkAccepted(addresses, false)) {
    const inodes: number[] = [];
    for (let index = 0; index < payloads.length; index += 2)
      inodes.push(words[((payloads[index] ?? 0) >> 2) + INODE] ?? 0);
    yield inodes;
  }
}

/**
 * Searches the same connections for one that is not idle. If there is none, `open` is their number. Nothing else is
 * read of tens of thousands of idle ones. Rejects with SystemError.
 */
export async function findBusyTcp(
  addresses: readonly InetAddress[],
): Promise<{ readonly isBusy: boolean; readonly open: number }> {
  let open = 0;
  for await (const { words, payloads } of walkAccepted(addresses, true)) {
    open += payloads.length / 2;
    for (let index = 0; index < payloads.length; index += 2) {
      const [start, end] = [payloads[index] ?? 0, payloads[index + 1] ?? 0];
      if (!isIdle(words, start >> 2, end >> 2)) return { isBusy: true, open };
    }
  }
  return { isBusy: false, open };
}

/** The messages of each receive that are about accepted connections to these addresses. */
async function* walkAccepted(
  addresses: readonly InetAddress[],
  withInfo: boolean,
): AsyncGenerator<Received, void, void> {
  // A connection has the family of its listener, even an IPv4 connection to a dual-stack listener.
  for (const family of ['inet', 'inet6'] as const) {
    const hosts = hostsByPort(addresses.filter((address) => address.family === family));
    if (hosts.size === 0) continue;
    const ports = new Set(hosts.keys());
    for await (const received of walkTcpSockets(family, ports, CONNECTION_STATES, withInfo))
      yield { ...received, payloads: acceptedAt(hosts, received) };
  }
}

function acceptedAt(
  hosts: ReadonlyMap<number, readonly Uint32Array[] | null>,
  { bytes, words, payloads }: Received,
): number[] {
  const accepted: number[] = [];
  for (let index = 0; index < payloads.length; index += 2) {
    const start = payloads[index] ?? 0;
    // Before accept and after close there is no file.
    if (words[(start >> 2) + INODE] === 0) continue;
    // Another program may have the same port on another address.
    const locals = hosts.get(localPort(bytes, start));
    if (locals === null || locals?.some((local) => isAt(words, (start >> 2) + LOCAL, local)))
      accepted.push(start, payloads[index + 1] ?? start);
  }
  return accepted;
}

/** The addresses of listeners on each port; null: all. */
function hostsByPort(addresses: readonly InetAddress[]): Map<number, Uint32Array[] | null> {
  const hosts = new Map<number, Uint32Array[] | null>();
  // A thousand listeners usually have the same address.
  const known = new Map<string, Uint32Array>();
  for (const { family, host, port } of addresses) {
    const others = hosts.get(port);
    if (others === null) continue;
    if (WILDCARDS.has(host)) {
      hosts.set(port, null);
      continue;
    }
    const words = known.get(host) ?? localWords(family, host);
    known.set(host, words);
    hosts.set(port, others === undefined ? [words] : [...others, words]);
  }
  return hosts;
}

function isAt(words: Uint32Array, at: number, local: Uint32Array): boolean {
  for (let index = 0; index < local.length; index += 1) if (words[at + index] !== local[index]) return false;
  return true;
}

function localWords(family: InetAddress['family'], host: string): Uint32Array {
  return wordsOf(family === 'inet' ? inet4Bytes(host) : inet6Bytes(host.split('%')[0] ?? ''));
}
