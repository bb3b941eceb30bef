import type { Socket as DatagramSocket } from 'node:dgram';
import { Server, type Socket } from 'node:net';
import { formatHostPort } from '../../common/host-port.ts';

/**
 * Node's undocumented handle. There is no public way to a server's descriptor. child_process itself uses `_handle.fd`
 * to pass one on, and it has existed since Node 0.12. A worker of node:cluster has a handle without a descriptor: its
 * socket belongs to the primary.
 */
interface Handle {
  readonly fd?: number;
  close(callback?: () => void): void;
}

const handleOf = (owner: Server | Socket): Handle | null =>
  (owner as unknown as { readonly _handle: Handle | null })._handle;

/**
 * The handle of a datagram socket. Its `_handle` is deprecated with a warning, so this reads the internal state behind
 * it.
 */
function datagramHandle(socket: DatagramSocket): Handle | null {
  const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol');
  if (key === undefined) return null;
  return (socket as unknown as Record<symbol, { readonly handle: Handle | null }>)[key]?.handle ?? null;
}

/** The owner of a handle. */
export type Owner = Server | Socket | DatagramSocket;

export const isDatagramSocket = (owner: object): owner is DatagramSocket =>
  'type' in owner && (owner.type === 'udp4' || owner.type === 'udp6') && 'bind' in owner;

/** The descriptor; null if it is closed or does not exist. */
export function descriptorOf(owner: Owner): number | null {
  const handle = isDatagramSocket(owner) ? datagramHandle(owner) : handleOf(owner);
  const fd = handle?.fd;
  return fd === undefined || fd < 0 ? null : fd;
}

/**
 * Calls `then` once, at the moment when the descriptor is closed by any way: `close()`, a drain, `Symbol.asyncDispose`.
 * The event `close` of a server is emitted later, when its last connection has ended.
 */
export function whenHandleCloses(owner: Server | DatagramSocket, then: () => void): void {
  const handle = isDatagramSocket(owner) ? datagramHandle(owner) : handleOf(owner);
  if (handle === null) {
    then();
    return;
  }
  const close = handle.close.bind(handle);
  handle.close = (callback) => {
    handle.close = close;
    close(callback);
    then();
  };
}

/**
 * `server.address()` of a Unix listener returns the argument of `listen`, which is not the path after a listen on a
 * descriptor or another name.
 */
export function showPath(server: Server, path: string): void {
  (server as unknown as { _pipeName: string })._pipeName = path;
}

/** A listening server and the address that it was asked to listen on. */
export interface Listening {
  readonly server: Server;
  readonly address: string;
  /** Whether it asked for any free port. */
  readonly anyPort: boolean;
}

/** All listening servers that keep this process alive. */
export function listeningServers(): Listening[] {
  const { _getActiveHandles: activeHandles } = process as unknown as { _getActiveHandles(): unknown[] };
  return activeHandles.call(process).flatMap((owner) => {
    if (!(owner instanceof Server) || !owner.listening) return [];
    const { _connectionKey: key = '' } = owner as unknown as { readonly _connectionKey?: string };
    return [{ server: owner, address: addressText(owner), anyPort: key.endsWith(':0') }];
  });
}

function addressText(server: Server): string {
  const address = server.address();
  if (address === null) return `descriptor ${descriptorOf(server)}`;
  if (typeof address === 'string') return address.replace(/^\0/, '@');
  return formatHostPort({ host: address.address, port: address.port });
}
