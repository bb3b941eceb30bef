import { errnoNumber, SystemError } from '../../src/linux/errors.ts';
import { ListenerError } from '../../src/listeners/listener-error.ts';
import type { FakeCall } from './fake-kernel.ts';
import type { Random } from './random.ts';

/** Calls of the supervisor that can fail: those of the kernel, and of every other fake. */
export type FaultyCall =
  | FakeCall
  | 'steer'
  | 'relisten'
  | 'openProbe'
  | 'watchLane'
  | 'queued'
  | 'prepareLanes'
  | 'foreignSockets'
  | 'boundSockets'
  | 'fdOf'
  | 'prepare'
  | 'readConnections'
  | 'readMemory'
  | 'writeState'
  | 'inspectLanes'
  | 'promoted'
  | 'adopted'
  | 'report'
  | 'runHook'
  | 'settled';

type Errnos = readonly [string, ...string[]];

/** The errnos of each call according to its manual page. A call without an entry is never refused. */
const ERRNOS: { readonly [C in FaultyCall]?: Errnos } = {
  spawn: ['EAGAIN', 'ENOMEM'],
  openPidfd: ['EMFILE', 'ENFILE', 'ENOMEM'],
  listProcesses: ['EMFILE', 'ENFILE', 'ENOMEM'],
  environmentOf: ['EPERM', 'ESRCH'],
  watch: ['ENOMEM', 'ENOSPC'],
  openPipe: ['EMFILE', 'ENFILE'],
  openOutputPipe: ['EMFILE', 'ENFILE'],
  createDatagramSocket: ['EMFILE', 'ENFILE', 'ENOSPC'],
  receiveDatagram: ['ENOMEM'],
  unlink: ['EPERM'],
  steer: ['ENOMEM', 'EPERM'],
  relisten: ['ENOMEM', 'EPERM'],
  openProbe: ['EMFILE', 'ENFILE', 'EAGAIN'],
  watchLane: ['ENOMEM', 'ENOSPC'],
  queued: ['ENOMEM', 'EMFILE'],
  prepareLanes: ['EMFILE', 'ENOMEM'],
  foreignSockets: ['ENOMEM'],
  boundSockets: ['ENOMEM'],
  fdOf: ['EMFILE', 'ENFILE'],
  prepare: ['EMFILE', 'ENOMEM'],
  readConnections: ['ENOMEM'],
  readMemory: ['EMFILE', 'ENOMEM'],
  writeState: ['ENOSPC'],
};

/** Weights of calls that are made once per step, while others are made ten times. */
const WEIGHTS: { readonly [C in FaultyCall]?: number } = {
  steer: 4,
  watchLane: 4,
  relisten: 2,
  writeState: 0.5,
};

/** Faults by the seed: calls that fail with an errno, and exceptions that stand for defects of zero. */
export class Faults {
  /** The number of each fault: errnos by their names, and `exception`. */
  readonly counts: Record<string, number> = {};
  /** Processes that did not get a signal because of a defect. */
  readonly spared = new Set<string | number>();
  /** No more faults are injected. */
  isCalm = false;
  /** The messages of the exceptions so far. Each has its own number. */
  readonly exceptions: string[] = [];
  readonly random: Random;
  readonly #level: number;
  readonly #exceptionLevel: number;

  constructor(random: Random) {
    this.random = random;
    this.#level = random.pick([0, 0, 0.02, 0.1]);
    this.#exceptionLevel = random.pick([0, 0, 0, 0.001, 0.01]);
  }

  /** The name of the errno with which this call fails, or null. Throws a TypeError if the call has a defect. */
  refuse(call: FaultyCall, subject: string | number = ''): string | null {
    if (this.isCalm) return null;
    this.raise(call, subject);
    const errnos = ERRNOS[call];
    if (this.#level === 0 || !errnos || !this.random.chance(this.#level * (WEIGHTS[call] ?? 1))) return null;
    const errno = this.random.pick(errnos);
    this.count(errno);
    return errno;
  }

  /** Throws the SystemError with which this call fails, if it does. */
  check(call: FaultyCall, subject: string): void {
    const errno = this.refuse(call);
    if (errno !== null) throw new SystemError(call, errnoNumber(errno), subject);
  }

  /** Throws a ListenerError in the same case. */
  checkListener(call: FaultyCall, listener: string): void {
    const errno = this.refuse(call);
    if (errno !== null) throw listenerError(call, errno, listener);
  }

  /** Throws a TypeError if this call has a defect. */
  raise(call: FaultyCall, subject: string | number = ''): void {
    if (this.#exceptionLevel === 0 || this.isCalm || !this.random.chance(this.#exceptionLevel)) return;
    if (call === 'sendSignal' || call === 'openPidfd') this.spared.add(subject);
    this.count('exception');
    const message = `simulated defect <${this.exceptions.length}> in ${call}`;
    this.exceptions.push(message);
    throw new TypeError(message);
  }

  /** Counts an occurrence for the tally. */
  count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }
}

export function listenerError(call: string, errno: string, listener: string): ListenerError {
  return new ListenerError(
    listener,
    `${call} ${listener}: ${errno}`,
    new SystemError(call, errnoNumber(errno)),
  );
}
