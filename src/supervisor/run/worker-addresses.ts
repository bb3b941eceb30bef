import { isIPv6 } from 'node:net';
import { errorText } from '../../common/errors.ts';
import type { WorkerKey } from '../../lifecycle/events.ts';
import { describeExit, type ExitStatus } from '../../lifecycle/facts.ts';
import type { ProcessCalls } from '../../linux/kernel.ts';
import { formatAddress } from '../../linux/sockaddr.ts';
import { socketsOf } from '../../linux/socket-holder.ts';
import { membersOf, WorkerFinder, type WorkerProcesses } from '../../linux/worker-processes.ts';
import { REUSEPORT_ADVICE } from '../../listeners/diagnosis/foreign-sockets.ts';
import { type BoundSocket, describeHolder, findHolder } from '../../listeners/diagnosis/holders.ts';
import type { AcquiredListener, Listeners } from '../../listeners/listeners.ts';
import { acceptListeners } from '../../readiness/index.ts';
import { addressesInUse, type RefusedAddress } from '../../workers/processes/address-in-use.ts';
import { describeInstanceHolding } from '../instance/holding-instance.ts';
import type { ForeignSockets } from './accept-looks.ts';
import type { Prepared } from './prepare.ts';

/** A process of a generation, as the address checks need it. */
export interface AddressedWorker extends WorkerProcesses {
  readonly key: WorkerKey;
}

export interface AddressContext {
  readonly kernel: Pick<ProcessCalls, 'pid' | 'processStat' | 'listProcesses'>;
  readonly listeners: Pick<Listeners, 'boundSockets' | 'foreignSockets'>;
  /** Every worker of every generation with a running or remaining process. */
  readonly workers: () => readonly AddressedWorker[];
}

/** The listeners that a worker received. */
export interface Given {
  readonly listeners: readonly AcquiredListener[];
  /** Its environment loads the module that gives an unchanged Node program its sockets. */
  readonly hasNodeModule: boolean;
  /** The worker must accept a test connection before it is ready. */
  readonly isTested: boolean;
}

/** The line about the address in use precedes a stack and the properties of the error, about 25 lines in Node. */
export const EXAMINED_LINES = 60;

/** `zerodown/register`, or the file itself. */
const NODE_MODULE = /zerodown\/register|service\/register\.c?js/;

/** The listeners that the workers of a generation receive. */
export function givenTo({
  acquired: { listeners },
  release: { environment },
  config: { service },
}: Pick<Prepared, 'acquired' | 'release' | 'config'>): Given {
  const steered = listeners.filter((listener) => listener.steered).map(({ name }) => name);
  return {
    listeners,
    hasNodeModule: NODE_MODULE.test(String(environment.get('NODE_OPTIONS'))),
    isTested: acceptListeners(service.readiness.accept, steered).length > 0,
  };
}

/** The module's message about a socket that the program must not use (src/service/handed). */
const REFUSED_BY_MODULE = /\b(descriptor \d+\b.*, handed over by zero, .+)$/;

/**
 * Compares the addresses that a worker uses, or tries to use, with its listeners. Each report uses current data of the
 * kernel: which socket is bound to the address, and which process has the socket.
 */
export class WorkerAddresses {
  readonly #worker: AddressedWorker;
  readonly #given: Given;
  readonly #context: AddressContext;

  constructor(worker: AddressedWorker, given: Given, context: AddressContext) {
    this.#worker = worker;
    this.#given = given;
    this.#context = context;
  }

  /** The worker's own socket on a steered address, or why that is unknown; null if there is none. */
  foreignSocket(sockets: ForeignSockets = () => this.#context.listeners.foreignSockets()): string | null {
    return attempt('cannot determine whether it listens on a socket of its own', () => {
      const foreign = sockets();
      if (foreign.length === 0) return null;
      const members = this.#members(this.#worker);
      const own = foreign.find(({ holder }) => holder !== null && members.has(holder.pid));
      return own === undefined
        ? null
        : `it opened a socket of its own on the address of listener ${own.listener} instead of using its descriptor. ${REUSEPORT_ADVICE}`;
    });
  }

