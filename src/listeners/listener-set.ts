import { errorText } from '../common/errors.ts';
import { runAll, Slices } from '../common/slices.ts';
import type { ListenerConfig } from '../config/schema.ts';
import type { Steering } from '../lifecycle/steering.ts';
import { closeFd } from '../linux/sockets.ts';
import type { TakenSocket } from './binding/adopted-listener.ts';
import { restoreListening } from './binding/bound-listener.ts';
import { HeldListener, type LaneAccess } from './binding/held-listener.ts';
import { type Held, type Hold, heldBy, ListenerPool } from './binding/listener-pool.ts';
import { PassedSockets } from './binding/passed-sockets.ts';
import type { Lookup } from './binding/resolve.ts';
import { foreignOnAllPorts } from './diagnosis/foreign-sockets.ts';
import { type BoundSocket, boundSockets } from './diagnosis/holders.ts';
import type { Probe } from './diagnosis/probe.ts';
import { type Inspection, LaneInspector } from './lanes/lane-inspector.ts';
import { planFor } from './lanes/lane-plan.ts';
import { AT_FIRST, LanePlans, type SteeredListener } from './lanes/lane-plans.ts';
import { LaneWatches } from './lanes/lane-watches.ts';
import { hasOwnQueue, type Lanes, queuedIn } from './lanes/lanes.ts';
import { ListenerError } from './listener-error.ts';
import type {
  Acquired,
  KeptSocket,
  ListenerSnapshot,
  Listeners,
  NamedFault,
  NamedForeignSocket,
  SavedListener,
} from './listeners.ts';

export interface ListenerSetOptions {
  /** Resolves host names. Default: the system's resolver. */
  readonly lookup?: Lookup;
  /** The sockets that were passed to zero. Default: none. */
  readonly passed?: PassedSockets;
  /** Called with what failed in a release: a setting that could not be restored. */
  readonly warn?: (message: string) => void;
}

/**
 * The only owner of the supervisor's listening descriptors. The sockets listen from the bind on, before any service
 * runs, so early clients wait in the queue.
 */
export class ListenerSet implements Listeners {
  readonly #pool: ListenerPool;
  readonly #holds = new WeakMap<object, Held>();
  readonly #warn: (message: string) => void;
  readonly #plans = new LanePlans();
  readonly #watches = new LaneWatches();
  readonly #inspector: LaneInspector;
  #onFaults: ((faults: readonly NamedFault[]) => void) | null = null;
  #laneCount = 0;

