import { dirname } from 'node:path';
import { errorCode } from '../../common/errors.ts';
import type { ListenerConfig } from '../../config/schema.ts';
import { SystemError } from '../../linux/errors.ts';
import { descriptorLimit } from '../../linux/limits.ts';
import { kernelSetting } from '../../linux/procfs.ts';
import type { SocketAddress } from '../../linux/sockaddr.ts';
import { ListenerError, nameAddress } from '../listener-error.ts';
import { describeHolder, type Holder, nameHolder, type OwnSockets, portHolder } from './holders.ts';

type InetSocketAddress = Exclude<SocketAddress, { family: 'unix' }>;
type Network = ListenerConfig['address']['network'];

/** Explains the failure of a step on the way to a listening socket: which process is in the way, or what to do. */
export function explainFailure(
  config: ListenerConfig,
  error: unknown,
  address: SocketAddress,
  own: OwnSockets,
): ListenerError {
  if (error instanceof ListenerError) return error;
  // An address that cannot be encoded (sockaddr_in6, sockaddr_un) never reaches bind(2).
  const step = error instanceof SystemError && !error.syscall.startsWith('sockaddr') ? error.syscall : 'bind';
  const code = errorCode(error);
  if (code === null)
    return new ListenerError(config.name, `${step} ${nameAddress(config)}: ${String(error)}`, error);
  const holder = code === 'EADDRINUSE' ? holderOf(address, config.address.network) : null;
  const advice = adviceFor(code, address, () => describeHolder(holder, own));
  const message = `${step} ${nameAddress(config)}: ${code}${advice === '' ? '' : `: ${advice}`}`;
  const isForeign = holder !== null && own(holder.inode) === null;
  return new ListenerError(config.name, message, error, isForeign ? holder : null);
}

/** The socket that has the address. Null if none is found. */
function holderOf(address: SocketAddress, network: Network): Holder | null {
  if (address.family !== 'unix') return portHolder(network.startsWith('udp') ? 'udp' : 'tcp', address);
  return address.path.startsWith('@') ? nameHolder(address.path) : null;
}

/** @param held how a message names the process that has the address */
function adviceFor(code: string, address: SocketAddress, held: () => string): string {
  switch (code) {
    case 'EMFILE':
      return `all ${descriptorLimit().soft} descriptors of this process are in use. A steered listener takes workers x (max_retiring + 2) of them. Raise the hard limit (ulimit -Hn, LimitNOFILE= in a systemd unit); zero check reports how many the config needs`;
    case 'ENFILE':
      return 'this machine has no free file descriptors. Raise the sysctl fs.file-max';
    case 'EAFNOSUPPORT':
      return 'this machine has no IPv6. Use an IPv4 address, or tcp4: and udp4:';
    default:
      return address.family === 'unix'
        ? unixAdvice(address.path, code, held)
        : inetAdvice(address, code, held);
  }
}

function inetAdvice(address: InetSocketAddress, code: string, held: () => string): string {
  const { port, host } = address;
  switch (code) {
    case 'EADDRINUSE':
      return `the port is held ${held()}`;
    case 'EACCES':
      return lowPortAdvice(port);
    case 'EADDRNOTAVAIL':
      return 'this machine does not have the address. Run "ip address", or set the option free_bind to listen before the address exists';
    case 'ENODEV':
      return `network interface ${host.split('%')[1] ?? ''} does not exist`;
    case 'EINVAL':
      return host.startsWith('fe80:') && !host.includes('%')
        ? `a link-local address needs its interface: [${host}%eth0]:${port}`
        : '';
    default:
      return '';
  }
}

/** Ports from net.ipv4.ip_unprivileged_port_start up are open to all users, for IPv6 too (ip(7)). */
function lowPortAdvice(port: number): string {
  const first = Number(kernelSetting('net.ipv4.ip_unprivileged_port_start') ?? 1024);
  if (port >= first) return 'a security module (SELinux, AppArmor) refuses it. Check its log';
  return (
    `ports below ${first} need root or CAP_NET_BIND_SERVICE. Start as root with runtime.user set, ` +
    'or AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit, ' +
    `or setcap cap_net_bind_service=+ep ${process.execPath}, or sysctl net.ipv4.ip_unprivileged_port_start=${port}`
  );
}

function unixAdvice(path: string, code: string, held: () => string): string {
  switch (code) {
    case 'EADDRINUSE':
      return path.startsWith('@')
        ? `the name is held ${held()}`
        : 'another file has just been created at this path';
    case 'ENOENT':
      return `the directory ${dirname(path)} does not exist. Create it (RuntimeDirectory= in a systemd unit)`;
    case 'ENOTDIR':
      return `${dirname(path)} is not a directory`;
    case 'EACCES':
      return `the directory ${dirname(path)} may not be entered or written to by uid ${process.geteuid?.() ?? -1}`;
    case 'EROFS':
      return 'the file system is read-only';
    case 'ENAMETOOLONG':
      return 'the path of a Unix socket is limited to 107 bytes. Choose a shorter path';
    default:
      return '';
  }
}
