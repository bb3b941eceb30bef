import type { CanaryStep, HookSettings, Settings } from '../../src/lifecycle/settings.ts';
import { PATH } from './fake-prepared.ts';
import type { FakeExit } from './fake-processes.ts';
import type { Random } from './random.ts';

/** The random behaviour of the processes of one generation. Times in milliseconds; Infinity for never. */
export interface Behaviour {
  readonly crashAfter: number;
  readonly exit: FakeExit;
  /** The time until it reports readiness. */
  readonly gateAfter: number;
  readonly gateFails: boolean;
  readonly ignoresSignal: boolean;
  /** It completes accepted requests before it exits; otherwise it exits immediately. */
  readonly graceful: boolean;
  /** It announces that it drains, so it does not exit immediately. */
  readonly drains: boolean;
  readonly accepts: boolean;
  readonly acceptAfter: number;
  /** The probability that a process stops accepting, after this many milliseconds. */
  readonly hangs: number;
  readonly hangAfter: number;
  /** The time until the kernel holds it in an uninterruptible sleep. */
  readonly sleepAfter: number;
  /** The time until it replaces its main process by a child. */
  readonly replaceAfter: number;
  /** Its processes belong to another user, and zero may not signal them. */
  readonly protectedFrom: boolean;
  /** It opens its own socket on the address. */
  readonly ownSocket: boolean;
  readonly speaks: boolean;
  readonly verifyFails: boolean;
  readonly leftovers: number;
  /** The probability that a process exceeds its memory limit, after this many milliseconds. */
  readonly leaks: number;
  readonly leakAfter: number;
  /** The probability that a process fails its liveness check, after this many milliseconds. */
  readonly fallsIll: number;
  readonly illAfter: number;
}

const NEVER = Number.POSITIVE_INFINITY;

/** Removes every fault from a service, except those of its exit and its shutdown. */
export function soundOf(behaviour: Behaviour): Behaviour {
  return {
    ...behaviour,
    crashAfter: NEVER,
    gateAfter: 10,
    gateFails: false,
    accepts: true,
    acceptAfter: 0,
    hangs: 0,
    sleepAfter: NEVER,
    ownSocket: false,
    verifyFails: false,
  };
}

/**
 * Draws the behaviour of a generation.
 * @param faults separate random numbers for faults of a hostile service only
 * @param changes separate random numbers for reasons to replace a worker
 * @param soundness the probability of a service without a fault
 */
export function drawBehaviour(random: Random, faults: Random, changes: Random, soundness: number): Behaviour {
  const behaviour = { ...drawHostile(random, faults), ...drawIllness(changes) };
  return faults.chance(soundness) ? soundOf(behaviour) : behaviour;
}

function drawIllness(changes: Random): Pick<Behaviour, 'leaks' | 'leakAfter' | 'fallsIll' | 'illAfter'> {
  return {
    leaks: changes.pick([0, 0, 0.4, 1]),
    leakAfter: changes.pick([0, 4_000, 30_000, 70_000]),
    fallsIll: changes.pick([0, 0, 0.4, 1]),
    illAfter: changes.pick([0, 4_000, 30_000, 70_000]),
  };
}

function drawHostile(
  random: Random,
  faults: Random,
): Omit<Behaviour, 'leaks' | 'leakAfter' | 'fallsIll' | 'illAfter'> {
  const code = random.pick([0, 1, 3]);
  const drains = random.chance(0.3);
  return {
    crashAfter: random.pick([NEVER, NEVER, NEVER, NEVER, 0, 50, 800, 2_500, 8_000, 70_000]),
    exit: random.chance(0.3) ? { signal: 'SIGSEGV' } : { code },
    gateAfter: random.pick([0, 10, 10, 300, 4_000, NEVER]),
    gateFails: random.chance(0.06),
    ignoresSignal: random.chance(0.1),
    graceful: drains || random.chance(0.5),
    drains,
    accepts: random.chance(0.95),
    acceptAfter: random.pick([0, 0, 0, 300, 4_000]),
    hangs: random.pick([0, 0, 0, 0, 0.5, 1]),
    hangAfter: random.pick([500, 3_000, 9_000]),
    sleepAfter: faults.chance(0.04) ? faults.pick([100, 5_000]) : NEVER,
    replaceAfter: faults.chance(0.08) ? faults.pick([20, 600, 6_000]) : NEVER,
    protectedFrom: faults.chance(0.04),
    ownSocket: faults.chance(0.02),
    speaks: faults.chance(0.1),
    verifyFails: random.chance(0.2),
    leftovers: random.chance(0.08) ? 2 : 0,
  };
}

