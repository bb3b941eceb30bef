import { errorText } from '../../common/errors.ts';
import { FIRST_LISTEN_FD, listenDescriptors } from '../../common/socket-variables.ts';
import type { Address } from '../../config/address.ts';
import type { ListenerConfig } from '../../config/schema.ts';
import { setCloseOnExec } from '../../linux/exec.ts';
import { formatAddress, type SocketAddress } from '../../linux/sockaddr.ts';
import { closeFd, duplicateAbove, getOption, inodeOf, localAddress } from '../../linux/sockets.ts';
import { overlap } from '../diagnosis/holders.ts';
import { ListenerError, nameAddress } from '../listener-error.ts';
import type { InetTarget } from './resolve.ts';

/** No service manager passes more sockets to one process. A larger number in LISTEN_FDS is a mistake. */
const MAX_PASSED = 65_536;

/** The value in LISTEN_FDNAMES for a socket without a name (sd_listen_fds_with_names(3)). */
const NAMELESS = 'unknown';

/** Names of the descriptors that zero itself stores with the service manager: descriptor-store.ts. */
const STORED = /^zero-(vault-)?\d+$/;

/** A descriptor that was passed to this process. */
interface Passed {
  readonly fd: number;
  readonly name: string;
}

/** Descriptors that an earlier supervisor stored with the service manager and that this process received. */
export function storedDescriptors(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): readonly Passed[] {
  return (passedTo(environment, pid) ?? []).filter(({ name }) => STORED.test(name));
}

/** The descriptors that the variables name. Null where they were passed to another process. */
function passedTo(
  { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES }: Readonly<Record<string, string | undefined>>,
  pid: number,
): readonly Passed[] | null {
  const given = /^\d{1,5}$/.test(LISTEN_FDS ?? '') ? Number(LISTEN_FDS) : 0;
  const count = given <= MAX_PASSED ? given : 0;
  if (count > 0 && LISTEN_PID !== String(pid)) return null;
  return listenDescriptors(count, LISTEN_FDNAMES).map(({ fd, name }) => ({ fd, name: name ?? NAMELESS }));
}

interface PassedSocket {
  readonly fd: number;
  readonly name: string;
  /** The socket. Null, with `problem`, for a descriptor that zero cannot listen on. */
  readonly socket: {
    readonly address: Address;
    readonly bound: SocketAddress;
    readonly inode: number;
  } | null;
  readonly problem: string;
}

/** One passed socket, held by a listener. */
export interface TakenSocket {
  /** The listener's own descriptor of the socket. */
  readonly fd: number;
  readonly inode: number;
  /** The bound address, as a config would write it. */
  readonly address: Address;
  readonly bound: SocketAddress;
}

/**
 * The sockets that systemd, or another program with the same convention, passed to this process (socket activation,
 * sd_listen_fds(3)). zero keeps all of them open until it exits, also those that no listener uses.
 */
export class PassedSockets {
  readonly #sockets: PassedSocket[];
  /** Why no socket can be taken. */
  readonly #none: string;

  /**
   * Takes over the descriptors that the variables name and sets close-on-exec on them.
   * @param pid the process that `environment` belongs to
   */
  constructor(environment: Readonly<Record<string, string | undefined>>, pid: number) {
    const { LISTEN_PID } = environment;
    const passed = passedTo(environment, pid);
    this.#none =
      passed === null
        ? `the sockets were passed to process ${LISTEN_PID ?? '(LISTEN_PID is not set)'}, and zero is process ${pid}. Start zero itself as the service, without a program in between that keeps running (npx, a shell without exec)`
        : 'no socket was passed to zero (LISTEN_FDS). Start zero with a .socket unit, or with systemd-socket-activate';
    this.#sockets = (passed ?? [])
      .filter(({ name }) => !STORED.test(name))
      .map(({ fd, name }) => describe(fd, name));
  }

  /** Takes over a socket that was passed to another supervisor under this name. */
  adopt(name: string, fd: number): void {
    const adopted = describe(fd, name);
    const index = this.#sockets.findIndex((one) => one.name === name);
    const known = this.#sockets[index];
    // The service manager has passed the same socket to this process, too.
    if (known?.socket && known.socket.inode === adopted.socket?.inode) closeFd(fd);
    else this.#sockets.splice(index === -1 ? this.#sockets.length : index, 1, adopted);
  }

