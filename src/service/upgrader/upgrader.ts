import type { Socket as DatagramSocket } from 'node:dgram';
import type { Server } from 'node:net';
import { sumOf } from '../drain/report.ts';
import { UpgradeError } from '../upgrade-error.ts';
import { DescriptorTable } from './descriptor-table.ts';
import { Descriptors, type DescriptorsApi } from './descriptors.ts';
import { Moment } from './moment.ts';
import type { NewProcess, Prepared } from './new-process.ts';
import {
  type BindOptions,
  checkUpgradeOptions,
  type ListenOptions,
  type UpgradeOptions,
  type UpgraderOptions,
} from './options.ts';
import type { Parent, ParentLink } from './parent-link.ts';
import type { Parts } from './parts.ts';
import { PidFile } from './pid-file.ts';
import { type Origin, resolveProgram } from './program.ts';
import { type Replaced, ReplacementFailed, replace } from './replacement.ts';
import type { UpgradeReport } from './report.ts';
import { Sockets } from './sockets.ts';
import { refuseSocket, refuseUpgrade, type Stage, stopped } from './stage.ts';
import { encodeState } from './state.ts';
import { refuseForeignServers, refuseForever, refuseWorker } from './support.ts';

/** `superseded`: a new process has taken over. `stopped`: `stop()` was called. */
export type ExitReason = 'superseded' | 'stopped';

/** Holds the sockets of a process, and replaces the process by a new one without closing them. */
export interface Upgrader {
  /** True in a process that an upgrade has started. */
  readonly hasParent: boolean;
  /** The `state` that the previous process passed to `upgrade()`. Undefined if it passed none. */
  readonly state: unknown;
  /** Resolves when this process should finish its work and exit. Never rejects. */
  readonly exit: Promise<ExitReason>;
  /** Other descriptors that are passed on. */
  readonly fds: DescriptorsApi;
  /**
   * Makes a server listen: on the socket of that name or address that the previous process, or a manager, passed on,
   * otherwise on a new one. The server accepts connections at once, so call this when the program can serve.
   * @throws TypeError for wrong options; EADDRINUSE where another server of this process has that address, and what
   * else Node says when the address cannot be bound
   */
  listen(server: Server, options: ListenOptions): Promise<void>;
  /** The same for a socket of node:dgram. */
  bind(socket: DatagramSocket, options: BindOptions): Promise<void>;
  /**
   * Reports that this process serves. Closes sockets that were passed on and are not used. Resolves when this process
   * is in charge: in a new process when the old one releases its sockets, after the probation time. Then the pid file
   * has its pid, and managers are notified.
   * @throws when the pid file cannot be written; an UpgradeError STOPPED after `stop()`
   */
  ready(): Promise<void>;
  /**
   * Starts a new process of this program with all sockets, and resolves when the new process has taken over. If it does
   * not take over, it is ended, this process continues unchanged, and the promise rejects with an UpgradeError.
   */
  upgrade(options?: UpgradeOptions): Promise<UpgradeReport>;
  /**
   * Resolves when the process that this one replaces has exited, or at once if there was none. Rejects with the
   * signal's reason.
   */
  waitForParent(signal?: AbortSignal): Promise<void>;
  /** Resolves `exit`. An upgrade in progress fails, and so does every later one. */
  stop(): void;
}

const DEFAULT_TIMEOUT_MS = 60_000;

/** The upgrader's imperative shell around its stages. */
export class ServiceUpgrader implements Upgrader {
  readonly state: unknown;
  readonly exit: Promise<ExitReason>;
  readonly fds: DescriptorsApi;
  readonly #options: UpgraderOptions;
  readonly #origin: Origin;
  readonly #parent: ParentLink | null;
  readonly #parts: Parts;
  readonly #pidFile: PidFile | null;
  readonly #table = new DescriptorTable();
  readonly #sockets: Sockets;
  readonly #exit = new Moment<ExitReason>();
  readonly #stop = new Moment<void>();
  #stage: Stage = { is: 'starting' };
  /** No previous process continues any more. */
  #inCharge: boolean;
  #successor: NewProcess | null = null;
  #becomingReady: Promise<void> | null = null;

  constructor(options: UpgraderOptions, origin: Origin, parent: Parent | null, parts: Parts) {
    this.#options = options;
    this.#origin = origin;
    this.state = parent?.state;
    this.#parent = parent?.link ?? null;
    this.#parts = parts;
    this.#pidFile = options.pidFile === undefined ? null : new PidFile(options.pidFile);
    this.#inCharge = parent === null;
    this.#table.inherit(parent?.inherited ?? []);
    this.#sockets = new Sockets(this.#table, parts, () => this.#socketClosed());
    this.exit = this.#exit.promise;
    this.fds = new Descriptors(this.#table, () => this.#assertMayOpen('fds.add'));
  }

  get hasParent(): boolean {
    return this.#parent !== null;
  }

  listen(server: Server, options: ListenOptions): Promise<void> {
    return this.#sockets.listen(server, options, () => this.#assertMayOpen('listen'));
  }

  bind(socket: DatagramSocket, options: BindOptions): Promise<void> {
    return this.#sockets.bind(socket, options, () => this.#assertMayOpen('bind'));
  }

  ready(): Promise<void> {
    this.#becomingReady ??= this.#becomeReady().catch((error: unknown) => {
      // `ready()` may be called again.
      this.#becomingReady = null;
      if (this.#is('on_probation')) this.#stage = { is: 'starting' };
      throw error;
    });
    return this.#becomingReady;
  }

