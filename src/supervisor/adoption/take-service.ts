import { readFileSync } from 'node:fs';
import { now } from '../../common/clock.ts';
import { isSystemFailure } from '../../common/errors.ts';
import type { Config } from '../../config/index.ts';
import type { Adopted } from '../../lifecycle/events.ts';
import type { Failure } from '../../lifecycle/facts.ts';
import { TAKEN_LANE } from '../../lifecycle/lane.ts';
import { pidfdGetfd } from '../../linux/processes.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import { formatAddress } from '../../linux/sockaddr.ts';
import { closeFd, getOption, inodeOf } from '../../linux/sockets.ts';
import type { TakenSocket } from '../../listeners/binding/adopted-listener.ts';
import { resolveTarget } from '../../listeners/binding/resolve.ts';
import { ListenerError } from '../../listeners/listener-error.ts';
import type { ListenerSet } from '../../listeners/listener-set.ts';
import { SpawnError } from '../../workers/spawning/spawner.ts';
import { keeperSystem } from '../keeper/keeper-system.ts';
import type { Generations } from '../run/generations.ts';
import { listenersOf, type Prepared } from '../run/prepare.ts';
import type { RecoveredProcess } from '../run/worker-parts.ts';
import { addressText, matchListeners, type OfferedSocket, type WantedListener } from './match-listeners.ts';
import { otherManager } from './other-manager.ts';
import { AdoptionError, permissionError } from './permission.ts';
import { findService, type HeldSocket, identityOf, isHeld, type RunningService } from './running-service.ts';

export interface TakeContext {
  readonly config: Config;
  readonly listeners: ListenerSet;
  /** Finds the release of the config, and acquires its listeners. */
  readonly prepare: () => Promise<Prepared | Failure>;
  /** Aborts with the reason when the operator cancels the adoption. */
  readonly stopped: AbortSignal;
}

/** Takes the sockets of one running service. Rejects with AdoptionError; the service is unchanged then. */
export type TakeService = (context: TakeContext) => Promise<TakenService>;

/** A running service whose sockets match the listeners. */
export interface TakenService {
  /** The release of the config, with the settings of a generation with one process. */
  readonly prepared: Prepared;
  /** The pid of its main process. */
  readonly pid: number;
  /** The number of its processes. */
  readonly processes: number;
  readonly addresses: readonly string[];
  /** Warnings for the operator. */
  readonly remarks: readonly string[];
  /**
   * Takes over the main process as the worker of a generation that was added before. Returns the first event of the
   * supervisor. Throws AdoptionError if the service has changed meanwhile. zero has released its sockets then.
   */
  readonly adopt: (generation: number, generations: Generations) => Adopted;
}

/**
 * Places the lanes of the listeners next to the sockets of a service.
 * @param where the source of the listeners: the path of the config, or the command line
 */
export function serviceOf(pid: number, where: string): TakeService {
  return async ({ config, listeners, prepare, stopped }) => {
    const service = findService(pid);
    const wanted = await wantedListeners(pid, config);
    const sockets = takeSockets(pid, service, wanted, where);
    let held: ReturnType<ListenerSet['adopt']>;
    try {
      held = listeners.adopt(sockets);
    } catch (error) {
      throw refusalOf(pid, error);
    }
    const prepared = await prepare().catch((error: unknown) => {
      held.abandon();
      throw refusalOf(pid, error);
    });
    if (!('config' in prepared)) {
      held.abandon();
      throw new AdoptionError(`cannot adopt process ${pid}: ${prepared.reason}`);
    }
    const { main, descendants } = service;
    const own = { ...prepared, settings: ofOneProcess(prepared) };
    return {
      prepared: own,
      pid: main.pid,
      processes: 1 + descendants.length,
      addresses: service.sockets.map(({ address }) => formatAddress(address)),
      remarks: remarksOn(pid, main.pid),
      adopt: (generation, generations) => {
        const since = startOf(main.startTime);
        try {
          if (stopped.aborted)
            throw new AdoptionError(`cannot adopt process ${pid}: zero was stopped (${stopped.reason})`);
          const { found } = generations.adopt(workerOf(generation, main, since));
          // zero now has the pidfd of the main process, so it notices the exit.
          const loss = found === 'running' ? lossOf(pid, service) : exitedError(pid);
          if (loss !== null) throw loss;
        } catch (error) {
          generations.release(generation);
          held.abandon();
          throw refusalOf(pid, error);
        }
        held.finish();
        return { type: 'adopted', settings: own.settings, pid: main.pid, since };
      },
    };
  };
}

function workerOf(generation: number, { pid, startTime }: ProcessIdentity, since: number): RecoveredProcess {
  return {
    key: { generation, worker: 0, incarnation: 1 },
    pid,
    startTime,
    // No other process is in a session with this number, unless the process leads it.
    session: pid,
    lane: TAKEN_LANE,
    rescue: false,
    first: TAKEN_LANE,
    since,
    waiting: [],
    pipes: { stdout: null, stderr: null, ready: null },
    adopted: true,
  };
}

