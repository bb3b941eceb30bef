import { CONNECTION_STATES, type InetAddress, localPort, walkTcpSockets } from './inet-diag.ts';
import { inet4Bytes, inet6Bytes } from './sockaddr.ts';
import { isIdle } from './tcp-activity.ts';

// struct inet_diag_msg of linux/inet_diag.h: the local address, the inode.
const LOCAL = 8;
const INODE = 68;
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '']);

/**
 * The inodes of the connections to the addresses of listeners that were accepted and not closed, in slices of well
 * under a millisecond. The kernel's work is done on another thread, in one walk for each family. Rejects with
 * SystemError.
 */
export async function* acceptedTcp(addresses: readonly InetAddress[]): AsyncGenerator<number[], void, void> {
  for await (const { bytes, messages } of walkAccepted(addresses, false))
    yield messages.map(({ start }) => bytes.readUInt32LE(start + INODE));
}

/**
 * Searches the same connections for one that is not idle. If there is none, `open` is their number. Nothing else is
 * read of tens of thousands of idle ones. Rejects with SystemError.
 */
export async function findBusyTcp(
  addresses: readonly InetAddress[],
): Promise<{ readonly isBusy: boolean; readonly open: number }> {
  let open = 0;
  for await (const { bytes, messages } of walkAccepted(addresses, true)) {
    open += messages.length;
    if (messages.some(({ start, end }) => !isIdle(bytes, start, end))) return { isBusy: true, open };
  }
  return { isBusy: false, open };
}

interface Slice {
  readonly bytes: Buffer;
  /** The start and end of each `inet_diag_msg`. */
  readonly messages: readonly { readonly start: number; readonly end: number }[];
}

async function* walkAccepted(
  addresses: readonly InetAddress[],
  withInfo: boolean,
): AsyncGenerator<Slice, void, void> {
  // A connection has the family of its listener, even an IPv4 connection to a dual-stack listener.
  for (const family of ['inet', 'inet6'] as const) {
    const hosts = hostsByPort(addresses.filter((address) => address.family === family));
    if (hosts.size === 0) continue;
    const ports = new Set(hosts.keys());
    for await (const { bytes, payloads } of walkTcpSockets(family, ports, CONNECTION_STATES, withInfo)) {
      const messages: { start: number; end: number }[] = [];
      for (let index = 0; index < payloads.length; index += 2) {
        const start = payloads[index] ?? 0;
        // Before accept and after close there is no file.
        if (bytes.readUInt32LE(start + INODE) === 0) continue;
        // Another program may have the same port on another address.
        const locals = hosts.get(localPort(bytes, start));
        if (locals === null || locals?.some((local) => isAt(bytes, start + LOCAL, local)))
          messages.push({ start, end: payloads[index + 1] ?? start });
      }
      yield { bytes, messages };
    }
  }
}

/** The addresses of listeners on each port; null: all. */
function hostsByPort(addresses: readonly InetAddress[]): Map<number, Buffer[] | null> {
  const hosts = new Map<number, Buffer[] | null>();
  // A thousand listeners usually have the same address.
  const known = new Map<string, Buffer>();
  for (const { family, host, port } of addresses) {
    const others = hosts.get(port);
    if (others === null) continue;
    if (WILDCARDS.has(host)) {
      hosts.set(port, null);
      continue;
    }
    const bytes = known.get(host) ?? localBytes(family, host);
    known.set(host, bytes);
    hosts.set(port, others === undefined ? [bytes] : [...others, bytes]);
  }
  return hosts;
}

function isAt(bytes: Buffer, start: number, local: Buffer): boolean {
  return bytes.compare(local, 0, local.length, start, start + local.length) === 0;
}

function localBytes(family: InetAddress['family'], host: string): Buffer {
  return family === 'inet' ? inet4Bytes(host) : inet6Bytes(host.split('%')[0] ?? '');
}
