import assert from 'node:assert/strict';
import type { WorkerKey } from '../../src/lifecycle/events.ts';
import type { Steering } from '../../src/lifecycle/steering.ts';
import type { Random } from './random.ts';

/** A connection that the kernel has answered. */
interface Connection {
  readonly id: number;
  readonly lane: number;
  readonly since: number;
}

/** A process as the network sees it. */
export interface Acceptor extends WorkerKey {
  readonly lane: number;
  readonly relief: boolean;
  alive: boolean;
  accepting: boolean;
  hung: boolean;
  /** Connections it has accepted and not finished. */
  open: Set<number>;
}

export interface NetworkHooks {
  after(delay: number, run: () => void): void;
  now(): number;
  /** A connection waits in a lane that the shell watches. */
  queued(lane: number): void;
  /** None does in one that it watches from now on. */
  empty(lane: number): void;
}

/** The kernel's side: a program that chooses lanes, handshakes that take their time, queues, and processes that accept from them. */
export class Network {
  steering: Steering | null = null;
  /** Changes that failed since: some of the listeners may have them. */
  half: Steering[] = [];
  attended = new Set<number>();
  readonly acceptors: Acceptor[] = [];
  accepted = 0;
  finished = 0;
  brokenWithProcess = 0;
  arrived = 0;
  private readonly random: Random;
  private readonly hooks: NetworkHooks;
  private readonly away = new Map<number, number>();
  private readonly queues = new Map<number, Connection[]>();
  private readonly handshakes = new Map<number, number>();

  constructor(random: Random, hooks: NetworkHooks) {
    this.random = random;
    this.hooks = hooks;
  }

  queue(lane: number): readonly Connection[] {
    return this.queues.get(lane) ?? [];
  }

  lanes(): number[] {
    return [...this.queues.keys()];
  }

  /** Handshakes under way into a lane. */
  coming(lane: number): number {
    return this.handshakes.get(lane) ?? 0;
  }

  /** A client connects: the program chooses the lane now, the connection is there when the handshake is complete. */
  arrive(): void {
    const lane = this.choose();
    if (lane === null) return;
    this.arrived += 1;
    const connection = { id: this.arrived, lane, since: this.hooks.now() };
    this.handshakes.set(lane, this.coming(lane) + 1);
    const delay = this.random.chance(0.9) ? this.random.between(0, 3) : this.random.between(100, 60_000);
    this.hooks.after(delay, () => this.complete(connection));
  }

  /** The shell watches exactly these lanes from now on. */
  attend(lanes: readonly number[]): void {
    const before = this.attended;
    this.attended = new Set(lanes);
    for (const lane of lanes) {
      if (this.queue(lane).length > 0) this.hooks.after(0, () => this.tell(lane));
      else if (!before.has(lane)) this.hooks.empty(lane);
    }
  }

  /** A process has begun to accept from its lane. */
  begin(acceptor: Acceptor): void {
    if (!acceptor.alive) return;
    acceptor.accepting = true;
    for (const _ of this.queue(acceptor.lane)) this.acceptSoon(acceptor.lane);
  }

  /** A process is gone: what it had accepted is gone with it. */
  end(acceptor: Acceptor): void {
    acceptor.alive = false;
    this.brokenWithProcess += acceptor.open.size;
    acceptor.open.clear();
  }

  /** Whether new connections may go to a lane. */
  reaches(lane: number): boolean {
    return this.reached().has(lane);
  }

  private reached(): Set<number> {
    const lanes = [this.steering, ...this.half].flatMap((steering) => [
      ...(steering?.main ?? []),
      ...(steering?.canary?.lanes ?? []),
      ...(steering?.preview ?? []),
    ]);
    return new Set(lanes);
  }

  /** The kernel steers like this from now on. */
  steer(steering: Steering): void {
    const before = this.reached();
    this.steering = steering;
    this.half = [];
    const now = this.reached();
    for (const lane of before) if (!now.has(lane)) this.away.set(lane, this.hooks.now());
    for (const lane of now) this.away.delete(lane);
  }

  /** Since when no new connection goes to a lane; Infinity as long as one may. */
  awaySince(lane: number): number {
    if (this.reaches(lane)) return Number.POSITIVE_INFINITY;
    return this.away.get(lane) ?? 0;
  }

  /** A change was refused; some of the listeners may have it. */
  halfSteered(steering: Steering): void {
    this.half.push(steering);
  }

  private choose(): number | null {
    const { random } = this;
    const steering = this.half.length === 0 ? this.steering : random.pick([this.steering, ...this.half]);
    if (!steering || steering.main.length === 0) return null;
    const { canary } = steering;
    const share = canary && random.next() * 100 < canary.percent ? canary.lanes : steering.main;
    const [first, ...rest] = share;
    return first === undefined ? null : random.pick([first, ...rest]);
  }

  private complete(connection: Connection): void {
    const { lane } = connection;
    this.handshakes.set(lane, this.coming(lane) - 1);
    this.queues.set(lane, [...this.queue(lane), connection]);
    this.acceptSoon(lane);
    this.tell(lane);
  }

  private tell(lane: number): void {
    if (this.attended.has(lane) && this.queue(lane).length > 0) this.hooks.queued(lane);
  }

  private acceptSoon(lane: number): void {
    this.hooks.after(this.random.between(0, 40), () => {
      const able = this.acceptors.filter(
        (one) => one.lane === lane && one.alive && one.accepting && !one.hung,
      );
      const acceptor = able[0];
      const [connection, ...rest] = this.queue(lane);
      if (!acceptor || !connection) return;
      this.queues.set(lane, rest);
      this.accepted += 1;
      acceptor.open.add(connection.id);
      this.hooks.after(this.random.pick([1, 5, 200, 4_000]), () => {
        if (acceptor.open.delete(connection.id)) this.finished += 1;
      });
    });
  }

  /** Nothing that the kernel accepted is unaccounted for. */
  balance(): void {
    const waiting = this.lanes().reduce((sum, lane) => sum + this.queue(lane).length + this.coming(lane), 0);
    const open = this.acceptors.reduce((sum, { open }) => sum + open.size, 0);
    const coming = [...this.handshakes.keys()]
      .filter((lane) => !this.queues.has(lane))
      .reduce((sum, lane) => sum + this.coming(lane), 0);
    assert.equal(
      this.arrived,
      waiting + coming + open + this.finished + this.brokenWithProcess,
      'the books balance',
    );
  }
}
