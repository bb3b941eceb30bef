import { readdirSync, readlinkSync } from 'node:fs';
import { isOutOfReach } from '../../common/errors.ts';
import { commandLine, type ProcessIdentity, processStat } from '../../linux/procfs.ts';
import { allListeners, type TcpListener, unixSocket } from '../../linux/sock_diag.ts';
import { formatAddress, type SocketAddress } from '../../linux/sockaddr.ts';
import { descriptorsOf, socketInode } from '../../linux/socket-holder.ts';
import { descendantsOf, isAlive } from '../../workers/processes/descendants.ts';
import { keeperSystem } from '../keeper/keeper-system.ts';
import { ancestorsOf, refuseManaged } from './managed.ts';
import { managerAt } from './other-manager.ts';
import { AdoptionError, permissionError } from './permission.ts';

/** A listening socket of a service, and a process that has it. */
export interface HeldSocket {
  readonly inode: number;
  readonly address: SocketAddress;
  readonly holder: ProcessIdentity & { readonly fd: number };
}

/** A service that something else has started. */
export interface RunningService {
  /** The common ancestor of the other processes. */
  readonly main: ProcessIdentity;
  /** The other processes. */
  readonly descendants: readonly ProcessIdentity[];
  readonly sockets: readonly HeldSocket[];
  /** The program of the main process, for messages. */
  readonly command: string;
}

const { kernel } = keeperSystem;

/** Finds the service that a process belongs to, and its listening sockets. Changes nothing. Throws AdoptionError. */
export function findService(pid: number): RunningService {
  const given = identityOf(pid);
  if (given === null)
    throw new AdoptionError(
      `cannot adopt process ${pid}: it does not exist or has exited. Find the process that listens with: ss -tlnp`,
    );
  refuseManaged(pid);
  requireAccess(pid);
  const listening = listeningSockets();
  refuseManager(pid, listening);
  const own = new Set(socketsOf(given, listening).map(({ inode }) => inode));
  if (own.size === 0) throw new AdoptionError(`cannot adopt process ${pid}: ${whyNoSocket(pid, listening)}`);
  const main = mainOf(given, own, listening);
  refuseAncestor(pid, main.pid);
  const descendants = descendantsOf(kernel, main.pid).map(({ pid: member, startTime }) => ({
    pid: member,
    startTime,
  }));
  const found = new Map<number, HeldSocket>();
  for (const member of [main, ...descendants])
    for (const socket of socketsOf(member, listening))
      if (!found.has(socket.inode)) found.set(socket.inode, socket);
  const sockets = [...found.values()];
  refuseSeveral(pid, sockets, listening);
  return { main, descendants, sockets, command: commandLine(main.pid) };
}

/** The process with this pid; null: it does not exist or has exited. */
export function identityOf(pid: number): ProcessIdentity | null {
  const stat = processStat(pid);
  return stat !== null && isAlive(stat) ? { pid, startTime: stat.startTime } : null;
}

/** Whether one of these processes still has the socket. */
export function isHeld(inode: number, { main, descendants }: RunningService): boolean {
  return [main, ...descendants].some(({ pid }) =>
    descriptorsOf(pid).some(({ link }) => socketInode(link) === inode),
  );
}

/** Throws AdoptionError if this user may not inspect the process, or it is in another network namespace. */
function requireAccess(pid: number): void {
  try {
    // Throws without permission. Otherwise the list of descriptors would look empty.
    readdirSync(`/proc/${pid}/fd`);
    const [its, own] = [pid, 'self'].map((which) => readlinkSync(`/proc/${which}/ns/net`));
    if (its === own) return;
  } catch (error) {
    if (identityOf(pid) === null)
      throw new AdoptionError(`cannot adopt process ${pid}: it exited while zero inspected it`);
    if (isOutOfReach(error)) throw permissionError(pid, 'read');
    throw error;
  }
  throw new AdoptionError(
    `cannot adopt process ${pid}: it is in another network namespace, as in a container. Run zero there: nsenter --target ${pid} --net zero adopt --pid ${pid}`,
  );
}

type Listening = ReadonlyMap<number, TcpListener>;

function listeningSockets(): Listening {
  return new Map(allListeners().map((listener) => [listener.inode, listener]));
}

