import * as z from 'zod/mini';
import { parseDevice, parseListenerName } from '../values/names.ts';
import { parseSteer } from '../values/simple.ts';
import { choice, key, scalar } from './key.ts';
import { boolean, integer, listenerAddress, octal, text } from './scalars.ts';

// The kernel reads socket options as int, SO_MARK as u32.
const INT_MAX = 2 ** 31 - 1;
const BYTES = integer(1, INT_MAX);

const options = z.strictObject({
  ipv6_only: key('An IPv6 socket takes no IPv4 connections (IPV6_V6ONLY).', z.exactOptional(boolean)),
  free_bind: key(
    'Bind to an address that the machine does not have yet (IP_FREEBIND).',
    z.exactOptional(boolean),
  ),
  transparent: key(
    'Bind to an address of other machines, for TPROXY (IP_TRANSPARENT); needs CAP_NET_ADMIN.',
    z.exactOptional(boolean),
  ),
  defer_accept: key(
    'TCP only: the service gets a connection when its first bytes have arrived, or after this many seconds (TCP_DEFER_ACCEPT).',
    z.exactOptional(integer(1, 3600)),
  ),
  fast_open: key(
    'TCP only: accept data in the first packet, for at most this many connections whose handshake is not complete (TCP_FASTOPEN).',
    z.exactOptional(integer(1, INT_MAX)),
  ),
  receive_buffer: key('Bytes of the receive buffer (SO_RCVBUF).', z.exactOptional(BYTES)),
  send_buffer: key('Bytes of the send buffer (SO_SNDBUF).', z.exactOptional(BYTES)),
  mark: key(
    'Mark of the packets for routing and filters (SO_MARK); needs CAP_NET_ADMIN.',
    z.exactOptional(integer(0, 2 ** 32 - 1)),
  ),
  bind_to_device: key(
    'Name of the only network interface that receives connections (SO_BINDTODEVICE).',
    z.exactOptional(scalar({ kind: 'text' }, parseDevice, (value) => value)),
  ),
});

export const listener = z.strictObject({
  name: key(
    'The name of the listener, for the service and the command line. No two listeners have the same name.',
    scalar({ kind: 'text', json: ['string', 'number'] }, parseListenerName, (value) => value),
  ),
  address: key(
    '`host:port`, `:port` for every interface, or with a network in front: `tcp:` `tcp4:` `tcp6:` `udp:` `udp4:` `udp6:` `unix:` `unixgram:`; bare is tcp. `unix:@name` is abstract. `localhost` is 127.0.0.1, or ::1 with `tcp6:` and `udp6:`. Port 0 lets the kernel choose. `systemd:NAME` is the socket of that name that was passed to zero itself (socket activation).',
    listenerAddress,
  ),
  socket_fd: key(
    'Number of the descriptor in the service. Default: the next free one from 3. 0, the standard input, is for services of one listener that expect their socket there: inetd-style services, and `System.inheritedChannel()` of Java.',
    z.exactOptional(integer(0, 65535)),
  ),
  steer: key(
    'Each generation has a socket of its own, and new connections are steered to the one that serves: `true`, `false`, or `auto`, which is true for tcp and false for the others. A Unix socket with a path can be steered too; the service then sees another path than the clients.',
    z.prefault(
      choice({ kind: 'auto, true or false', json: { enum: ['auto', true, false] } }, parseSteer),
      'auto',
    ),
  ),
  backlog: key(
    'How many connections may wait to be accepted. The kernel limits it to net.core.somaxconn. It does not change when a service calls listen(2) with another number.',
    z.prefault(integer(1, INT_MAX), 4096),
  ),
  mode: key(
    'Permission bits of a Unix socket. Default: those that the umask of zero allows.',
    z.exactOptional(octal),
  ),
  owner: key('User, by name or number, that a Unix socket belongs to.', z.exactOptional(text)),
  group: key('Group, by name or number, that a Unix socket belongs to.', z.exactOptional(text)),
  options: key('Options of the socket. Default: the defaults of the kernel.', z.prefault(options, {})),
});
