import assert from 'node:assert/strict';
import type { WorkerKey } from '../../src/lifecycle/events.ts';
import type { Steering } from '../../src/lifecycle/steering.ts';
import type { FakeTimers } from './fake-timers.ts';
import type { Random } from './random.ts';

/** A connection that the kernel has answered. */
export interface Connection {
  readonly listener: string;
  readonly lane: number;
  /** Zero's own test connection. */
  readonly isProbe: boolean;
  /** Of its socket once a process has accepted it. */
  readonly inode: number;
  /** The process that has accepted it. */
  by: Acceptor | null;
}

/** A process from the view of the network. */
export interface Acceptor extends WorkerKey {
  readonly lane: number;
  readonly rescue: boolean;
  /** Of its main process. */
  readonly pid: number;
  alive: boolean;
  accepting: boolean;
  readonly hung: boolean;
  /** Client connections that it has accepted and not finished. */
  readonly open: Set<Connection>;
  /** Called when it has accepted a test connection. */
  probed(listener: string): void;
}

/** The listeners of every simulated service. They all have the same lanes, and each has its own steering program. */
export const LISTENERS = ['a', 'b', 'c'] as const;

/**
 * The kernel's side of the listening sockets: a program per listener that selects lanes, handshakes with a duration,
 * queues, and processes that accept from them.
 */
export class Network {
  /** Processes that have not exited. */
  readonly acceptors = new Set<Acceptor>();
  arrived = 0;
  finished = 0;
  brokenWithProcess = 0;
  readonly #random: Random;
  readonly #timers: FakeTimers;
  readonly #programs = new Map<string, Steering>();
  readonly #away = new Map<number, number>();
  readonly #queues = new Map<number, Connection[]>();
  readonly #handshakes = new Map<number, number>();
  #inodes = 0;

  constructor(random: Random, timers: FakeTimers) {
    this.#random = random;
    this.#timers = timers;
  }

  get now(): number {
    return this.#timers.now;
  }

  /** All connections in the queue of a lane, including zero's own. */
  queue(lane: number): readonly Connection[] {
    return this.#queues.get(lane) ?? [];
  }

  /** The number of client connections in the queue of a lane. */
  waiting(lane: number): number {
    return this.queue(lane).filter(({ isProbe }) => !isProbe).length;
  }

  lanes(): number[] {
    return [...this.#queues.keys()];
  }

  /** Handshakes in progress in a lane. */
  coming(lane: number): number {
    return this.#handshakes.get(lane) ?? 0;
  }

  /** The program of every listener; null before the first one, and while the listeners have different ones. */
  get steering(): Steering | null {
    const [first = null, ...others] = LISTENERS.map((listener) => this.#programs.get(listener));
    return others.every((other) => other === first) ? first : null;
  }

  /**
   * A client connects: the program selects the lane now, and the connection is queued when the handshake is complete.
   */
  arrive(): void {
    const listener = this.#random.pick(LISTENERS);
    const lane = this.#choose(listener);
    if (lane === null) return;
    this.arrived += 1;
    const connection = this.#connection(listener, lane, false);
    this.#handshakes.set(lane, this.coming(lane) + 1);
    const delay = this.#random.chance(0.9) ? this.#random.between(0, 3) : this.#random.between(100, 60_000);
    this.#timers.set(delay, () => {
      this.#handshakes.set(lane, this.coming(lane) - 1);
      this.#enqueue(connection);
    });
  }

  /** Zero connects to one lane. */
  probe(listener: string, lane: number): Connection {
    const connection = this.#connection(listener, lane, true);
    this.#enqueue(connection);
    return connection;
  }

  #connection(listener: string, lane: number, isProbe: boolean): Connection {
    this.#inodes += 1;
    return { listener, lane, isProbe, inode: this.#inodes, by: null };
  }

  /** A process starts accepting from its lane. */
  begin(acceptor: Acceptor): void {
    if (!acceptor.alive) return;
    acceptor.accepting = true;
    this.acceptors.add(acceptor);
    for (const _ of this.queue(acceptor.lane)) this.#acceptSoon(acceptor.lane);
  }

  /** A process has exited, and its accepted connections are closed. */
  end(acceptor: Acceptor): void {
    acceptor.alive = false;
    this.acceptors.delete(acceptor);
    this.brokenWithProcess += acceptor.open.size;
    acceptor.open.clear();
  }

  /** One listener uses this steering from now on. */
  steer(listener: string, steering: Steering): void {
    const before = this.reached();
    this.#programs.set(listener, steering);
    const now = this.reached();
    for (const lane of before) if (!now.has(lane)) this.#away.set(lane, this.#timers.now);
    for (const lane of now) this.#away.delete(lane);
  }

  /** Lanes that new connections may reach. */
  reached(): Set<number> {
    const lanes = [...new Set(this.#programs.values())].flatMap(({ main, canary, preview }) => [
      ...main,
      ...(canary?.lanes ?? []),
      ...(preview ?? []),
    ]);
    return new Set(lanes);
  }

  /** The time since which no new connection reaches a lane; Infinity while one may. */
  awaySince(lane: number): number {
    if (this.reached().has(lane)) return Number.POSITIVE_INFINITY;
    return this.#away.get(lane) ?? 0;
  }

  #choose(listener: string): number | null {
    const steering = this.#programs.get(listener);
    if (!steering || steering.main.length === 0) return null;
    const { canary } = steering;
    const share = canary && this.#random.next() * 100 < canary.percent ? canary.lanes : steering.main;
    const [first, ...rest] = share;
    return first === undefined ? null : this.#random.pick([first, ...rest]);
  }

  #enqueue(connection: Connection): void {
    const { lane } = connection;
    const queue = this.#queues.get(lane);
    if (queue) queue.push(connection);
    else this.#queues.set(lane, [connection]);
    this.#acceptSoon(lane);
  }

  #acceptSoon(lane: number): void {
    this.#timers.set(this.#random.between(0, 40), () => {
      const [connection] = this.queue(lane);
      const able = [...this.acceptors].filter((one) => one.lane === lane && one.accepting && !one.hung);
      const [first, ...others] = able;
      if (!first || !connection) return;
      const acceptor = others.length === 0 ? first : this.#random.pick([first, ...others]);
      this.#queues.get(lane)?.shift();
      connection.by = acceptor;
      if (connection.isProbe) acceptor.probed(connection.listener);
      else this.#serve(acceptor, connection);
    });
  }

  #serve(acceptor: Acceptor, connection: Connection): void {
    acceptor.open.add(connection);
    this.#timers.set(this.#random.pick([1, 5, 200, 4_000]), () => {
      if (acceptor.open.delete(connection)) this.finished += 1;
    });
  }

  /** Asserts that every accepted connection is accounted for. */
  balance(): void {
    const lanes = new Set([...this.#queues.keys(), ...this.#handshakes.keys()]);
    const waiting = [...lanes].reduce((sum, lane) => sum + this.waiting(lane) + this.coming(lane), 0);
    const open = [...this.acceptors].reduce((sum, acceptor) => sum + acceptor.open.size, 0);
    assert.equal(this.arrived, waiting + open + this.finished + this.brokenWithProcess, 'the books balance');
  }
}