/** The listening sockets of a process; empty if this user may not inspect it. */
function socketsOf(holder: ProcessIdentity, listening: Listening): HeldSocket[] {
  return descriptorsOf(holder.pid).flatMap(({ fd, link }): HeldSocket[] => {
    const inode = socketInode(link);
    if (inode === null) return [];
    const tcp = listening.get(inode);
    if (tcp !== undefined) {
      return [{ inode, address: tcp.address, holder: { ...holder, fd } }];
    }
    const unix = unixSocket(inode);
    if (!unix?.listening || unix.type !== 'stream' || unix.path === '') return [];
    return [{ inode, address: { family: 'unix', path: unix.path }, holder: { ...holder, fd } }];
  });
}

/**
 * The oldest process that has one of the sockets: the given process, or an ancestor if every process in between has one
 * too. A manager never counts.
 */
function mainOf(given: ProcessIdentity, own: ReadonlySet<number>, listening: Listening): ProcessIdentity {
  let main = given;
  for (const pid of ancestorsOf(given.pid)) {
    const parent = identityOf(pid);
    if (parent === null || managerAt(pid) !== null) break;
    if (!socketsOf(parent, listening).some(({ inode }) => own.has(inode))) break;
    main = parent;
  }
  return main;
}

/** The first reload would stop a manager, with every service that it runs. */
function refuseManager(pid: number, listening: Listening): void {
  const manager = managerAt(pid);
  if (manager === null) return;
  const service = descendantsOf(kernel, pid).find((one) => listens(one.pid, listening));
  const instead =
    service === undefined
      ? `None of its processes has a listening socket.${manager === 'pm2' ? ` ${CLUSTER_MODE}` : ''}`
      : `Pass the pid of the service, for example that of process ${described(service.pid)}: --pid ${service.pid}`;
  throw new AdoptionError(
    `cannot adopt process ${pid}: it is ${manager}, which runs services and is not a service itself. ${instead}`,
  );
}

/** zero ends the service with all its descendants at the first reload, so zero must not be one of them. */
function refuseAncestor(pid: number, main: number): void {
  if (main === 1)
    throw new AdoptionError(
      `cannot adopt process ${pid}: it is the first process of its container or machine, and zero would end with it. Start the container again with zero as its first process: zero run`,
    );
  if (!ancestorsOf(process.pid).includes(main)) return;
  throw new AdoptionError(
    `cannot adopt process ${pid}: zero was started by it (process ${main}), and would end with it. Run zero from a terminal that does not belong to the service, or with systemd-run`,
  );
}

function whyNoSocket(pid: number, listening: Listening): string {
  const child = descendantsOf(kernel, pid).find((one) => listens(one.pid, listening));
  if (child)
    return `it has no listening socket, but its child process ${described(child.pid)} has one. Pass that pid: --pid ${child.pid}`;
  for (const parent of ancestorsOf(pid)) {
    const manager = managerAt(parent);
    if (manager === 'pm2') return `it has no listening socket. ${CLUSTER_MODE}`;
    if (manager !== null) break;
    if (listens(parent, listening))
      return `it has no listening socket, but its parent process ${described(parent)} has one. Pass that pid: --pid ${parent}`;
  }
  return 'it has no listening TCP or Unix stream socket';
}

const CLUSTER_MODE =
  'In the cluster mode of pm2, pm2 itself listens: start the service in fork mode, then adopt it';

function listens(pid: number, listening: Listening): boolean {
  const identity = identityOf(pid);
  return identity !== null && socketsOf(identity, listening).length > 0;
}

/** A command line may contain secrets, so it is cut at the first option. */
function described(pid: number): string {
  return `${pid} (${commandLine(pid).trim().replace(/ -.*$/s, '').slice(0, 60)})`;
}

/** zero uses one lane for all sockets of an address. */
function refuseSeveral(pid: number, sockets: readonly HeldSocket[], listening: Listening): void {
  for (const { address, inode } of sockets) {
    if (address.family === 'unix') continue;
    const text = formatAddress(address);
    const others = [...listening.values()].filter(
      (one) => one.inode !== inode && formatAddress(one.address) === text,
    );
    if (others.length === 0) continue;
    const isOwn = others.some((one) => sockets.some((socket) => socket.inode === one.inode));
    const whose = isOwn
      ? 'it has several sockets (SO_REUSEPORT)'
      : `another process (${ownerText(others[0]?.uid)}) also listens (SO_REUSEPORT)`;
    throw new AdoptionError(
      `cannot adopt process ${pid}: on ${text} ${whose}. zero can take over only one socket for each address. Configure the service to use one socket (nginx: remove "reuseport"; gunicorn: remove "--reuse-port"), then adopt it`,
    );
  }
}

function ownerText(uid: number | undefined): string {
  return uid === undefined ? 'of another user' : `of uid ${uid}`;
}