/** A service without a fault. */
export function isSound(behaviour: Behaviour): boolean {
  return (
    behaviour.accepts &&
    behaviour.acceptAfter < 1_000 &&
    behaviour.hangs === 0 &&
    behaviour.crashAfter === NEVER &&
    behaviour.sleepAfter === NEVER &&
    behaviour.gateAfter < 1_000 &&
    !behaviour.gateFails &&
    !behaviour.ownSocket
  );
}

export const NO_HOOKS: HookSettings = {
  beforeReload: null,
  afterPromote: null,
  afterRollback: null,
  onReplace: null,
  onCrashLoop: null,
  onWorkerStalled: null,
  onLateRollback: null,
  onRecovery: null,
};

/**
 * `extras`, `changes` and `notices` are separate random numbers. So a history with hooks, replacements or notifications
 * is otherwise equal to the one without them.
 */
export function drawSettings(random: Random, extras: Random, changes: Random, notices: Random): Settings {
  const canaries: [CanaryStep[], ...CanaryStep[][]] = [
    [],
    [],
    [{ percent: 10, for: 2_000 }],
    [
      { percent: 5, for: 500 },
      { percent: 50, for: 5_000 },
    ],
  ];
  const steered = random.chance(0.8);
  const gates = random.pick<string[]>([
    [],
    ['accept'],
    ['notify'],
    ['accept', 'notify'],
    ['accept', 'ready_fd'],
  ]);
  return {
    path: PATH,
    directory: '/',
    workers: random.pick([1, 1, 1, 2, 4]),
    gates: gates.filter((gate) => steered || gate !== 'accept'),
    reloadUptime: random.pick([0, 100, 1_000]),
    readinessTimeout: random.pick([200, 5_000, 60_000]),
    shutdownSignal: 'SIGTERM',
    shutdownTimeout: random.pick([0, 500, 30_000]),
    restart: {
      policy: random.pick(['always', 'always', 'always', 'on-failure', 'never']),
      initial: 100,
      factor: 2,
      max: 30_000,
      resetAfter: 60_000,
      onStall: random.chance(0.2),
      maxMemory: changes.chance(0.3) ? 512 : null,
    },
    liveness: changes.chance(0.3) ? { action: changes.pick(['replace', 'replace', 'report']) } : null,
    handover: {
      steered,
      previewFrom: random.chance(0.2) ? ['127.77.0.1'] : [],
      previewTimeout: random.pick([1_000, 30_000]),
      canary: random.pick(canaries),
      canaryBy: random.pick(['connection', 'address']),
      soak: random.pick([0, 0, 3_000, 20_000]),
      verify: random.chance(0.4),
      stall: random.pick([1_000, 10_000]),
      settle: random.pick([1_000, 1_000, 2_000]),
      drainTimeout: random.pick([0, 5_000]),
      maxRetiring: random.pick([1, 2, 2]),
      handshake: 65_000,
    },
    hooks: {
      beforeReload: extras.pick([null, null, null, null, 400, 5_000]),
      afterPromote: extras.pick([null, null, null, null, 400, 5_000]),
      afterRollback: extras.pick([null, null, null, 400]),
      onReplace: changes.pick([null, null, null, 400]),
      onCrashLoop: notices.pick([null, 400, 5_000]),
      onWorkerStalled: notices.pick([null, 400, 5_000]),
      onLateRollback: notices.pick([null, 400, 5_000]),
      onRecovery: notices.pick([null, 400, 5_000]),
    },
  };
}
