import { errorText } from '../../common/errors.ts';
import type { ListenerConfig } from '../../config/schema.ts';
import { attachReuseport, lockFilter } from '../../linux/bpf.ts';
import { closeFd, connectSocket, getOption, listenSocket, setOption } from '../../linux/sockets.ts';
import type { InetTarget } from '../binding/resolve.ts';
import { explainFailure } from '../diagnosis/explain.ts';
import {
  countForeignSockets,
  foreignOnPort,
  foreignTcpSockets,
  nameForeignSockets,
} from '../diagnosis/foreign-sockets.ts';
import type { ForeignListeners, OwnSockets } from '../diagnosis/holders.ts';
import { makeProbe, type Probe } from '../diagnosis/probe.ts';
import { type ProbeHost, probeHost, probeTarget } from '../diagnosis/probe-host.ts';
import { acceptedInode, openProbeSocket, probeState } from '../diagnosis/probe-socket.ts';
import { ListenerError, nameAddress } from '../listener-error.ts';
import {
  closedLanes,
  type GroupLane,
  openedLane,
  ownerOfLanes,
  proveRefusing,
  type RecoveredGroup,
  reach,
  recoveredLane,
  refuse,
  regained,
} from './group-lane.ts';
import { GroupOrder } from './group-order.ts';
import { groupProgram, type OpenProbe } from './group-program.ts';
import { lanesOf, narrowedPlan } from './lane-plan.ts';
import { findIndex, type ProofTarget } from './lane-proof.ts';
import type { ForeignSocket, LaneFault, LanePlan, Lanes, LaneWithQueue } from './lanes.ts';
import type { ProbeRoute } from './steering-program.ts';
import { isListening, isSealed, isSound, openLane, reservePort, setSeal } from './tcp-lane.ts';

/**
 * The lanes of one TCP listener: a reuseport group whose program selects the socket for each new connection. The last
 * socket is no lane and goes to no worker: the program is attached through it, because workers' sockets are locked.
 */
export class LaneGroup implements Lanes {
  readonly target: InetTarget;
  #config: ListenerConfig;
  readonly #own: OwnSockets;
  /** The user that owns all sockets. Null: this process's user. */
  readonly #owner: number | null;
  readonly #host: ProbeHost;
  readonly #lanes: GroupLane[] = [];
  #order = new GroupOrder();
  readonly #probes = new Map<number, OpenProbe>();
  #plan: LanePlan = { main: [0], canary: null, preview: null };

  private constructor(
    config: ListenerConfig,
    target: InetTarget,
    own: OwnSockets,
    owner: number | null = null,
  ) {
    this.#config = config;
    this.#owner = owner;
    this.#own = own;
    this.target = target;
    this.#host = probeHost(config, target.address);
  }

  /**
   * Binds `count` lanes and the control socket without a check for foreign sockets: the port was free just before.
   * Throws ListenerError; CannotSteerError where only sharing is possible.
   */
  static bind(config: ListenerConfig, target: InetTarget, count: number, own: OwnSockets): LaneGroup {
    const reserved = reservePort(config, target, own);
    try {
      const group = new LaneGroup(config, reserved.target, own);
      return group.#openAll(() => group.ensure(count));
    } finally {
      closeFd(reserved.fd);
    }
  }

  /**
   * Continues with the lanes of a supervisor that died, or adds lanes to an adopted socket. Nothing changes for clients
   * if a keeper held all lanes. Where lanes have closed, others have taken their indices, and new lanes are opened.
   * Throws ListenerError.
   */
  static recover(config: ListenerConfig, recovered: RecoveredGroup, own: OwnSockets): LaneGroup {
    const group = new LaneGroup(config, recovered.target, own, ownerOfLanes(recovered));
    return group.#openAll(() => group.#recover(recovered));
  }

  get sockets(): readonly LaneWithQueue[] {
    return this.#lanes;
  }

  get revision(): number {
    return this.#order.revision;
  }

  configure(config: ListenerConfig): void {
    this.#config = config;
  }

