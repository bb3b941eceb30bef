import type { ListenerConfig } from '../config/schema.ts';
import { attachReuseport, lockFilter } from '../linux/bpf.ts';
import { acceptQueue } from '../linux/socket-state.ts';
import { closeFd, connectSocket, getOption, inodeOf, listenSocket, setOption } from '../linux/sockets.ts';
import { explainFailure } from './explain.ts';
import { countForeignSockets, foreignTcpSockets, nameForeignSockets } from './foreign-sockets.ts';
import { GroupOrder } from './group-order.ts';
import type { OwnSockets } from './holders.ts';
import { findIndex, type ProofTarget } from './lane-proof.ts';
import { LaneQueue } from './lane-queue.ts';
import type { ForeignSocket, LaneFault, LanePlan, Lanes, LaneWithQueue } from './lanes.ts';
import { ListenerError, nameAddress } from './listener-error.ts';
import { makeProbe, type Probe } from './probe.ts';
import { type InetSocketAddress, type ProbeHost, probeHost } from './probe-host.ts';
import { openProbeSocket, probeState } from './probe-socket.ts';
import type { InetTarget } from './resolve.ts';
import { parseSourceRange } from './source-range.ts';
import { type ProbeRoute, steeringProgram } from './steering-program.ts';
import { isSealed, openLane, reservePort, setSeal } from './tcp-lane.ts';

interface Lane extends LaneWithQueue {
  /** A worker has it, so that its filter is locked. */
  given: boolean;
  /** Connections of clients may be in its queue. */
  used: boolean;
  /** It was seen at the index that it is thought to have. */
  proven: boolean;
}

/**
 * The lanes of one TCP listener: a reuseport group, whose program tells the kernel which socket a new connection goes to. There is one
 * socket more than lanes, the last, which no worker gets: the program is attached through it, because those that workers have are locked.
 */
export class LaneGroup implements Lanes {
  readonly target: InetTarget;
  #config: ListenerConfig;
  readonly #own: OwnSockets;
  readonly #host: ProbeHost;
  readonly #lanes: Lane[] = [];
  readonly #order = new GroupOrder();
  readonly #probes = new Map<number, { local: InetSocketAddress; lane: number }>();
  #plan: LanePlan = { main: [0], canary: null, preview: null };

  /**
   * Binds so many lanes, and one socket more. Throws ListenerError, CannotSteerError where only sharing is possible.
   * Foreign sockets are not looked for in between: the port was free immediately before.
   */
  constructor(config: ListenerConfig, target: InetTarget, count: number, own: OwnSockets) {
    this.#config = config;
    this.#own = own;
    const reserved = reservePort(config, target, own);
    try {
      this.target = reserved.target;
      this.#host = probeHost(config, this.target.address);
      this.ensure(count);
    } catch (error) {
      this.close();
      throw error;
    } finally {
      closeFd(reserved.fd);
    }
  }

  get sockets(): readonly LaneWithQueue[] {
    return this.#lanes;
  }

  configure(config: ListenerConfig): void {
    this.#config = config;
  }

  ensure(count: number): void {
    if (this.#lanes.length > count) return;
    this.#countForeignSockets();
    while (this.#lanes.length <= count) {
      const fd = openLane(this.#config, this.target, this.#own, this.#lanes.length === 0);
      this.#order.join(this.#lanes.length);
      // Connections come in by the first lane as soon as it listens. It is alone then: nothing is to be proved.
      const isFirst = this.#lanes.length === 0;
      this.#lanes.push({
        fd,
        inode: inodeOf(fd),
        given: false,
        used: isFirst,
        proven: isFirst,
        queue: new LaneQueue(() => acceptQueue(fd)),
      });
    }
  }

  give(lane: number): number {
    const found = this.#lane(lane);
    // As long as nobody else accepts from it, what the proof leaves in its queue can be taken out again.
    this.#prove(lane);
    if (!found.given) lockFilter(found.fd);
    found.given = true;
    found.used = true;
    return found.fd;
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
    return this.#lanes.reduce((sum, { queue }) => sum + queue.clients(), 0);
  }

  hungUp(): void {
    // Every look finds it.
  }

  prepare(lane: number): void {
    this.#prove(lane);
  }