  /** Names and descriptions of the sockets that no listener in `used` takes. */
  unused(used: readonly string[]): string[] {
    return this.#sockets.filter(({ name }) => !used.includes(name)).map(textOf);
  }

  /** The socket of this listener. Throws ListenerError, which lists the passed sockets. */
  take(config: ListenerConfig, name: string): TakenSocket {
    const [found, ...others] = this.#sockets.filter((socket) => socket.name === name);
    if (this.#sockets.length === 0) throw this.#refusal(config, this.#none);
    const passed = `Passed to zero: ${this.#sockets.map(textOf).join(', ')}`;
    if (found === undefined) {
      throw this.#refusal(
        config,
        `no socket of this name was passed. ${passed}. Write one of these names, or set FileDescriptorName=${name} in the .socket unit`,
      );
    }
    if (others.length > 0) {
      const what = `${others.length + 1} sockets of this name were passed. ${passed}`;
      throw this.#refusal(
        config,
        `${what}. Give each socket its own FileDescriptorName= in a .socket unit of its own`,
      );
    }
    if (found.socket === null) throw this.#refusal(config, found.problem);
    const { address, bound, inode } = found.socket;
    return { fd: duplicateAbove(found.fd, FIRST_LISTEN_FD), inode, address, bound };
  }

  /**
   * Explains a failed bind to the address of a passed socket and says what to write instead. Returns any other error as
   * is.
   */
  explain(error: unknown, config: ListenerConfig, target: InetTarget | null): unknown {
    const isTaken =
      error instanceof ListenerError && (config.address.kind === 'unix' || error.code === 'EADDRINUSE');
    if (!isTaken) return error;
    const holder = this.#sockets.find((one) => isInTheWay(one, config, target));
    if (holder === undefined) return error;
    const why = `the socket ${textOf(holder)} has this address and was passed to zero. Write address: systemd:${holder.name}, or --listen systemd:${holder.name} of zero run`;
    return new ListenerError(config.name, `bind ${nameAddress(config)}: ${why}.`, error);
  }

  #refusal(config: ListenerConfig, why: string): ListenerError {
    return new ListenerError(config.name, `take ${nameAddress(config)}: ${why}.`);
  }
}

function describe(fd: number, name: string): PassedSocket {
  try {
    setCloseOnExec(fd, true);
    const type = getOption(fd, 'type');
    const bound = localAddress(fd);
    const isStream = type === STREAM;
    if (!isStream && type !== DATAGRAM)
      return { fd, name, socket: null, problem: problemOf(fd, 'is neither a stream nor a datagram socket') };
    if (isStream && getOption(fd, 'accept_connections') !== 1)
      return {
        fd,
        name,
        socket: null,
        problem: problemOf(fd, 'does not listen. Set Accept=no in the .socket unit'),
      };
    return {
      fd,
      name,
      socket: { address: addressOf(bound, isStream), bound, inode: inodeOf(fd) },
      problem: '',
    };
  } catch (error) {
    // ENOTSOCK, EBADF, or an address family that zero does not support (netlink, vsock).
    const why = errorText(error);
    return {
      fd,
      name,
      socket: null,
      problem: problemOf(fd, `is not a socket that zero can listen on: ${why}`),
    };
  }
}

const STREAM = 1;
const DATAGRAM = 2;

function problemOf(fd: number, what: string): string {
  return `descriptor ${fd} ${what}`;
}

function addressOf(bound: SocketAddress, isStream: boolean): Address {
  const text = formatAddress(bound);
  if (bound.family === 'unix') {
    const network = isStream ? 'unix' : 'unixgram';
    return { kind: 'unix', network, path: bound.path, text: `${network}:${text}` };
  }
  const network = isStream ? 'tcp' : 'udp';
  return { kind: 'inet', network, host: bound.host, port: bound.port, text: `${network}:${text}` };
}

function isInTheWay({ socket }: PassedSocket, config: ListenerConfig, target: InetTarget | null): boolean {
  if (socket === null) return false;
  const { address, bound } = socket;
  const { network } = config.address;
  if (config.address.kind === 'unix')
    return bound.family === 'unix' && bound.path === config.address.path && address.network === network;
  if (target === null || bound.family === 'unix' || !network.startsWith(address.network)) return false;
  return bound.port === target.address.port && overlap(bound, target.address);
}

function textOf({ name, socket }: PassedSocket): string {
  return socket === null ? name : `${name} (${socket.address.text})`;
}
