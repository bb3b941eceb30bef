import type { ListenerConfig } from '../../config/schema.ts';
import type { SocketAddress } from '../../linux/sockaddr.ts';
import { closeFd, openSocket, openSocketAs, type SocketType } from '../../linux/sockets.ts';
import { explainFailure } from '../diagnosis/explain.ts';
import type { OwnSockets } from '../diagnosis/holders.ts';

/**
 * Opens a socket (close-on-exec, non-blocking) and runs `steps` on it. Closes the socket if a step fails. Throws
 * ListenerError with the step, the address, the errno and advice.
 * @param owner the user that the socket belongs to; null: this process's user
 */
export function openListener(
  config: ListenerConfig,
  address: SocketAddress,
  type: SocketType,
  own: OwnSockets,
  steps: (fd: number) => void,
  owner: number | null = null,
): number {
  let fd: number | null = null;
  try {
    fd = owner === null ? openSocket(address.family, type) : openSocketAs(owner, address.family, type);
    steps(fd);
    return fd;
  } catch (error) {
    const explained = explainFailure(config, error, address, own);
    if (fd !== null) closeFd(fd);
    throw explained;
  }
}
