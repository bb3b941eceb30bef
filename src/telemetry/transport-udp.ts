import type { HostPort } from '../common/host-port.ts';
import type { Peer } from './transport.ts';

/**
 * A UDP socket connected to the target, so that the kernel reports a missing receiver (udp(7)). The name is resolved
 * once. An IPv4 address is preferred, as in Go's net.ResolveUDPAddr. Throws Error for a name that cannot be resolved.
 */
export async function openUdp(
  { host, port }: HostPort,
  failed: (error: unknown, gone: boolean) => void,
): Promise<Peer> {
  const [{ createSocket }, { lookup }] = await Promise.all([
    import('node:dgram'),
    import('node:dns/promises'),
  ]);
  const addresses = await lookup(host, { all: true });
  const target = addresses.find(({ family }) => family === 4) ?? addresses[0];
  if (target === undefined) throw new Error(`${host} has no address`);
  const socket = createSocket(target.family === 4 ? 'udp4' : 'udp6');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve();
    });
    socket.connect(port, target.address);
  });
  socket.unref();
  socket.on('error', (error) => failed(error, false));
  return {
    send: (line) =>
      socket.send(line, (error) => {
        if (error !== null) failed(error, false);
      }),
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}