  ensure(count: number, foreign = foreignOnPort(this.#own)): void {
    if (this.#lanes.length > count) return;
    this.#countForeignSockets(foreign);
    while (this.#lanes.length <= count) this.#open(this.#lanes.length);
  }

  give(lane: number): number {
    // While no other process accepts from the lane, test connections can be removed from its queue.
    this.#ready(lane);
    const found = this.#lane(lane);
    const fd = this.#fdOf(lane);
    if (!found.given) lockFilter(fd);
    reach(found, this.target);
    found.given = true;
    return fd;
  }

  regain(lane: number): number | null {
    return regained(this.#lane(lane));
  }

  socketOf(lane: number): number {
    return lane;
  }

  steer(plan: LanePlan): void {
    this.ensure(Math.max(...lanesOf(plan)) + 1);
    const before = this.#plan;
    this.#plan = plan;
    try {
      this.#settle();
    } catch (error) {
      this.#plan = before;
      throw error;
    }
  }

  queued(lane: number): number {
    return this.#lane(lane).queue.clients();
  }

  waiting(): number {
    return this.#lanes.reduce((sum, { queue, used }) => (used ? sum + queue.waiting() : sum), 0);
  }

  // Every check finds it.
  hungUp(): void {}

  prepare(lane: number): void {
    this.#ready(lane);
    if (!lanesOf(this.#plan).includes(lane)) refuse(this.#lane(lane), this.target);
  }

  openProbe(lane: number): Probe {
    const found = this.#lane(lane);
    const { queue } = found;
    const laneFd = this.#fdOf(lane);
    const { host, remote } = probeTarget(this.#config, this.#host, this.target.address.port);
    this.#prove(lane);
    reach(found, this.target);
    // Without data, a connection never reaches the queue of a lane with TCP_DEFER_ACCEPT. `relisten` sets it again.
    if (getOption(laneFd, 'defer_accept') !== 0) setOption(laneFd, 'defer_accept', 0);
    try {
      const { fd, local } = openProbeSocket(host);
      const close = () => {
        this.#probes.delete(fd);
        queue.retire(fd);
        this.#attach();
      };
      this.#probes.set(fd, { local, lane });
      const look = queue.add(fd, () => probeState(fd, local, remote, () => isSound(laneFd)));
      const inode = () => acceptedInode(local, remote);
      const { name: listener } = this.#config;
      const probe = makeProbe({ listener, lane, fd, local, remote, look, inode, close });
      try {
        this.#attach();
        connectSocket(fd, remote);
      } catch (error) {
        probe.close();
        throw error;
      }
      return probe;
    } catch (error) {
      throw explainFailure(this.#config, error, remote, this.#own);
    }
  }

  faults(foreign = foreignOnPort(this.#own)): LaneFault[] {
    this.#countForeignSockets(foreign);
    const faults = this.#lanes.flatMap(({ fd }, lane): (LaneFault & { fd: number })[] => {
      // shutdown(2) resets the seal.
      if (fd === null || isSealed(fd)) return [];
      return [{ lane, fd, kind: isListening(fd) ? 'listened_again' : 'shut_down' }];
    });
    if (faults.length === 0) return [];
    for (const { lane } of faults) this.#order.leave(lane);
    for (const { lane, fd, kind } of faults) {
      setSeal(fd);
      if (kind === 'shut_down') listenSocket(fd, this.#config.backlog);
      this.#order.join(lane);
    }
    // The order in which they left is unknown, and the last sockets have taken their indices.
    for (const lane of this.#lanes) lane.proven = false;
    this.#settle();
    return faults.map(({ lane, kind }) => ({ lane, kind }));
  }

  foreignSockets(foreign = foreignOnPort(this.#own)): ForeignSocket[] {
    return nameForeignSockets(foreignTcpSockets(this.target, foreign));
  }

  order(): readonly (number | null)[] {
    return this.#order.members;
  }

  close(): void {
    for (const { fd, queue } of this.#lanes.splice(0)) {
      queue.close();
      if (fd !== null) closeFd(fd);
    }
  }

  /** Closes the opened sockets if one of them fails. */
  #openAll(open: () => void): this {
    try {
      open();
      return this;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #recover({ lanes, order, plan, isAdopted = false }: RecoveredGroup): void {
    const closed = closedLanes(lanes, this.target);
    this.#order = new GroupOrder(order ?? lanes.map((_, lane) => lane));
    // An exiting process closes its descriptors in ascending order. Checks of the index find the exceptions.
    for (const lane of closed) this.#order.leave(lane);
    const left = [...lanes.keys()].filter((lane) => !closed.includes(lane));
    this.#plan = narrowedPlan(plan, left);
    const reached = closed.length > 0 ? left : lanesOf(this.#plan);
    for (const [lane, saved] of lanes.entries())
      this.#lanes.push(recoveredLane(saved, this.target, reached.includes(lane), isAdopted));
    const control = this.#lanes.at(-1);
    const isControlled = control !== undefined && control.fd !== null && !control.given;
    // The new socket refuses connections, so that none reaches it before a program excludes it.
    if (!isControlled) this.#open(closed.includes(lanes.length - 1) ? lanes.length - 1 : lanes.length);
    if (!isControlled || closed.length > 0) this.#attach();
    for (const lane of closed) if (this.#lane(lane).fd === null) this.#open(lane);
  }

  #open(lane: number): void {
    const as = this.#lanes.length === 0 ? 'first' : 'later';
    const fd = openLane(this.#config, this.target, this.#own, as, this.#owner);
    // Another socket with this number is foreign from now on, if it is in the group.
    this.#order.disown(lane);
    this.#lanes[lane]?.queue.close();
    this.#order.join(lane);
    this.#lanes[lane] = openedLane(fd, as);
  }

  #ready(lane: number): void {
    if (this.#lane(lane).fd === null) this.#open(lane);
    this.#prove(lane);
  }

  /** Checks the indices of the lanes that connections are to be steered to, then steers there. */
  #settle(): void {
    const lanes = lanesOf(this.#plan);
    for (const lane of lanes) this.#prove(lane);
    for (const lane of lanes) reach(this.#lane(lane), this.target);
    this.#attach();
  }

  #attach(routes: readonly ProbeRoute[] = []): void {
    const control = this.#lanes.at(-1);
    if (typeof control?.fd !== 'number') return;
    try {
      attachReuseport(control.fd, groupProgram(this.#plan, this.#order, this.#probes.values(), routes));
    } catch (error) {
      const message = `steer ${nameAddress(this.#config)}: ${errorText(error)}`;
      throw new ListenerError(this.#config.name, message, error);
    }
  }

  #prove(lane: number): void {
    const found = this.#lane(lane);
    const { fd: laneFd, inode } = found;
    if (found.proven || laneFd === null) return;
    if ('impossible' in this.#host) {
      found.proven = true;
      return;
    }
    const { host, remote } = probeTarget(this.#config, this.#host, this.target.address.port);
    const proof: ProofTarget = {
      host,
      remote,
      lane: { fd: laneFd, inode },
      free: this.#lanes.flatMap((one) =>
        one.used || one.fd === null ? [] : [{ fd: one.fd, inode: one.inode }],
      ),
      steer: (route) => this.#attach(route === null ? [] : [route]),
      retire: (fd, local) => {
        found.queue.add(fd, () => probeState(fd, local, remote, () => isSound(laneFd)));
        found.queue.retire(fd);
      },
    };
    const index = proveRefusing(found, this.#lanes, this.target, () =>
      findIndex(proof, this.#order.indexOf(lane), this.#order.size),
    );
    if (index === null) {
      const message = `steer ${nameAddress(this.#config)}: no connection reaches lane ${lane}: the order of the sockets of the address has changed`;
      throw new ListenerError(this.#config.name, message);
    }
    found.proven = true;
    if (index === 'unknown' || index === this.#order.indexOf(lane)) return;
    this.#order.place(lane, index);
    this.#attach();
  }

  /** Foreign sockets that joined the group have an index, too. When they leave, the last socket takes it. */
  #countForeignSockets(foreign: ForeignListeners): void {
    if (this.#lanes.length === 0) return;
    const now = countForeignSockets(this.target, foreign);
    const before = this.#order.foreignSockets;
    for (let count = before; count < now; count += 1) this.#order.join(null);
    for (let count = before; count > now; count -= 1) this.#order.leave(null);
    const closed = closedLanes(this.#lanes, this.target).filter((lane) => this.#order.indexOf(lane) !== null);
    for (const lane of closed) this.#order.leave(lane);
    if (now >= before && closed.length === 0) return;
    for (const lane of this.#lanes) lane.proven = false;
    this.#settle();
  }

  #fdOf(lane: number): number {
    const { fd } = this.#lane(lane);
    if (fd !== null) return fd;
    const message = `probe ${nameAddress(this.#config)}: the socket of lane ${lane} could not be recovered from its worker`;
    throw new ListenerError(this.#config.name, message);
  }

  #lane(lane: number): GroupLane {
    const found = this.#lanes[lane];
    if (found === undefined) throw new RangeError(`listener ${this.#config.name} has no lane ${lane}`);
    return found;
  }
}
