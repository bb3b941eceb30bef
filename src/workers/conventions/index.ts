import type { RuntimeConfig } from '../../config/schema.ts';
import type { Handed, Variables } from './convention.ts';
import { einhorn } from './einhorn.ts';
import { fpm } from './fpm.ts';
import { nginx } from './nginx.ts';
import { markOf, notify } from './notify.ts';
import { serverStarter } from './server-starter.ts';
import { fitsListenFds, systemd } from './systemd.ts';
import { zero } from './zero.ts';

export type { Handed, Variables } from './convention.ts';

type Protocol = RuntimeConfig['protocols'][number];

const PROTOCOLS: Readonly<Record<Protocol, (handed: Handed) => Variables>> = {
  systemd,
  server_starter: serverStarter,
  einhorn,
  notify,
  nginx,
  fpm,
};

export interface Conventions {
  readonly variables: Variables;
  /** LISTEN_PID is requested: the launcher must set it in the last program of the chain. */
  readonly listenPid: boolean;
  /** The same for WATCHDOG_PID. */
  readonly watchdogPid: boolean;
}

/** The variables of every requested convention, and zero's own. */
export function conventions(protocols: readonly Protocol[], handed: Handed): Conventions {
  const sorted = { ...handed, listeners: [...handed.listeners].sort((a, b) => a.target - b.target) };
  const asked = protocols.map((protocol) => PROTOCOLS[protocol](sorted));
  const hasNotify = protocols.includes('notify');
  return {
    variables: Object.assign({}, ...asked, zero(sorted), hasNotify ? {} : markOf(sorted)) as Variables,
    listenPid: protocols.includes('systemd') && fitsListenFds(sorted.listeners),
    watchdogPid: hasNotify && handed.watchdog !== null && handed.notifyPath !== null,
  };
}

/**
 * Whether the program expects sockets in blocking mode, as service managers pass them: a plain loop around accept(2)
 * ends at the first EAGAIN. nginx expects them as an earlier nginx left them. It does not set O_NONBLOCK on an
 * inherited socket (ngx_open_listening_sockets). With a blocking socket, its event loop would wait in accept(2) after
 * another worker took the connection.
 */
export function expectsBlocking(protocols: readonly Protocol[]): boolean {
  return !protocols.includes('nginx');
}

/** Why a requested LISTEN_FDS is left out, or null. For one warning when a release is resolved. */
export function listenFdsWarning(
  protocols: readonly Protocol[],
  targets: readonly { readonly target: number }[],
): string | null {
  if (!protocols.includes('systemd') || targets.length === 0 || fitsListenFds(targets)) return null;
  // The service reads its standard input and needs no convention.
  if (targets.every(({ target }) => target === 0)) return null;
  const numbers = targets.map(({ target }) => target).sort((a, b) => a - b);
  return `LISTEN_FDS is left out: it can only describe 3..${targets.length + 2}, and the listeners have the descriptors ${numbers.join(', ')}`;
}