  async upgrade(options: UpgradeOptions = {}): Promise<UpgradeReport> {
    checkUpgradeOptions(options);
    const refused = refuseForever() ?? this.#refuseSupervised() ?? refuseUpgrade(this.#stage);
    if (refused !== null) throw refused;
    const state = encodeState(options.state);
    this.#stage = { is: 'upgrading' };
    const { upgradeTimeoutMs = DEFAULT_TIMEOUT_MS, probationMs = 0 } = this.#options;
    await this.#parts.tellReloading();
    try {
      const replaced = await replace({
        timeoutMs: options.timeoutMs ?? upgradeTimeoutMs,
        probationMs: options.probationMs ?? probationMs,
        parent: this.#parent,
        stopped: this.#whenStopped('upgrade'),
        prepare: async () => ({ ...(await this.#prepare(options)), state }),
      });
      return await this.#superseded(replaced);
    } catch (error) {
      if (!(error instanceof ReplacementFailed)) throw error;
      await this.#resume(error);
      throw error.reason;
    }
  }

  async waitForParent(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await this.#parent?.whenGone(signal);
  }

  stop(): void {
    if (this.#is('superseded')) return;
    this.#stage = { is: 'stopped' };
    this.#stop.reach();
    this.#exit.reach('stopped');
  }

  #is(stage: Stage['is']): boolean {
    return this.#stage.is === stage;
  }

  #whenStopped(call: string): Promise<never> {
    const rejected = this.#stop.promise.then(() => {
      throw stopped(call);
    });
    // The promise is raced against others, and may reject after the race has ended.
    rejected.catch(() => undefined);
    return rejected;
  }

  #assertMayOpen(call: string): void {
    const refused = refuseSocket(call, this.#stage);
    if (refused !== null) throw refused;
  }

  #socketClosed(): void {
    if (this.#is('superseded')) {
      this.#sockets.leavePaths();
      this.#releaseWhenClosed();
    } else if (this.#inCharge && !this.#is('upgrading')) {
      this.#sockets.removePaths();
    }
  }

  #releaseWhenClosed(): void {
    if (this.#sockets.open.length === 0) this.#successor?.release();
  }

  async #becomeReady(): Promise<void> {
    if (this.#is('stopped')) throw stopped('ready');
    this.#pidFile?.prepare();
    this.#sockets.closeUnused();
    try {
      if (this.#parent !== null && !this.#inCharge) await this.#waitForCharge(this.#parent);
      this.#pidFile?.commit();
      await this.#parts.tellManagers();
    } catch (error) {
      this.#pidFile?.discard();
      this.#parent?.failed(error);
      throw error;
    }
    this.#inCharge = true;
    this.#parent?.tookOver();
    this.#sockets.removePaths();
    if (!this.#is('stopped')) this.#stage = { is: 'serving' };
  }

  async #waitForCharge(parent: ParentLink): Promise<void> {
    this.#stage = { is: 'on_probation' };
    parent.ready();
    await Promise.race([parent.whenAskedToTakeOver(), this.#whenStopped('ready')]);
  }

  #refuseSupervised(): UpgradeError | null {
    const found = this.#parts.supervisedBy();
    if (found === null) return null;
    const message = `upgrade: ${found.manager} starts new versions of this service. Run: ${found.command}`;
    return new UpgradeError('SUPERVISED', message);
  }

  async #prepare(options: UpgradeOptions): Promise<Omit<Prepared, 'state'>> {
    await this.#sockets.settled();
    const refused = (await refuseWorker()) ?? refuseForeignServers(new Set(this.#sockets.open));
    if (refused !== null) throw refused;
    try {
      return { program: resolveProgram(this.#origin, options), descriptors: this.#table.toHandOn() };
    } catch (error) {
      const { message } = error as Error;
      throw new UpgradeError('CHILD_EXITED', `upgrade: ${message}`, error);
    }
  }

  async #superseded({ process, durations }: Replaced): Promise<UpgradeReport> {
    const drains = this.#sockets.watches.map(({ drained }) => drained);
    this.#stage = { is: 'superseded', by: process.pid };
    this.#successor = process;
    this.#sockets.leavePaths();
    this.#pidFile?.leave();
    process.leave();
    this.#releaseWhenClosed();
    // Sent by this process, because managers accept notifications only from the current main process.
    await this.#parts.tellManagers(process.pid);
    this.#exit.reach('superseded');
    return { pid: process.pid, durations, drained: Promise.all(drains).then(sumOf) };
  }

  /** Restores the state from before the upgrade. */
  async #resume({ askedToTakeOver }: ReplacementFailed): Promise<void> {
    this.#sockets.removePaths();
    try {
      // The new process may have written its pid already.
      if (askedToTakeOver !== null) this.#pidFile?.restore(askedToTakeOver);
    } catch {
      // The directory was removed. The next upgrade reports this.
    }
    await this.#parts.tellManagers();
    if (this.#is('upgrading')) this.#stage = { is: 'serving' };
  }
}
