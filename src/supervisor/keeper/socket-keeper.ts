import { constants, openSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { linkOf, removeFile } from '../../common/files.ts';
import type { ExitStatus } from '../../lifecycle/facts.ts';
import { openOwnFile } from '../../linux/files/own-files.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { makeFifo } from '../../linux/pipes.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import { type Delivery, describeRefusal, NOBODY } from '../../workers/processes/delivery.ts';
import type { ProcessTable } from '../../workers/processes/process-table.ts';
import { killSessions } from '../../workers/processes/stopper.ts';
import { tools } from '../../workers/spawning/commands.ts';
import {
  FIFO,
  FIFO_FD,
  FIRST_SOCKET_FD,
  isKeeper,
  KEEPER_NAME,
  keeperProgram,
  VAULT_FD,
} from './keeper-script.ts';

/** A keeper of an earlier supervisor. */
export interface PreviousKeeper extends ProcessIdentity {
  /**
   * A writing end of its FIFO, through which the keeper received an order; null without an order. If it closed before
   * the keeper has ended, the keeper would start another supervisor.
   */
  readonly orders: number | null;
}

export interface SocketKeeperOptions {
  readonly kernel: Kernel;
  readonly table: ProcessTable;
  readonly runtimeDirectory: string;
  /** The environment of the keeper and of a supervisor that it starts, as `NAME=value`. */
  readonly environment: readonly Buffer[];
  /** The program and the arguments that start this supervisor again. */
  readonly command: () => readonly string[];
  /** Whether the keeper restarts a dead supervisor. */
  readonly restart: () => boolean;
  /** Consecutive restarts of the supervisor by a keeper after a short run. */
  readonly tries: () => number;
  /** The descriptor of the vault; null without one. */
  readonly vault: () => number | null;
  /** The descriptors of the sockets to keep. */
  readonly sockets: () => readonly number[];
  /** Called when a keeper holds the sockets. */
  readonly done: (version: number, keeper: ProcessIdentity) => void;
  /** Called when no keeper could be started. The previous one still runs. */
  readonly failed: (version: number, error: unknown) => void;
  /** Called when the keeper exited unexpectedly. */
  readonly lost: (version: number, keeper: ProcessIdentity, exit: ExitStatus) => void;
  readonly warn: (message: string) => void;
}

interface Current {
  readonly identity: ProcessIdentity;
  readonly version: number;
  readonly sockets: number;
}

/** How long end() waits for the keeper's exit, in milliseconds. */
const END_TIMEOUT = 200;

/**
 * Starts, replaces and ends the keeper: a process that holds every socket of the service, so that no socket closes when
 * the supervisor dies. A change of the sockets requires a new keeper, which receives all of them before the old one
 * ends.
 */
export class SocketKeeper {
  readonly #options: SocketKeeperOptions;
  readonly #fifo: string;
  /** The name by which the keeper's shell is executed. */
  readonly #link: string;
  #fifoFd: number | null = null;
  #current: Current | null = null;
  #previous: readonly PreviousKeeper[] = [];
  #wanted: number | null = null;
  #ended = false;
  #onExit: (() => void) | null = null;

  constructor(options: SocketKeeperOptions) {
    this.#options = options;
    this.#fifo = path.join(options.runtimeDirectory, FIFO);
    this.#link = path.join(options.runtimeDirectory, KEEPER_NAME);
  }

  /** The running keeper; null before the first one, and after it was lost. */
  get identity(): ProcessIdentity | null {
    return this.#current?.identity ?? null;
  }

  /** The number of sockets that it holds. */
  get sockets(): number {
    return this.#current?.sockets ?? 0;
  }

  /** The supervisor's end of the FIFO. The keeper detects by its closing that the supervisor has died. */
  get fifoFd(): number | null {
    return this.#fifoFd;
  }

  /** Adopts the keepers of an earlier supervisor. They end as soon as there is a new one. */
  adoptPrevious(keepers: readonly PreviousKeeper[]): void {
    this.#previous = keepers;
  }

  /**
   * Replaces the keeper by one that holds the current sockets, after the current turn of the event loop. Answered by
   * `done` or `failed`. Of several calls in one turn the last one counts.
   */
  keep(version: number): void {
    const isScheduled = this.#wanted !== null;
    this.#wanted = version;
    if (!isScheduled) this.#options.kernel.defer(() => this.#renew());
  }

  /** Ends the keeper and its files, and waits up to 200 ms for its exit. Never rejects. */
  async end(): Promise<void> {
    this.#ended = true;
    const current = this.#current;
    this.#endPrevious();
    if (current !== null) {
      const exited = new Promise<void>((resolve) => {
        this.#onExit = resolve;
        setTimeout(resolve, END_TIMEOUT).unref();
      });
      this.#options.table.signal(current.identity.pid, 'SIGKILL');
      await exited;
    }
    if (this.#fifoFd !== null) this.#options.kernel.closeFd(this.#fifoFd);
    this.#fifoFd = null;
    for (const file of [this.#fifo, this.#link]) removeFile(file);
  }

  #renew(): void {
    const version = this.#wanted;
    this.#wanted = null;
    if (version === null || this.#ended) return;
    const before = this.#current;
    try {
      this.#current = this.#start(version);
    } catch (error) {
      this.#options.failed(version, error);
      return;
    }
    const { identity } = this.#current;
    if (before !== null) this.#options.table.signal(before.identity.pid, 'SIGKILL');
    this.#endPrevious();
    this.#options.done(version, identity);
  }

  #start(version: number): Current {
    const { kernel, table, vault, sockets } = this.#options;
    this.#fifoFd ??= openFifo(this.#fifo);
    // In ascending order, sockets get numbers below their own, which need no duplicates: a thousand listeners have more
    // than ten thousand sockets, and the limit of descriptors is often 20,000.
    const kept = [...sockets()].sort((one, other) => one - other);
    // For reading only: a keeper with a writing end would never see end-of-file. No other process shares this open file
    // description.
    const reading = openSync(`/proc/self/fd/${this.#fifoFd}`, constants.O_RDONLY);
    const nothing = vault() === null ? openSync('/dev/null', constants.O_RDONLY) : null;
    try {
      const descriptors = new Map([
        [1, 1],
        [2, 2],
        [FIFO_FD, reading],
        [VAULT_FD, nothing ?? vault() ?? reading],
        ...kept.map((fd, index) => [FIRST_SOCKET_FD + index, fd] as const),
      ]);
      const pid = this.#spawn(descriptors);
      const startTime = kernel.processStat(pid)?.startTime ?? 0;
      const current = { identity: { pid, startTime }, version, sockets: kept.length };
      table.adopt(pid, (exit) => this.#exited(current, exit));
      return current;
    } finally {
      kernel.closeFd(reading);
      if (nothing !== null) kernel.closeFd(nothing);
    }
  }

  /** posix_spawn(3) returns when the new program has the descriptors. */
  #spawn(descriptors: ReadonlyMap<number, number>): number {
    const { kernel, runtimeDirectory, environment, command, restart, tries } = this.#options;
    const shell = tools.find('sh');
    const start = (file: string, name: string) => {
      const options = { shell: name, runtimeDirectory, environment, restart: restart(), tries: tries() };
      return kernel.spawn({ path: file, ...keeperProgram({ ...options, command: command() }), descriptors });
    };
    // busybox selects its applet by the name of the program.
    if (path.basename(realpathSync.native(shell)) !== 'busybox') {
      try {
        // The file name is the process name in ps(1) and top(1) (begin_new_exec, fs/exec.c).
        return start(this.#linkTo(shell), KEEPER_NAME);
      } catch {
        // The directory is not writable, or its file system allows no links. The name is only for readability.
      }
    }
    return start(shell, 'sh');
  }

  #linkTo(shell: string): string {
    if (linkOf(this.#link) !== shell) {
      rmSync(this.#link, { force: true });
      symlinkSync(shell, this.#link);
    }
    return this.#link;
  }

  #exited(current: Current, exit: ExitStatus): void {
    if (this.#current !== current) return;
    this.#current = null;
    this.#onExit?.();
    if (!this.#ended) this.#options.lost(current.version, current.identity, exit);
  }

  #endPrevious(): void {
    const { kernel, runtimeDirectory, warn } = this.#options;
    const previous = this.#previous;
    this.#previous = [];
    for (const keeper of previous) {
      const { refused } = endKeeper(kernel, keeper, runtimeDirectory);
      for (const refusal of refused) warn(describeRefusal('SIGKILL', refusal));
      if (keeper.orders !== null) kernel.closeFd(keeper.orders);
    }
  }
}

/**
 * Kills a keeper of an earlier supervisor, after a check that the process is still that keeper. Kills the programs that
 * it has started as well, except this one, because they have the sockets, too. Never throws.
 */
export function endKeeper(kernel: Kernel, keeper: ProcessIdentity, runtimeDirectory: string): Delivery {
  const isStill =
    kernel.processStat(keeper.pid)?.startTime === keeper.startTime &&
    isKeeper(kernel.argumentsOf(keeper.pid), runtimeDirectory);
  if (!isStill) return NOBODY;
  return killSessions(kernel, [keeper.pid], new Set([kernel.pid]));
}

/** Opened both ways: opening a FIFO for writing only would wait for a reader (fifo(7)). */
function openFifo(file: string): number {
  rmSync(file, { force: true });
  makeFifo(file, 0o600);
  return openOwnFile(file, constants.O_RDWR);
}