  /** Where the worker listens with sockets of its own, and where its listeners are; null if it has no own socket. */
  elsewhere(): string | null {
    const expected = this.#given.listeners.flatMap(({ name, text, address }) =>
      address.family === 'unix' ? [] : [`listener ${name} is ${text}`],
    );
    if (expected.length === 0) return null;
    return attempt('cannot determine where it listens', () => {
      const own = this.#ownListening(this.#worker);
      if (own.length === 0) return null;
      return `it listens on ${own.join(', ')} with a socket of its own, and ${expected.join(', ')}`;
    });
  }

  /** The worker has listeners, and zero does not test whether it accepts connections on them. */
  get isUntested(): boolean {
    return !this.#given.isTested && this.#given.listeners.length > 0;
  }

  /** The report of a worker that listens on these addresses and does not accept connections on its descriptors. */
  describeOwn(addresses: readonly string[]): string {
    const { generation, worker } = this.#worker.key;
    const given = this.#given.listeners
      .map(({ name, target, text }) => `descriptor ${target} (listener ${name}, ${text})`)
      .join(', ');
    const lack = this.isUntested
      ? `No process of the worker waits for connections on ${given}.`
      : `zero waits until the worker accepts connections on ${given}.`;
    return (
      `generation ${generation}: worker ${worker} listens on ${addresses.join(', ')}, not on a descriptor of zero. ` +
      `${lack} See docs/guide/wrong-address.md.`
    );
  }

  /**
   * Why the worker could not listen on an address that its output reports as in use: which process holds the address,
   * and what to write. null if the output reports none, or no process holds it any more.
   * @param output its last lines, oldest first
   */
  inUse(output: readonly string[]): string | null {
    const refusal = output
      .map((line) => REFUSED_BY_MODULE.exec(line)?.[1])
      .find((text) => text !== undefined);
    if (refusal !== undefined) return refusal;
    const wanted = addressesInUse(output);
    if (wanted === null) return null;
    const isNode = output.some((line) => line.includes('listen EADDRINUSE'));
    return attempt('cannot determine which process holds the address in use', () => {
      const found = wanted.flatMap((address) => this.#holder(address, isNode) ?? []);
      if (wanted.length === 0) found.push(...this.#everyHolder(isNode));
      return found.length === 0 ? null : found.join(' ');
    });
  }

  /** The exit status with the reason of inUse(); null without a reason. */
  explainExit(exit: ExitStatus, output: readonly string[]): string | null {
    const problem = this.inUse(output);
    return problem === null ? null : `${describeExit(exit)}: ${problem}`;
  }

  #holder(wanted: RefusedAddress, isNode: boolean): string | null {
    const socket = findHolder(this.#context.listeners.boundSockets(wanted.port), wanted.host);
    if (socket === null) return null;
    const address = written(wanted);
    return socket.listener === null
      ? this.#holderOf(address, socket)
      : `${address} is the address of listener ${socket.listener}, which zero holds. ${this.#useDescriptor(socket.listener, isNode)}`;
  }

  /** Which process holds an address that belongs to no listener of zero, and what to do about it. */
  #holderOf(address: string, socket: BoundSocket): string {
    const { kernel } = this.#context;
    const holder = describeHolder(socket, () => null);
    const pid = Number(/^by pid (\d+)/.exec(holder)?.[1] ?? 0);
    if (pid === kernel.pid) return `${address} is held by zero itself (pid ${pid}). Choose another address.`;
    const worker = this.#workerOf(pid);
    if (worker === undefined) {
      const instance = describeInstanceHolding({ inode: socket.inode, uid: socket.uid, pid });
      const advice = instance ?? 'Stop that process, or let the service listen on another address';
      return `${address} is held ${holder}. ${advice}.`;
    }
    const { generation, worker: index } = worker.key;
    const isOwn = generation === this.#worker.key.generation;
    if (isOwn && index === this.#worker.key.worker)
      return `${address} is held by pid ${pid}, which an earlier process of this worker left behind.`;
    const why = isOwn
      ? `${address} is held by worker ${index} of the same generation (pid ${pid}).`
      : `${address} is held by worker ${index} of generation ${generation} (pid ${pid}), which runs until the handover has ended.`;
    return `${why} ${makeListener(address)}`;
  }

  /** The output does not name the address: lists every possible holder. */
  #everyHolder(isNode: boolean): string[] {
    const { key } = this.#worker;
    const own = this.#given.listeners.map(
      ({ name, text }) => `zero holds listener ${name} (${text}). ${this.#useDescriptor(name, isNode)}`,
    );
    const others = this.#context.workers().filter((other) => other.key.generation !== key.generation);
    const theirs = others.flatMap((other) =>
      this.#ownListening(other).map(
        (address) =>
          `Worker ${other.key.worker} of generation ${other.key.generation} (pid ${other.pid}) listens on ${address}. ${makeListener(address)}`,
      ),
    );
    const all = [...own, ...theirs];
    return all.length === 0 ? [] : ['The output does not say which address is in use.', ...all];
  }

  #useDescriptor(listener: string, isNode: boolean): string {
    const target = this.#given.listeners.find(({ name }) => name === listener)?.target;
    if (target === undefined) return 'Choose another address, or add the listener to the config again.';
    const advice = `The service must accept connections on descriptor ${target} instead of listening on the address.`;
    if (!isNode) return `${advice} See docs/guide/wrong-address.md.`;
    const { pid } = this.#worker;
    return this.#given.hasNodeModule
      ? `${advice} zerodown/register does this only in the process that zero starts (pid ${pid}). Start node itself, or write "exec node ..." in the script that starts it.`
      : `${advice} A Node program does this unchanged with NODE_OPTIONS=--require=zerodown/register, which "zero run -- node ..." sets. See docs/guide/node.md.`;
  }

  /** The TCP addresses on which a worker listens with sockets that are not zero's. */
  #ownListening(worker: AddressedWorker): string[] {
    const foreign = this.#context.listeners.boundSockets(null).filter(({ listener }) => listener === null);
    if (foreign.length === 0) return [];
    const inodes = new Set([...this.#members(worker)].flatMap(socketsOf));
    const own = foreign.filter(({ inode }) => inodes.has(inode));
    return [...new Set(own.map(({ address }) => formatAddress(address)))];
  }

  #members(worker: AddressedWorker): ReadonlySet<number> {
    return membersOf(this.#context.kernel.listProcesses(), [worker]).get(worker) ?? new Set();
  }

  #workerOf(pid: number): AddressedWorker | undefined {
    const { kernel, workers } = this.#context;
    return new WorkerFinder(workers()).find(pid, kernel.processStat(pid)?.session);
  }
}

function written({ host, port }: RefusedAddress): string {
  if (host === null) return `:${port}`;
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/**
 * Both generations run during a handover, so an address that only one process can have must become a listener of zero.
 */
function makeListener(address: string): string {
  const port = address.slice(address.lastIndexOf(':') + 1);
  return (
    `Make ${address} a listener too, so that both can use it: ` +
    `"- { name: port${port}, address: '${address}' }" under service.listeners, or --listen ${address} of zero run. ` +
    'Then restart zero once: the address is free when the process that holds it has exited.'
  );
}

function attempt(failed: string, act: () => string | null): string | null {
  try {
    return act();
  } catch (error) {
    return `${failed}: ${errorText(error)}`;
  }
}
