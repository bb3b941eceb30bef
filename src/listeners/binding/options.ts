import { errorCode } from '../../common/errors.ts';
import type { ListenerConfig } from '../../config/schema.ts';
import { type SocketOption, setOption } from '../../linux/sockets.ts';
import { ListenerError, nameAddress } from '../listener-error.ts';

/**
 * Options that the kernel reads in bind(2), or that decide who can reach the address. They cannot change after bind.
 */
const FIXED = ['free_bind', 'transparent', 'bind_to_device'] as const satisfies readonly SocketOption[];

/** Options that can be set on a listening socket at any time. Connections accepted from then on inherit them. */
const LIVE = [
  'receive_buffer',
  'send_buffer',
  'mark',
  'defer_accept',
  'fast_open',
] as const satisfies readonly SocketOption[];

type LiveOption = (typeof LIVE)[number];
type OptionName = (typeof FIXED)[number] | LiveOption;

/**
 * Sets the configured options on a socket that is not bound yet. The kernel reads free_bind, transparent and
 * bind_to_device in bind(2). It needs the buffer sizes before listen(2) to use them for the TCP window scale (tcp(7)).
 * Throws ListenerError.
 * @param without options that keep the kernel's value
 */
export function applyOptions(fd: number, config: ListenerConfig, without: readonly OptionName[] = []): void {
  for (const option of [...FIXED, ...LIVE]) {
    const value = without.includes(option) ? undefined : config.options[option];
    if (value !== undefined && value !== false) applyOption(fd, config, option, value);
  }
}

/** Sets defer_accept of a lane whose worker is ready; 0 where the config has none. Throws ListenerError. */
export function deferAccept(fd: number, config: ListenerConfig): void {
  applyOption(fd, config, 'defer_accept', config.options.defer_accept ?? 0);
}

/** Changes the live options of a listening socket from those of `from` to those of `to`. Throws ListenerError. */
export function changeLiveOptions(
  fd: number,
  from: ListenerConfig,
  to: ListenerConfig,
  without: readonly OptionName[] = [],
): void {
  for (const option of LIVE) {
    if (without.includes(option)) continue;
    const value = to.options[option];
    if (value === from.options[option]) continue;
    if (value !== undefined) applyOption(fd, to, option, value);
    else if (!isBuffer(option)) applyOption(fd, to, option, 0);
  }
}

/** Throws ListenerError if changing the socket from `from` to `to` requires a new bind. */
export function refuseFixedChanges(from: ListenerConfig, to: ListenerConfig): void {
  for (const option of FIXED) {
    if ((from.options[option] ?? false) !== (to.options[option] ?? false)) throw needsRestart(to, option);
  }
  if (ipv6Only(from) !== ipv6Only(to)) throw needsRestart(to, 'ipv6_only');
  for (const option of LIVE.filter(isBuffer)) {
    if (from.options[option] !== undefined && to.options[option] === undefined)
      throw needsRestart(to, option);
  }
}

/** socket(7): setting a size ends the kernel's automatic tuning of that buffer, and this cannot be undone. */
function isBuffer(option: LiveOption): boolean {
  return option === 'receive_buffer' || option === 'send_buffer';
}

function ipv6Only(config: ListenerConfig): boolean {
  return config.options.ipv6_only ?? config.address.network.endsWith('6');
}

/** The error for a change that requires a new bind. */
export function needsRestart(config: ListenerConfig, option: string): ListenerError {
  const message = `${nameAddress(config)}: cannot change ${option} of a bound listener: needs a restart`;
  return new ListenerError(config.name, message);
}

function applyOption(
  fd: number,
  config: ListenerConfig,
  option: OptionName,
  value: number | string | boolean,
): void {
  try {
    setOption(fd, option, typeof value === 'boolean' ? Number(value) : value);
  } catch (error) {
    const code = errorCode(error) ?? String(error);
    const message = `set ${option} on ${nameAddress(config)}: ${code}${advice(option, code)}`;
    throw new ListenerError(config.name, message, error);
  }
}

function advice(option: OptionName, code: string): string {
  if (code === 'EPERM') {
    // socket(7) for SO_MARK and SO_BINDTODEVICE, ip(7) for IP_TRANSPARENT.
    return option === 'bind_to_device'
      ? ': needs root or CAP_NET_RAW'
      : ': needs root or CAP_NET_ADMIN (AmbientCapabilities= in a systemd unit)';
  }
  if (code === 'ENODEV') return ': the network interface does not exist';
  if (code === 'ENOPROTOOPT' || code === 'EOPNOTSUPP') return ': this kind of socket does not support it';
  return '';
}
