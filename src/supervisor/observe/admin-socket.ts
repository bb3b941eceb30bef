import type { Address } from '../../config/address.ts';
import type { ListenerConfig } from '../../config/schema.ts';
import { formatAddress } from '../../linux/sockaddr.ts';
import { bindListener } from '../../listeners/binding/bound-listener.ts';
import { resolveTarget } from '../../listeners/binding/resolve.ts';
import { unlinkIfOurs } from '../../listeners/binding/unix-file.ts';
import type { OwnSockets } from '../../listeners/diagnosis/holders.ts';

/** The socket of the admin endpoint. */
export interface AdminSocket {
  readonly fd: number;
  /** The bound address, with the port that the kernel chose. */
  readonly text: string;
  /** Who can connect. `machine`: every user of this machine. */
  readonly reach: 'file' | 'machine' | 'network';
  /** Removes the socket file, if there is one. Call this before the descriptor is closed. */
  remove(): void;
}

/** Maximum number of waiting connections, equal to the number of concurrent requests. */
const BACKLOG = 32;

/**
 * Binds the address in the same way as a listener, and listens. Rejects with ListenerError, which reports the process
 * that holds the address.
 */
export async function openAdminSocket(address: Address, own: OwnSockets): Promise<AdminSocket> {
  const config: ListenerConfig = {
    name: 'admin',
    address,
    socket_fd: 0,
    steer: false,
    backlog: BACKLOG,
    mode: 0o660,
    options: {},
  };
  const target = address.kind === 'inet' ? await resolveTarget(config, address) : null;
  const bound = bindListener(config, target, own);
  return {
    fd: bound.fd,
    text: formatAddress(bound.address),
    reach: reachOf(bound.address),
    remove: () => {
      if (bound.file !== null) unlinkIfOurs(bound.file);
    },
  };
}

function reachOf(address: ReturnType<typeof bindListener>['address']): AdminSocket['reach'] {
  if (address.family === 'unix') return address.path.startsWith('@') ? 'machine' : 'file';
  const loopback =
    address.family === 'inet' ? address.host.startsWith('127.') : /^(::1|::ffff:127\..*)$/.test(address.host);
  return loopback ? 'machine' : 'network';
}