  constructor(options: ListenerSetOptions = {}) {
    this.#warn = options.warn ?? (() => {});
    this.#pool = new ListenerPool({
      lookup: options.lookup,
      passed: options.passed ?? new PassedSockets({}, 0),
      warn: this.#warn,
      onFault: () => this.#reportFaults(),
      onClose: (lanes) => this.#watches.drop(lanes),
    });
    this.#inspector = new LaneInspector(this.#pool, this.#watches);
  }

  /**
   * Takes one reference on each listener of `spec` and binds the missing ones. A listener counts as the same if its
   * normalised address is equal (with port 0: its name, too), or if both resolve to the same address. Its other
   * settings change to those of `spec`. They revert when this acquisition is released before an older one.
   *
   * All or nothing: a failure closes new sockets and reverts settings. The promise then rejects with ListenerError.
   * @param lanes minimum number of lanes of every steered listener; 0: all generations share newly bound listeners
   */
  async acquire(spec: readonly ListenerConfig[], lanes = 0): Promise<Acquired> {
    const holds = await this.#pool.hold(spec, lanes);
    try {
      const acquired = this.#acquired(holds);
      this.#holds.set(acquired, heldBy(holds));
      const slices = new Slices();
      for (const _ of this.#ensure(lanes)) if (slices.isOver()) await slices.next();
      for (const listener of this.#steered()) {
        this.#steer(listener, false);
        if (slices.isOver()) await slices.next();
      }
      return acquired;
    } catch (error) {
      this.#pool.release(holds);
      throw error;
    }
  }

  relisten(acquired: Acquired, lanes?: readonly number[]): void {
    runAll(this.relistenInSteps(acquired, lanes));
  }

  *relistenInSteps(
    acquired: Acquired,
    lanes: readonly number[] = this.#plans.lanesOf(acquired),
  ): Generator<void, void, void> {
    for (const { socket, reference } of this.#holds.get(acquired)?.all ?? []) {
      // It may be released between two steps.
      if (!this.#holds.has(acquired)) return;
      restoreListening(socket.bound, lanes, reference.config, this.#pool.nameOf);
      yield;
    }
  }

  /** Adds lanes to every steered listener until it has `count`. Throws ListenerError. */
  ensureLanes(count: number): void {
    runAll(this.#ensure(count));
  }

  steer(steering: Steering): void {
    runAll(this.steerInSteps(steering));
  }

  *steerInSteps(steering: Steering): Generator<void, void, void> {
    const { main, canary, preview } = steering;
    this.ensureLanes(Math.max(0, ...main, ...(canary?.lanes ?? []), ...(preview ?? [])) + 1);
    this.#plans.want(steering);
    for (const listener of this.#steered()) {
      this.#steer(listener, true);
      yield;
    }
  }

  openProbe(acquired: Acquired, listener: string, lane: number): Probe {
    const lanes = this.#holds.get(acquired)?.byName.get(listener)?.socket.bound.lanes ?? null;
    if (lanes !== null) return lanes.openProbe(lane);
    throw new ListenerError(listener, `probe ${listener}: the listener is not steered`);
  }

  watchLane(lane: number, isShared: boolean, onQueued: () => void): { close(): void } {
    return this.#watches.watchQueue(lane, onQueued, isShared, this.#allLanes());
  }

  watchArrival(lane: number, onArrival: () => void): { close(): void } {
    return this.#watches.watchArrival(lane, onArrival, this.#allLanes());
  }

  queued(lane: number): number {
    return queuedIn(this.#allLanes(), lane);
  }

  queuedOn(acquired: Acquired, listener: string, lane: number): number {
    const lanes = this.#holds.get(acquired)?.byName.get(listener)?.socket.bound.lanes ?? null;
    return lanes === null ? 0 : queuedIn([lanes], lane);
  }

  unattended(lane: number, isShared: boolean): number {
    return queuedIn(this.#allLanes(), lane, (lanes) => hasOwnQueue(lanes, lane, isShared));
  }

  queues(): ReadonlyMap<string, number> {
    const queues = new Map<string, number>();
    for (const { bound, config } of this.#pool.sockets)
      if (bound.lanes !== null) queues.set(config.name, bound.lanes.waiting());
    return queues;
  }

  *prepareLanes(wanted: readonly number[]): Generator<void, void, void> {
    yield* this.#ensure(Math.max(...wanted) + 1);
    for (const lanes of this.#allLanes()) {
      // A listener may be closed meanwhile.
      for (const lane of wanted) if (lane < lanes.sockets.length) lanes.prepare(lane);
      yield;
    }
  }

  foreignSockets(): NamedForeignSocket[] {
    return this.#inspector.foreignSockets();
  }

  boundSockets(port: number | null): BoundSocket[] {
    return boundSockets(port, this.#pool.names());
  }

  /**
   * Faults that services caused to their lanes and paths since the last check. They are repaired now. Throws
   * ListenerError.
   */
  laneFaults(): NamedFault[] {
    return this.#inspector.faults();
  }

  /** The same faults and the foreign sockets, one listener per step. Throws ListenerError. */
  inspect(): Generator<Inspection, void, void> {
    return this.#inspector.inspect();
  }

  /** Calls back as soon as a lane is shut down or a public name is removed. Only one watch at a time. */
  watchFaults(onFaults: (faults: readonly NamedFault[]) => void): { close(): void } {
    this.#onFaults = onFaults;
    this.#watches.watchHangups((lanes, lane) => {
      lanes.hungUp(lane);
      this.#reportFaults();
    }, this.#allLanes());
    return {
      close: () => {
        this.#onFaults = null;
        this.#watches.watchHangups(null, this.#allLanes());
      },
    };
  }

  /** The name of the listener that owns a socket. Null for a foreign socket. */
  nameOf(inode: number): string | null {
    return this.#pool.nameOf(inode);
  }

  snapshot(): readonly ListenerSnapshot[] {
    return this.#pool.data.snapshot;
  }

  kept(): readonly KeptSocket[] {
    return this.#pool.data.kept;
  }

  /**
   * Continues with the listeners of a supervisor that died, before any acquisition. The descriptors belong to this set
   * from now on. Each is held until `finish`, by when its generations have acquired it: `acquire` finds it by address,
   * resolves no name and does not change where connections go. The next `steer` does. Throws ListenerError.
   * @param steering where connections go; null if the dead supervisor had not steered yet
   */
  recover(
    saved: readonly SavedListener[],
    steering: Steering | null,
  ): {
    /** Names of the listeners whose sockets are all lost. */
    readonly missing: readonly string[];
    finish(): void;
  } {
    if (steering !== null) this.#plans.assume(steering);
    const plan = planFor(steering ?? AT_FIRST, null, () => null, []);
    const found = saved.map((one) => ({ name: one.name, hold: this.#pool.recover(one, plan) }));
    return {
      missing: found.flatMap(({ name, hold }) => (hold === null ? [name] : [])),
      finish: () => this.#pool.release(found.flatMap(({ hold }) => hold ?? [])),
    };
  }

  /**
   * Starts with the sockets of another program, before any acquisition. The descriptors belong to this set from now on.
   * Each is held until `finish`, by when the first generation has acquired it, or `abandon`. `abandon` closes zero's
   * descriptors and does not change the program. Throws ListenerError: sockets are then unchanged, and closed here.
   */
  adopt(taken: readonly TakenSocket[]): { finish(): void; abandon(): void } {
    const held: ReturnType<ListenerPool['adopt']>[] = [];
    const abandon = () => {
      for (const { abandon: leave } of held.splice(0)) leave();
    };
    for (const [index, one] of taken.entries()) {
      try {
        held.push(this.#pool.adopt(one));
      } catch (error) {
        abandon();
        for (const { fd } of taken.slice(index)) closeFd(fd);
        throw error;
      }
    }
    return { finish: () => this.#pool.release(held.splice(0)), abandon };
  }

  #acquired(holds: readonly Hold[]): Acquired {
    const access: LaneAccess = {
      give: (lanes, lane, first) => this.#give(acquired, lanes, lane, first),
      regain: (lanes, lane, first) => {
        this.#plans.give(lane, acquired);
        return lanes.regain(lane, first);
      },
    };
    const acquired: Acquired = {
      listeners: holds.map((hold) => new HeldListener(hold, access)),
      release: () => {
        const held = this.#holds.get(acquired);
        this.#holds.delete(acquired);
        this.#plans.forget(acquired);
        if (held !== undefined) this.#pool.release(held.all);
      },
    };
    return acquired;
  }

  #give(acquired: Acquired, lanes: Lanes, lane: number, first: number | undefined): number {
    // If every lane is in use, or may still get a connection, a new generation needs one more lane.
    if (lane >= this.#laneCount) this.ensureLanes(lane + 1);
    const fd = this.#watches.during(lanes, () => lanes.give(lane, first));
    if (this.#plans.give(lane, acquired)) {
      for (const listener of this.#steered()) this.#steer(listener, false);
    }
    return fd;
  }

  #steer(listener: SteeredListener, always: boolean): void {
    const plan = this.#plans.planOf(listener, always);
    if (plan === null) return;
    listener.lanes.steer(plan);
    this.#plans.installed(listener.lanes, plan);
  }

  #steered(): SteeredListener[] {
    return [...this.#pool.sockets].flatMap((socket) => {
      const { lanes } = socket.bound;
      if (lanes === null) return [];
      const isHeldBy = (holder: object) => this.#holds.get(holder)?.sockets.has(socket) ?? false;
      return [{ lanes, isHeldBy }];
    });
  }

  #allLanes(): Lanes[] {
    return this.#steered().map(({ lanes }) => lanes);
  }

  /** Each step handles one listener. */
  *#ensure(count: number): Generator<void, void, void> {
    const wanted = Math.max(this.#laneCount, count);
    const foreign = foreignOnAllPorts(() => this.#pool.known());
    for (const lanes of this.#allLanes()) {
      // A listener may be closed between two steps.
      if (lanes.sockets.length > wanted || lanes.sockets.length === 0) continue;
      this.#watches.during(lanes, () => lanes.ensure(wanted, foreign));
      yield;
    }
    // Other listeners may have been bound meanwhile.
    for (const lanes of this.#allLanes()) this.#watches.during(lanes, () => lanes.ensure(wanted, foreign));
    this.#laneCount = Math.max(this.#laneCount, wanted);
  }

  #reportFaults(): void {
    if (this.#onFaults === null) return;
    try {
      const faults = this.laneFaults();
      if (faults.length > 0) this.#onFaults(faults);
    } catch (error) {
      this.#warn(errorText(error));
    }
  }
}
