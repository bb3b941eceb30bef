import type { Address } from '../../config/address.ts';
import type { ListenerConfig } from '../../config/schema.ts';
import { formatAddress } from '../../linux/sockaddr.ts';
import { bindListener } from '../../listeners/binding/bound-listener.ts';
import { resolveTarget } from '../../listeners/binding/resolve.ts';
import { unlinkIfOurs } from '../../listeners/binding/unix-file.ts';
import type { OwnSockets } from '../../listeners/diagnosis/holders.ts';

/** Where the admin endpoint listens. */
export interface AdminSocket {
  readonly fd: number;
  /** As bound, with the port that the kernel chose. */
  readonly text: string;
  /** How far it can be reached. `machine`: by everybody here, whatever their user. */
  readonly reach: 'file' | 'machine' | 'network';
  /** Removes its file, if it has one; call it before it is closed. */
  remove(): void;
}

/** Connections that may wait: the number that is answered at a time. */
const BACKLOG = 32;

/** Binds the address as a listener is bound, and listens. Rejects with ListenerError, which says who holds the address. */
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