/** Warnings for the operator about an adopted service. */
function remarksOn(given: number, main: number): string[] {
  const remarks: string[] = [];
  if (main !== given)
    remarks.push(
      `process ${main} is the main process of the service. Process ${given} is one of its descendants and has the same socket`,
    );
  const manager = otherManager(main);
  if (manager !== null) {
    const { name, when, command } = manager;
    remarks.push(
      when === 'before'
        ? `${name} may start the service again when process ${main} exits. Before the first reload, hand the service over to zero: ${command}`
        : `${name} starts the service again when process ${main} exits. As soon as the first reload is over, hand the service over to zero: ${command}`,
    );
  }
  return remarks;
}

type OpenedSocket = OfferedSocket & { readonly fd: number };

/** The addresses of the config's listeners. */
async function wantedListeners(pid: number, config: Config): Promise<WantedListener[]> {
  try {
    return await Promise.all(
      listenersOf(config).map(async (listener) => {
        const { address } = listener;
        if (address.kind === 'passed')
          throw new ListenerError(
            listener.name,
            `listener ${listener.name} is a socket that is passed to zero (${address.text}). Write the address on which the service listens`,
          );
        return {
          config: listener,
          target: address.kind === 'inet' ? await resolveTarget(listener, address) : null,
        };
      }),
    );
  } catch (error) {
    throw refusalOf(pid, error);
  }
}

/** Duplicates of the sockets, one for each listener. Throws AdoptionError and leaves nothing open then. */
function takeSockets(
  pid: number,
  service: RunningService,
  wanted: readonly WantedListener[],
  where: string,
): TakenSocket[] {
  const opened = openSockets(pid, service);
  try {
    return matchListeners(wanted, opened, { pid, where }).map(({ config, socket }) => {
      const { address, inode, fd } = socket;
      return { config, address, inode, fd };
    });
  } catch (error) {
    for (const { fd } of opened) closeFd(fd);
    throw error;
  }
}

/** A duplicate of each socket. Throws AdoptionError and leaves nothing open then. */
function openSockets(pid: number, service: RunningService): OpenedSocket[] {
  const opened: OpenedSocket[] = [];
  try {
    for (const socket of service.sockets) {
      const fd = duplicate(pid, socket);
      const ipv6Only = socket.address.family === 'inet6' && getOption(fd, 'ipv6_only') === 1;
      opened.push({ ...socket, fd, ipv6Only });
      if (inodeOf(fd) !== socket.inode) throw closedError(pid, socket);
    }
    return opened;
  } catch (error) {
    for (const { fd } of opened) closeFd(fd);
    throw error;
  }
}

/** The addresses on which a running service listens, as `--listen` accepts them. Throws AdoptionError. */
export function listenArguments(pid: number): string[] {
  const opened = openSockets(pid, findService(pid));
  for (const { fd } of opened) closeFd(fd);
  return opened.map(addressText);
}

function duplicate(pid: number, socket: HeldSocket): number {
  const { kernel } = keeperSystem;
  const { holder } = socket;
  try {
    const pidfd = kernel.openPidfd(holder.pid);
    try {
      return pidfdGetfd(pidfd, holder.fd);
    } finally {
      kernel.closeFd(pidfd);
    }
  } catch (error) {
    if (!isSystemFailure(error)) throw error;
    if (error.code === 'EPERM' || error.code === 'EACCES') throw permissionError(holder.pid, 'attach');
    if (error.code === 'ESRCH') throw exitedError(pid);
    if (error.code === 'EBADF') throw closedError(pid, socket);
    throw new AdoptionError(`cannot adopt process ${pid}: ${error.message}`);
  }
}

/** An error if the service has exited or closed a socket while it was being adopted. */
function lossOf(pid: number, service: RunningService): AdoptionError | null {
  const { main, sockets } = service;
  if (identityOf(main.pid)?.startTime !== main.startTime) return exitedError(pid);
  const closed = sockets.find(({ inode }) => !isHeld(inode, service));
  return closed === undefined ? null : closedError(pid, closed);
}

function exitedError(pid: number): AdoptionError {
  return new AdoptionError(`cannot adopt process ${pid}: it exited while it was being adopted`);
}

function closedError(pid: number, { address }: HeldSocket): AdoptionError {
  const text = formatAddress(address);
  return new AdoptionError(
    `cannot adopt process ${pid}: it closed its socket on ${text} while it was being adopted. Try again once it listens`,
  );
}

function refusalOf(pid: number, error: unknown): unknown {
  const isExpected = error instanceof ListenerError || error instanceof SpawnError || isSystemFailure(error);
  return isExpected ? new AdoptionError(`cannot adopt process ${pid}: ${error.message}`) : error;
}

/** A process without support for zero sends no WATCHDOG=1. */
function ofOneProcess({ config, settings }: Prepared): Prepared['settings'] {
  const hasWatchdog = config.service.liveness?.watchdog !== undefined;
  return { ...settings, workers: 1, ...(hasWatchdog && { liveness: null }) };
}

/** USER_HZ, the unit of start times in proc_pid_stat(5). Both count from boot, with the time in suspend. */
const TICKS = 100;

function startOf(startTime: number): number {
  const uptime = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]);
  return now() - Math.max(0, uptime - startTime / TICKS) * 1_000;
}