  openProbe(lane: number): Probe {
    const found = this.#lane(lane);
    const { fd: laneFd, queue } = found;
    const { host, remote } = this.#reachable();
    this.#prove(lane);
    found.used = true;
    // A connection without data stays away from a lane that defers it; `relisten` sets the option again.
    if (getOption(laneFd, 'defer_accept') !== 0) setOption(laneFd, 'defer_accept', 0);
    try {
      const { fd, local } = openProbeSocket(host);
      const close = () => {
        this.#probes.delete(fd);
        queue.retire(fd);
        this.#attach();
      };
      this.#probes.set(fd, { local, lane });
      const look = () => probeState(fd, local, remote, () => isSound(laneFd));
      queue.add(fd, look);
      const probe = makeProbe({ listener: this.#config.name, lane, fd, local, remote, look, close });
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

  faults(): LaneFault[] {
    this.#countForeignSockets();
    const faults = this.#lanes.flatMap((found, lane): LaneFault[] => {
      if (!isListening(found.fd)) return [{ lane, kind: 'shut_down' }];
      return isSealed(found.fd) ? [] : [{ lane, kind: 'listened_again' }];
    });
    if (faults.length === 0) return [];
    for (const { lane } of faults) this.#order.leave(lane);
    for (const { lane, kind } of faults) {
      const { fd } = this.#lane(lane);
      setSeal(fd);
      if (kind === 'shut_down') listenSocket(fd, this.#config.backlog);
      this.#order.join(lane);
    }
    // Nobody saw in which order they left, and the last ones have taken their places.
    for (const lane of this.#lanes) lane.proven = false;
    this.#settle();
    return faults;
  }

  foreignSockets(own: OwnSockets): ForeignSocket[] {
    return nameForeignSockets(foreignTcpSockets(this.target, own));
  }

  close(): void {
    for (const { fd, queue } of this.#lanes.splice(0)) {
      queue.close();
      closeFd(fd);
    }
  }

  /** Proves what connections are to be steered to, then steers them there. */
  #settle(): void {
    const lanes = lanesOf(this.#plan);
    for (const lane of lanes) this.#prove(lane);
    for (const lane of lanes) this.#lane(lane).used = true;
    this.#attach();
  }

  #attach(routes: readonly ProbeRoute[] = []): void {
    const control = this.#lanes.at(-1);
    if (control === undefined) return;
    const { main, canary, preview } = this.#plan;
    const probes = [...this.#probes.values()].flatMap(({ local: { family, host, port }, lane }) => {
      const index = this.#order.indexOf(lane);
      return index === null ? [] : [{ family, host, port, index }];
    });
    try {
      const program = steeringProgram({
        probes: [...routes, ...probes],
        preview: preview && {
          from: preview.from.map(parseSourceRange),
          indices: this.#indices(preview.lanes),
        },
        canary: canary && { ...canary, indices: this.#indices(canary.lanes) },
        main: this.#indices(main),
      });
      attachReuseport(control.fd, program);
    } catch (error) {
      const message = `steer ${nameAddress(this.#config)}: ${error instanceof Error ? error.message : String(error)}`;
      throw new ListenerError(this.#config.name, message, error);
    }
  }

  #indices(lanes: readonly number[]): number[] {
    return lanes.flatMap((lane) => this.#order.indexOf(lane) ?? []);
  }

  #prove(lane: number): void {
    const found = this.#lane(lane);
    if (found.proven) return;
    if ('impossible' in this.#host) {
      found.proven = true;
      return;
    }
    const { host, remote } = this.#reachable();
    const proof: ProofTarget = {
      host,
      remote,
      lane: found,
      free: this.#lanes.filter(({ used }) => !used),
      steer: (route) => this.#attach(route === null ? [] : [route]),
      retire: (fd, local) => {
        found.queue.add(fd, () => probeState(fd, local, remote, () => isSound(found.fd)));
        found.queue.retire(fd);
      },
    };
    const index = findIndex(proof, this.#order.indexOf(lane), this.#order.size);
    if (index === null) {
      const message = `steer ${nameAddress(this.#config)}: no connection reaches lane ${lane}: its socket is not where it was among those of the address`;
      throw new ListenerError(this.#config.name, message);
    }
    found.proven = true;
    if (index === 'unknown' || index === this.#order.indexOf(lane)) return;
    this.#order.place(lane, index);
    this.#attach();
  }

  #reachable(): { host: InetSocketAddress; remote: InetSocketAddress } {
    if ('host' in this.#host) {
      const { host } = this.#host;
      return { host, remote: { ...host, port: this.target.address.port } };
    }
    const message = `probe ${nameAddress(this.#config)}: ${this.#host.impossible}`;
    throw new ListenerError(this.#config.name, message);
  }

  /** Sockets of others that joined the group have an index too, and leave a gap that the last one fills. */
  #countForeignSockets(): void {
    if (this.#lanes.length === 0) return;
    const now = countForeignSockets(this.target, this.#own);
    const before = this.#order.foreignSockets;
    for (let count = before; count < now; count += 1) this.#order.join(null);
    for (let count = before; count > now; count -= 1) this.#order.leave(null);
    if (now < before) for (const lane of this.#lanes) lane.proven = false;
    if (now < before) this.#settle();
  }

  #lane(lane: number): Lane {
    const found = this.#lanes[lane];
    if (found === undefined) throw new RangeError(`listener ${this.#config.name} has no lane ${lane}`);
    return found;
  }
}

function lanesOf({ main, canary, preview }: LanePlan): number[] {
  return [...main, ...(canary?.lanes ?? []), ...(preview?.lanes ?? [])];
}

function isSound(fd: number): boolean {
  return isListening(fd) && isSealed(fd);
}

function isListening(fd: number): boolean {
  return getOption(fd, 'accept_connections') === 1;
}
